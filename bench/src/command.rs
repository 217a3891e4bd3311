//! Programs that the benchmarks call: compiler, assembler, linkers.

use std::process::{Command, Output};

use crate::error::{Error, Result};

/// Runs `command` to its end and returns what it wrote; a bad exit status is an error with the end of its complaints.
///
/// # Errors
/// [`Error::Start`] and [`Error::Program`].
pub fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Err(source) => Err(Error::Start { program, source }),
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let from = text.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
            let stderr = text.get(from..).unwrap_or_default().trim().to_owned();
            Err(Error::Program { program, status: output.status.to_string(), stderr })
        }
    }
}

/// The first line that `program --version` prints, or nothing if there is no such program.
#[must_use]
pub fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}
