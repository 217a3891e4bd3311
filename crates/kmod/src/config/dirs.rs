//! Which configuration files count: five directories, of files with one name only the first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where configuration lives, best first: the administrator, this boot, the local site, the distribution (two places).
pub const PARENTS: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// The directories named `name` (`modprobe.d`, `depmod.d`) below `root`, best first.
#[must_use]
pub fn standard(root: &Path, name: &str) -> Vec<PathBuf> {
    PARENTS.iter().map(|parent| root.join(parent.trim_start_matches('/')).join(name)).collect()
}

/// The configuration files under the given paths, in the order of their names. A path may also be a file, which always counts.
///
/// Files must end in one of `suffixes` and not begin with a dot. Paths that do not exist are passed over, as most directories of
/// [`standard`] do not.
#[must_use]
pub fn files(paths: &[PathBuf], suffixes: &[&str]) -> Vec<PathBuf> {
    let mut named = BTreeMap::new();
    let mut single = Vec::new();
    for path in paths {
        let Ok(entries) = fs::read_dir(path) else {
            if path.is_file() {
                single.push(path.clone());
            }
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let wanted = !text.starts_with('.') && suffixes.iter().any(|s| text.len() > s.len() && text.ends_with(s));
            if wanted && !entry.path().is_dir() {
                named.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    single.extend(named.into_values());
    single
}
