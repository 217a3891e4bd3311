//! What can go wrong while measuring.

use std::fmt;
use std::path::PathBuf;

/// Why a measurement could not be made.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read, written or mapped.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended badly.
    Program {
        /// The program.
        program: String,
        /// Its exit status in words.
        status: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A system call failed.
    System {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A loader refused the work.
    Loader {
        /// The loader.
        loader: String,
        /// Its reason.
        reason: String,
    },
    /// Two loaders made code that behaves differently.
    Checksum {
        /// The loader that differs.
        loader: String,
        /// What the natively linked code returns.
        expected: u32,
        /// What the loaded code returned.
        found: u32,
    },
    /// A report or a child's answer is not what it should be.
    Format {
        /// What was read.
        what: String,
        /// Why it is refused.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(f, "`{}`: {source}", path.display()),
            Self::Start { program, source } => write!(f, "cannot start `{program}`: {source}"),
            Self::Program { program, status, stderr } => write!(f, "`{program}`: {status}: {stderr}"),
            Self::System { call, source } => write!(f, "`{call}`: {source}"),
            Self::Loader { loader, reason } => write!(f, "`{loader}` refuses the work: {reason}"),
            Self::Checksum { loader, expected, found } => {
                write!(f, "code loaded by `{loader}` returns {found:#010x}, not {expected:#010x}")
            }
            Self::Format { what, reason } => write!(f, "`{what}`: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// The result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;
