//! All modules of a kernel package, with indexes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Machine;
use crate::debian::{self, FetchError};

/// A copy of a machine's tree by hard links: it can have indexes of its own. It goes away when this is dropped.
#[derive(Debug)]
pub struct WholeTree {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl WholeTree {
    /// Links all modules of a machine, and has Debian's own depmod, or another program that stands for it, make the indexes.
    ///
    /// # Errors
    /// [`FetchError`] where a program fails.
    pub fn new(machine: &Machine, depmod: Option<&Path>) -> Result<Self, FetchError> {
        let failed = |reason: String| FetchError { package: machine.release(), reason };
        let folder = tempfile::tempdir_in(debian::cache()).map_err(|error| failed(error.to_string()))?;
        let modules = folder.path().join("lib/modules");
        std::fs::create_dir_all(&modules).map_err(|error| failed(error.to_string()))?;
        let run = |command: &mut Command| {
            let done = command.output().map_err(|error| failed(error.to_string()))?;
            if done.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&done.stderr).into_owned())) }
        };
        run(Command::new("cp").arg("-al").arg(machine.modules()).arg(&modules))?;
        let mut program = match depmod {
            Some(multicall) => {
                let mut program = Command::new(multicall);
                program.arg("depmod");
                program
            }
            None => Command::new("depmod"),
        };
        run(program.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").arg("-b").arg(folder.path()).arg(machine.release()))?;
        let path = modules.join(machine.release());
        Ok(Self { _folder: folder, path })
    }

    /// The folder of the release.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
