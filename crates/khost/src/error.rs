//! Why the hosted kernel did not come up, or a client of it failed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// What is done to set a kernel or a client up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The timer's thread.
    Timer,
    /// The signals that end the kernel.
    Signals,
    /// The process of `--daemon`.
    Detach,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Timer => "start the timer",
            Self::Signals => "listen to signals",
            Self::Detach => "start the kernel in the background",
        })
    }
}

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
        step: Step,
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
    /// `--symvers` stands alone.
    SymversBeside,
    /// A file name that is no text cannot be sent to the kernel.
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// No route leads over a link.
    NoSuchLink {
        /// The link.
        link: String,
    },
    /// The kernel was asked to end, and did not in time.
    StillUp {
        /// Its socket.
        socket: PathBuf,
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
            Self::Setup { step, error } => write!(f, "cannot {step}: {error}"),
            Self::NoCommand => f.write_str("what is to be done? see `khost --help`"),
            Self::NoSocket => write!(f, "which kernel? give `--kernel SOCKET`, or set {}", uapi::KERNEL_VARIABLE),
            Self::Client { error } => error.fmt(f),
            Self::Refused { what, error } => write!(f, "{what}: {error}"),
            Self::SymversBeside => f.write_str("`--symvers` and a command do not go together"),
            Self::NotText { path } => write!(f, "the name of `{}` is no text that the kernel could be sent", path.display()),
            Self::NoSuchLink { link } => write!(f, "no route leads over `{link}`"),
            Self::StillUp { socket } => write!(f, "the kernel at `{}` was asked to end, and still answers", socket.display()),
            Self::NotUp { socket, status, reason } => write!(f, "no kernel came up at `{}` ({status}): {reason}", socket.display()),
            Self::Helper { what, status } => write!(f, "{what}: {status}"),
            Self::Output { error } => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Twice
            | Self::NoCommand
            | Self::NoSocket
            | Self::NotUp { .. }
            | Self::Helper { .. }
            | Self::SymversBeside
            | Self::NotText { .. }
            | Self::NoSuchLink { .. }
            | Self::StillUp { .. } => None,
            Self::Kernel { error } => Some(error),
            Self::Client { error } | Self::Refused { error, .. } => Some(error),
            Self::Setup { error, .. } | Self::Output { error } => Some(error),
        }
    }
}
