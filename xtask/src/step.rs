//! Running other programs, one visible step after the other.

use std::process::Command;

/// Why a task stopped.
#[derive(Debug)]
pub(crate) enum Error {
    /// A program could not be started.
    Start {
        /// The command line.
        command: String,
        /// Why.
        error: std::io::Error,
    },
    /// A program ended badly.
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
    },
    /// Programs that are needed are not installed, and cannot be installed here.
    Missing {
        /// Debian packages that have them.
        packages: Vec<String>,
    },
    /// The demo saw something else than what it promises.
    Surprise {
        /// What was expected and what was seen.
        what: String,
    },
    /// A file could not be read or written.
    File {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start { command, error } => write!(f, "cannot start `{command}`: {error}"),
            Self::Failed { command, status } => write!(f, "`{command}` failed: {status}"),
            Self::Missing { packages } => {
                write!(f, "programs are missing; as root, run: apt-get install --no-install-recommends {}", packages.join(" "))
            }
            Self::Surprise { what } => write!(f, "unexpected: {what}"),
            Self::File { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Runs a command to its end with the caller's output.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let text = describe(command);
    eprintln!("+ {text}");
    let status = command.status().map_err(|error| Error::Start { command: text.clone(), error })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: text, status: status.to_string() }) }
}

/// The cargo that runs this program, in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(testkit::workspace()).args(arguments);
    cargo
}

/// A command line for people.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, word| format!("{line} {}", word.to_string_lossy()))
}
