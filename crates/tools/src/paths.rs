//! Relative paths, made absolute as the user sees them.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A path from the root. A relative one goes on from the directory that the shell names in `PWD`, if that is where the process is: on the
/// way there may be links, which its user does not expect to see resolved (`/lib/modules`).
pub(crate) fn absolute(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_path_buf();
    }
    here().map_or_else(|| path.to_path_buf(), |directory| directory.join(path))
}

fn here() -> Option<PathBuf> {
    let identity = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    let named = env::var_os("PWD").map(PathBuf::from).filter(|path| path.is_absolute());
    named.filter(|path| identity(path) == identity(Path::new("."))).or_else(|| env::current_dir().ok())
}
