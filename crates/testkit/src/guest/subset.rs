//! A few modules of a kernel package with all that they depend on, so that a guest stays small.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Machine;
use crate::debian::FetchError;

/// Copies the named modules and their dependencies into `ROOT/lib/modules/RELEASE`, without any index but the lists that the package
/// ships. Answers that folder. The package's modules.dep, or else Debian's own depmod, says what depends on what.
///
/// # Errors
/// [`FetchError`] where depmod fails, a name is unknown, or a copy fails.
pub fn subset(machine: &Machine, names: &[&str], root: &Path) -> Result<PathBuf, FetchError> {
    let failed = |reason: String| FetchError { package: machine.release(), reason };
    let dependencies = dependencies(machine)?;
    let target = root.join("lib/modules").join(machine.release());
    let copy = |path: &str| {
        let to = target.join(path);
        std::fs::create_dir_all(to.parent().unwrap_or(&target)).and_then(|()| std::fs::copy(machine.modules().join(path), to))
    };
    for list in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        copy(list).map_err(|error| failed(format!("{list}: {error}")))?;
    }
    for name in names {
        let (path, needed) = dependencies.get(&name.replace('-', "_")).ok_or_else(|| failed(format!("there is no module `{name}`")))?;
        for path in std::iter::once(path).chain(needed) {
            copy(path).map_err(|error| failed(format!("{path}: {error}")))?;
        }
    }
    Ok(target)
}

/// A module's path and the paths of all that it depends on, by its name.
type Dependencies = BTreeMap<String, (String, Vec<String>)>;

/// What depends on what in the machine's tree.
fn dependencies(machine: &Machine) -> Result<Dependencies, FetchError> {
    if let Ok(shipped) = std::fs::read_to_string(machine.modules().join("modules.dep")) {
        return Ok(parse(&shipped));
    }
    let failed = |reason: String| FetchError { package: "kmod".to_owned(), reason };
    let base = machine.modules().ancestors().nth(3).ok_or_else(|| failed("no folder above lib/modules".to_owned()))?;
    let output =
        Command::new("depmod").env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-n", "-b"]).arg(base).arg(machine.release()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// The lines of modules.dep, up to where depmod's next file begins.
fn parse(text: &str) -> Dependencies {
    let lines = text.lines().take_while(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
    lines.map(|(path, needed)| (module_name(path), (path.to_owned(), needed.split_whitespace().map(str::to_owned).collect()))).collect()
}

/// `kernel/fs/fat/vfat.ko.xz` → `vfat`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}
