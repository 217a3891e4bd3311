//! Why a module could not be built.

use std::path::PathBuf;

/// Why a module could not be built.
#[derive(Debug)]
pub enum Error {
    /// A program that is needed is not installed.
    Missing {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program refused its input.
    Refused {
        /// The command line.
        command: String,
        /// What it said.
        message: String,
    },
    /// There is no sample of that name.
    Unknown {
        /// The name.
        name: String,
    },
    /// A file could not be read, written or copied.
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An object could not be turned into an a.out one.
    Aout {
        /// The module.
        name: String,
        /// Why.
        error: Box<modlink::Error>,
    },
}

impl Error {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { program, package } => write!(f, "`{program}` is not installed; the package `{package}` has it"),
            Self::Refused { command, message } => write!(f, "`{command}` failed:\n{message}"),
            Self::Unknown { name } => write!(f, "there is no sample module `{name}`"),
            Self::Aout { name, error } => write!(f, "`{name}` cannot become an a.out object: {error}"),
            Self::File { path, error } => write!(f, "`{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}
