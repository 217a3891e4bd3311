//! Which configuration files count: five directories, of files with one name only the first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where configuration lives, best first: the administrator, this boot, the local site, the distribution (two places).
pub const PARENTS: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// The directories named `name` (`modprobe.d`, `depmod.d`) below `root`, best first.
#[must_use]
pub fn standard(root: &Path, name: &str) -> Vec<PathBuf> {
    PARENTS.iter().map(|parent| root.join(parent.trim_start_matches('/')).join(name)).collect()
}

/// What is found under the paths of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files that count, in the order of their names.
    pub files: Vec<PathBuf>,
    /// What has the name of such a file, and is a directory or a link that leads nowhere.
    pub odd: Vec<PathBuf>,
}

/// The configuration files under the given paths, in the order of their names; of files with one name that under the first path counts.
/// A path may also be a file, whatever its name ends in.
///
/// Files of a directory must end in one of `suffixes` and not begin with a dot. Paths that do not exist are passed over, as most directories of
/// [`standard`] do not.
#[must_use]
pub fn files(paths: &[PathBuf], suffixes: &[&str]) -> Vec<PathBuf> {
    list(paths, suffixes).files
}

/// The same, with what looks like a configuration file and is none.
#[must_use]
pub fn list(paths: &[PathBuf], suffixes: &[&str]) -> Listing {
    let mut named = BTreeMap::new();
    let mut odd = Vec::new();
    for path in paths {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(_) if path.is_file() => {
                named.entry(path.file_name().unwrap_or_default().to_os_string()).or_insert_with(|| path.clone());
                continue;
            }
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let text = crate::text::of_os(&name);
            let wanted = !text.starts_with('.') && suffixes.iter().any(|s| text.len() > s.len() && text.ends_with(s));
            // A file that is hidden by one of the same name need not be looked at: `/lib` and `/usr/lib` are one directory on most systems.
            if !wanted || named.contains_key(&name) {
                continue;
            }
            match target(&entry) {
                Target::File => drop(named.insert(name, entry.path())),
                Target::Directory => odd.push(entry.path()),
                // It hides files of its name all the same.
                Target::Nothing => {
                    odd.push(entry.path());
                    named.insert(name, entry.path());
                }
            }
        }
    }
    odd.sort_unstable();
    Listing { files: named.into_values().collect(), odd }
}

/// What an entry of a directory leads to.
enum Target {
    File,
    Directory,
    Nothing,
}

fn target(entry: &fs::DirEntry) -> Target {
    let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
    match kind.map_or_else(|| fs::metadata(entry.path()).map(|about| about.file_type()), Ok) {
        Ok(kind) if kind.is_dir() => Target::Directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Target::Nothing,
        _ => Target::File,
    }
}
