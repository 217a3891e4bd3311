//! A connection to a hosted kernel.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::wire::{self, WireError};
use crate::{Errno, KernelSym, ProcFile, Reply, Syscall, Uname};

/// The environment variable that names the socket of the kernel to talk to.
pub const KERNEL_VARIABLE: &str = "MODUTILS_KERNEL";

/// Why a call got no reply, or which error it was answered with.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens there.
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The connection broke, or carried nonsense.
    Wire(WireError),
    /// The kernel said no.
    Errno(Errno),
    /// A reply that does not fit the call.
    Unexpected {
        /// The reply, as text.
        reply: String,
    },
}

impl ClientError {
    /// The error number, where the kernel answered with one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Errno(errno) => Some(*errno),
            _ => None,
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect { path, error } => write!(f, "no kernel answers at `{}`: {error}", path.display()),
            Self::Wire(error) => write!(f, "the connection to the kernel broke: {error}"),
            Self::Errno(errno) => write!(f, "{errno}"),
            Self::Unexpected { reply } => write!(f, "the kernel answered with something else: {reply}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { error, .. } => Some(error),
            Self::Wire(error) => Some(error),
            Self::Errno(errno) => Some(errno),
            Self::Unexpected { .. } => None,
        }
    }
}

impl From<WireError> for ClientError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// A connection: one call at a time, in order. Modules created over it and not yet initialized go when it is dropped.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
}

impl Client {
    /// Connects to the kernel that listens at `path`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let socket = UnixStream::connect(path).map_err(|error| ClientError::Connect { path: path.to_owned(), error })?;
        Ok(Self { socket })
    }

    /// Makes a call, and answers its reply with the descriptor that came along.
    ///
    /// # Errors
    /// [`ClientError::Errno`] where the kernel refuses; [`ClientError::Wire`] where it is gone.
    pub fn call_with_descriptor(&mut self, call: &Syscall) -> Result<(Reply, Option<OwnedFd>), ClientError> {
        wire::send(&self.socket, call, None)?;
        let (answer, descriptor): (Result<Reply, Errno>, _) = wire::receive(&self.socket, wire::MAX_FRAME)?;
        answer.map(|reply| (reply, descriptor)).map_err(ClientError::Errno)
    }

    /// Makes a call whose reply carries no descriptor.
    ///
    /// # Errors
    /// As [`call_with_descriptor`](Self::call_with_descriptor).
    pub fn call(&mut self, call: &Syscall) -> Result<Reply, ClientError> {
        self.call_with_descriptor(call).map(|(reply, _)| reply)
    }

    /// `uname(2)`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn uname(&mut self) -> Result<Uname, ClientError> {
        match self.call(&Syscall::Uname)? {
            Reply::Uname(uname) => Ok(uname),
            other => Err(unexpected(&other)),
        }
    }

    /// `get_kernel_syms(2)`: newest module first, the kernel last, each opened by its `#name` marker.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn kernel_syms(&mut self) -> Result<Vec<KernelSym>, ClientError> {
        match self.call(&Syscall::GetKernelSyms)? {
            Reply::KernelSyms(symbols) => Ok(symbols),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads one of the kernel's texts.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn read(&mut self, file: ProcFile) -> Result<String, ClientError> {
        match self.call(&Syscall::ReadProc(file))? {
            Reply::Text(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    /// `delete_module(2)`; `None` runs the autoclean pass.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn delete_module(&mut self, name: Option<&str>) -> Result<(), ClientError> {
        match self.call(&Syscall::DeleteModule { name: name.map(str::to_owned) })? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// A request that the embedder registered.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn embedder(&mut self, request: &str, body: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        match self.call(&Syscall::Embedder { request: request.to_owned(), body })? {
            Reply::Embedder(body) => Ok(body),
            other => Err(unexpected(&other)),
        }
    }
}

/// The error for a reply of the wrong kind.
fn unexpected(reply: &Reply) -> ClientError {
    let mut text = format!("{reply:?}");
    text.truncate(text.char_indices().nth(80).map_or(text.len(), |(at, _)| at));
    ClientError::Unexpected { reply: text }
}
