//! Debian packages as files: downloaded and unpacked under `target/guest-cache`, never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// Why a package is not to be had.
#[derive(Debug)]
pub struct FetchError {
    /// The package.
    pub package: String,
    /// The step that failed, and what it said.
    pub reason: String,
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot fetch the Debian package `{}`: {}", self.package, self.reason)
    }
}

impl std::error::Error for FetchError {}

/// The folder of all unpacked packages.
#[must_use]
pub fn cache() -> PathBuf {
    workspace().join("target/guest-cache")
}

/// The unpacked tree of a package (`usr`, `boot`, …). It is fetched once; later calls need no network.
///
/// # Errors
/// [`FetchError`] where `apt-get download` or `dpkg -x` fails.
pub fn package(name: &str) -> Result<PathBuf, FetchError> {
    bundle(name, &[name])
}

/// One tree of several packages, for a program that looks for its parts beside itself.
///
/// # Errors
/// As [`package`].
pub fn bundle(name: &str, packages: &[&str]) -> Result<PathBuf, FetchError> {
    let tree = cache().join(name);
    let failed = |reason: String| FetchError { package: name.to_owned(), reason };
    std::fs::create_dir_all(cache()).map_err(|error| failed(error.to_string()))?;
    let lock = std::fs::File::create(cache().join(format!("{name}.lock"))).map_err(|error| failed(error.to_string()))?;
    lock.lock().map_err(|error| failed(error.to_string()))?;
    if tree.is_dir() {
        return Ok(tree);
    }
    let folder = tempfile::tempdir_in(cache()).map_err(|error| failed(error.to_string()))?;
    with_lists(|| run(Command::new("apt-get").args(["-q", "download"]).args(packages).current_dir(folder.path()))).map_err(failed)?;
    let unpacked = folder.path().join("tree");
    for archive in with_extension(folder.path(), "deb") {
        run(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacked)).map_err(failed)?;
    }
    std::fs::rename(&unpacked, &tree).map_err(|error| failed(error.to_string()))?;
    Ok(tree)
}

/// The first package that a meta-package depends on and whose name starts so: `linux-image-amd64` → `linux-image-6.1.0-…`.
///
/// # Errors
/// [`FetchError`] where the package lists do not know it.
pub fn behind(meta: &str, prefix: &str) -> Result<String, FetchError> {
    let depends = depends(meta)?;
    let found = depends.iter().find(|package| package.starts_with(prefix)).cloned();
    found.ok_or_else(|| FetchError { package: meta.to_owned(), reason: format!("it depends on no `{prefix}…`: {}", depends.join(", ")) })
}

/// The packages that a package depends on, alternatives not counted.
///
/// # Errors
/// [`FetchError`] where the package lists do not know it.
pub fn depends(package: &str) -> Result<Vec<String>, FetchError> {
    let failed = |reason: String| FetchError { package: package.to_owned(), reason };
    let text = with_lists(|| run(Command::new("apt-cache").args(["depends", "--important", package]))).map_err(failed)?;
    Ok(text.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned).collect())
}

/// Does something that needs the package lists; where it fails, fetches them (which only root may) and tries once more, since a new
/// machine has none, or old ones.
fn with_lists(action: impl Fn() -> Result<String, String>) -> Result<String, String> {
    action().or_else(|why| run(Command::new("apt-get").args(["-q", "update"])).map_err(|_| why).and_then(|_| action()))
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Runs a command; answers its standard output, or what it complained of.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
