//! What can end the daemon, or keep it from starting.

use std::io;
use std::path::PathBuf;

use uapi::ClientError;

use crate::ConfigError;

/// Why the daemon ends.
#[derive(Debug)]
pub enum Error {
    /// Neither option nor environment names a kernel.
    NoKernel,
    /// The kernel does not take us as a daemon.
    Attach {
        /// Its socket.
        kernel: PathBuf,
        /// Why: `EPERM` for an ordinary user, `ENOSPC` where 20 daemons are attached.
        error: ClientError,
    },
    /// The kernel closed the channel.
    Gone {
        /// Its socket.
        kernel: PathBuf,
    },
    /// A file could not be read or written (configuration, pid file).
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The configuration file makes no sense.
    Config {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ConfigError,
    },
    /// Signals, descriptors or sessions of this process could not be set up.
    Process(io::Error),
    /// The daemon could not be started in the background.
    Background(io::Error),
    /// The daemon was started in the background, and said why it ended.
    Child {
        /// What it said; empty if it died without a word.
        reason: String,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKernel => write!(f, "which kernel? name its socket by `--kernel` or `{}`", uapi::KERNEL_VARIABLE),
            Self::Attach { kernel, error: ClientError::Errno(errno) } => {
                write!(f, "the kernel at `{}` does not accept a daemon: {errno}", kernel.display())
            }
            Self::Attach { error, .. } => write!(f, "{error}"),
            Self::Gone { kernel } => write!(f, "the kernel at `{}` is gone", kernel.display()),
            Self::File { path, error } => write!(f, "`{}`: {error}", path.display()),
            Self::Config { path, error } => write!(f, "`{}`: {error}", path.display()),
            Self::Process(error) => write!(f, "this process could not be set up: {error}"),
            Self::Background(error) => write!(f, "the daemon could not be started in the background: {error}"),
            Self::Child { reason } if reason.is_empty() => f.write_str("the daemon died before it was attached to the kernel"),
            Self::Child { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Attach { error, .. } => Some(error),
            Self::Config { error, .. } => Some(error),
            Self::File { error, .. } | Self::Process(error) | Self::Background(error) => Some(error),
            Self::NoKernel | Self::Gone { .. } | Self::Child { .. } => None,
        }
    }
}
