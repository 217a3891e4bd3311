//! `delete_module(NULL)` without waiting for it: the cleanup routines that it runs may take their time, and may ask this very
//! daemon for something.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use uapi::wire::{self, WireError};
use uapi::{ClientError, Errno, Reply, Syscall};

/// How long half a reply may take to become a whole one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a pass was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The kernel has been told.
    Begun,
    /// The one before has not been answered yet.
    UnderWay,
}

/// A connection for system calls, made when it is first needed and again after it broke.
#[derive(Debug)]
pub struct Control {
    kernel: PathBuf,
    socket: Option<UnixStream>,
    waiting: bool,
}

impl Control {
    /// To the kernel whose socket is `kernel`.
    #[must_use]
    pub fn new(kernel: PathBuf) -> Self {
        Self { kernel, socket: None, waiting: false }
    }

    /// Makes a system call, and waits for its reply and the descriptor that may come along.
    ///
    /// # Errors
    /// Where nobody listens, nobody answers, or the kernel refuses.
    pub fn call(&mut self, call: &Syscall) -> Result<(Reply, Option<OwnedFd>), ClientError> {
        self.begin(call)?;
        self.finish()
    }

    /// Begins an autoclean pass.
    ///
    /// # Errors
    /// Where nobody listens any more.
    pub fn autoclean(&mut self) -> Result<Pass, ClientError> {
        if self.waiting {
            return Ok(Pass::UnderWay);
        }
        self.begin(&Syscall::DeleteModule { name: None }).map(|()| Pass::Begun)
    }

    fn begin(&mut self, call: &Syscall) -> Result<(), ClientError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect()?,
        };
        wire::send(&socket, call, None)?;
        self.socket = Some(socket);
        self.waiting = true;
        Ok(())
    }

    /// The socket on which a reply is awaited.
    #[must_use]
    pub fn awaited(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().filter(|_| self.waiting).map(AsFd::as_fd)
    }

    /// Takes the reply that has come.
    ///
    /// # Errors
    /// The kernel's refusal, or a broken connection; the next pass makes a new one.
    pub fn finish(&mut self) -> Result<(Reply, Option<OwnedFd>), ClientError> {
        self.waiting = false;
        let socket = self.socket.take().ok_or(WireError::Closed)?;
        let (answer, descriptor): (Result<Reply, Errno>, _) = wire::receive(&socket, wire::MAX_FRAME)?;
        self.socket = Some(socket);
        answer.map(|reply| (reply, descriptor)).map_err(ClientError::Errno)
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let connected = UnixStream::connect(&self.kernel).and_then(|socket| {
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        connected.map_err(|error| ClientError::Connect { path: self.kernel.clone(), error })
    }
}
