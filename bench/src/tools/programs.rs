//! The subjects: ours in the two builds that are handed out, and the rivals.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Programs, debian};

use crate::command;
use crate::error::{Error, Result};
use crate::report;

/// Where the programs are.
pub(super) struct Tools {
    /// The static program that is installed (see README), and that guests and initramfs images have.
    pub(super) ours: PathBuf,
    /// The same code, as `cargo build --release` makes it: with shared libraries.
    pub(super) shared: PathBuf,
    /// Debian's kmod.
    pub(super) kmod: PathBuf,
}

impl Tools {
    pub(super) fn built() -> Self {
        Self { ours: Programs::static_modutils(), shared: Programs::built().path("modutils"), kmod: PathBuf::from("/usr/bin/kmod") }
    }
}

/// Debian's static busybox, unpacked beside the kernels.
pub(super) fn busybox() -> Result<PathBuf> {
    let folder = debian::package("busybox-static").map_err(refused)?;
    Ok(folder.join("bin/busybox"))
}

/// A static C program that does nothing: the floor of every start.
pub(super) fn empty() -> Result<PathBuf> {
    let folder = report::folder();
    let (source, program) = (folder.join("empty.c"), folder.join("empty"));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&source, "int main(void) { return 0; }\n"));
    written.map_err(|error| Error::File { path: source.clone(), source: error })?;
    command::run(Command::new("gcc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source))?;
    Ok(program)
}

/// A program that answers to several names, called by one of them.
pub(super) fn applet(program: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env_remove("MODUTILS_KERNEL").env_remove("MODPROBE_OPTIONS");
    command
}

/// A package that is not to be had.
pub(super) fn refused(error: debian::FetchError) -> Error {
    Error::Program { program: "apt-get download".to_owned(), status: "failed".to_owned(), stderr: error.to_string() }
}
