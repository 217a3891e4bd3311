//! Starting this program again, for a measurement in a process of its own.

use std::process::Command;

use serde::de::DeserializeOwned;

use crate::command;
use crate::error::{Error, Result};

/// Runs `bench child` with `arguments` and reads the one JSON object that it prints.
///
/// # Errors
/// A child that fails or says something else.
pub(crate) fn start<'a, A: DeserializeOwned>(arguments: impl IntoIterator<Item = &'a str>) -> Result<A> {
    let program = std::env::current_exe().map_err(|source| Error::System { call: "current_exe", source })?;
    let output = command::run(Command::new(program).arg("child").args(arguments))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Format { what: String::from_utf8_lossy(&output.stdout).into_owned(), reason: error.to_string() })
}
