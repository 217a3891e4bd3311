//! The system's own linker says what the work must return: the checksum that every loader is held to.

use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::error::{Error, Result};
use crate::work::{self, Flavour};

/// What a host's object for a process of its own is compiled from.
const HOST_C: &str = include_str!("../host.c");

/// The host as an object with a `main` that prints the checksum.
pub(super) fn host_object() -> Result<PathBuf> {
    let folder = work::folder();
    let file = |path: &PathBuf| {
        let path = path.clone();
        move |source| Error::File { path, source }
    };
    std::fs::create_dir_all(&folder).map_err(file(&folder))?;
    let (source, object) = (folder.join("host.c"), folder.join("host.o"));
    std::fs::write(&source, HOST_C).map_err(file(&source))?;
    command::run(Command::new("gcc").args(["-O2", "-fPIC", "-DHOST_MAIN", "-c", "-o"]).arg(&object).arg(&source))?;
    Ok(object)
}

/// Links the work with the host as a program and runs it.
pub(super) fn checksum(functions: u32) -> Result<u32> {
    let program = work::folder().join(format!("native-{functions}"));
    let object = work::object(Flavour::Pic, functions)?;
    command::run(Command::new("gcc").arg("-o").arg(&program).arg(object).arg(host_object()?))?;
    let output = command::run(&mut Command::new(&program))?;
    printed(&String::from_utf8_lossy(&output.stdout))
}

/// The number in the line `checksum N`.
pub(super) fn printed(text: &str) -> Result<u32> {
    let number = text.lines().find_map(|line| line.trim().strip_prefix("checksum ")?.parse().ok());
    number.ok_or_else(|| Error::Format { what: text.trim().to_owned(), reason: "no line `checksum N`".to_owned() })
}
