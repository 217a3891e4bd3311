//! The daemon's side of a hosted kernel: the channel that requests come over, and the system call that removes what is idle.

mod channel;
mod control;

use std::path::{Path, PathBuf};

use uapi::{ClientError, Reply, Syscall};

pub use channel::{Channel, Received};
pub use control::{Control, Pass};

use crate::Error;

/// An attached daemon.
#[derive(Debug)]
pub struct Link {
    /// Requests and replies.
    pub channel: Channel,
    /// System calls.
    pub control: Control,
}

impl Link {
    /// Attaches to the kernel whose socket is `kernel` (`msgget(2)` with `IPC_KERNELD`).
    ///
    /// # Errors
    /// [`Error::Attach`] where nobody listens, or the kernel does not accept this process as a daemon.
    pub fn open(kernel: &Path) -> Result<Self, Error> {
        let attach = |error| Error::Attach { kernel: kernel.to_owned(), error };
        let mut control = Control::new(PathBuf::from(kernel));
        let (reply, descriptor) = control.call(&Syscall::KerneldOpen).map_err(attach)?;
        let (Reply::Channel, Some(descriptor)) = (reply, descriptor) else {
            return Err(attach(ClientError::Unexpected { reply: "no channel".to_owned() }));
        };
        let channel = Channel::new(descriptor).map_err(Error::Process)?;
        Ok(Self { channel, control })
    }
}
