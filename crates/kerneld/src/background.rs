//! Going to the background without `fork`: the program starts itself once more, and that process detaches from the terminal.
//! What it says on its standard output before it is ready is for the process that started it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Error;

/// The line that says: attached to the kernel.
const READY: &str = "ready";

/// A daemon that was started and has not reported yet.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    report: ChildStdout,
}

/// Starts the daemon in the background, with the arguments of this process.
///
/// # Errors
/// [`Error::Background`] where the process cannot be made.
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> Result<Starting, Error> {
    let program = std::env::current_exe().map_err(Error::Background)?;
    let mut command = Command::new(program);
    command.arg("--attached").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(Error::Background)?;
    match child.stdout.take() {
        Some(report) => Ok(Starting { child, report }),
        None => Err(Error::Background(std::io::ErrorKind::BrokenPipe.into())),
    }
}

impl Starting {
    /// The process id of the daemon.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the daemon is attached to the kernel, or has failed. The daemon lives on by itself.
    ///
    /// # Errors
    /// [`Error::Child`] with the daemon's own words.
    pub fn wait(mut self) -> Result<(), Error> {
        let mut reason = String::new();
        self.report.read_to_string(&mut reason).map_err(Error::Background)?;
        match reason.trim_end() {
            READY => Ok(()),
            reason => Err(Error::Child { reason: reason.to_owned() }),
        }
    }
}

/// In the process in the background: away from the terminal and from the directory of whoever started it.
///
/// # Errors
/// [`Error::Process`].
pub fn detach() -> Result<(), Error> {
    rustix::process::setsid().map_err(|errno| Error::Process(errno.into()))?;
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    std::env::set_current_dir("/").map_err(Error::Process)
}

/// In the process in the background: tells the process that waits how it went (`None`: attached), and lets go of it.
pub fn report(failure: Option<&Error>) {
    let line = failure.map_or_else(|| READY.to_owned(), ToString::to_string);
    let mut output = std::io::stdout();
    // Where nobody waits any more there is nobody to tell.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null.as_fd());
    }
}
