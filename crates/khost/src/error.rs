//! Why the hosted kernel did not come up, or a client of it failed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// An error of this library.
#[derive(Debug)]
pub enum Error {
    /// This process already has a kernel.
    Twice,
    /// The `kernel` library refused.
    Kernel {
        /// Why.
        error: kernel::Error,
    },
    /// A part of the process could not be set up.
    Setup {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// No command was given.
    NoCommand,
    /// No socket was named.
    NoSocket,
    /// The kernel cannot be reached, or broke off.
    Client {
        /// Why.
        error: uapi::ClientError,
    },
    /// The kernel refused a request.
    Refused {
        /// What was asked for, such as "mount `disk.img` at `/mnt`".
        what: String,
        /// Its answer.
        error: uapi::ClientError,
    },
    /// The kernel that was started in the background did not come up.
    NotUp {
        /// The socket that it was to serve.
        socket: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        reason: String,
    },
    /// A request to kerneld had no success.
    Helper {
        /// What was asked for.
        what: String,
        /// How it ended, in words.
        status: String,
    },
    /// An argument that makes no sense.
    Argument {
        /// What it is for.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The output could not be written.
    Output {
        /// Why.
        error: io::Error,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Twice => f.write_str("this process already has a kernel"),
            Self::Kernel { error } => error.fmt(f),
            Self::Setup { what, error } => write!(f, "cannot {what}: {error}"),
            Self::NoCommand => f.write_str("what is to be done? see `khost --help`"),
            Self::NoSocket => write!(f, "which kernel? give `--kernel SOCKET`, or set {}", uapi::KERNEL_VARIABLE),
            Self::Client { error } => error.fmt(f),
            Self::Refused { what, error } => write!(f, "{what}: {error}"),
            Self::Argument { what, text } => write!(f, "`{text}` is no {what}"),
            Self::NotUp { socket, status, reason } => write!(f, "no kernel came up at `{}` ({status}): {reason}", socket.display()),
            Self::Helper { what, status } => write!(f, "{what}: {status}"),
            Self::Output { error } => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Twice | Self::NoCommand | Self::NoSocket | Self::Argument { .. } | Self::NotUp { .. } | Self::Helper { .. } => None,
            Self::Kernel { error } => Some(error),
            Self::Client { error } | Self::Refused { error, .. } => Some(error),
            Self::Setup { error, .. } | Self::Output { error } => Some(error),
        }
    }
}
