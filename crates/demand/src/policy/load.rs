//! From files to a policy.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kmod::config::Place;

use super::parse::Builder;
use super::{Fault, FaultKind, Policy, PolicyError};
use crate::Paths;

/// Longest file in bytes.
const MAX_FILE: u64 = 1 << 20;

impl Policy {
    /// Reads the drop-ins in the order of their names, and then the policy file. What is read first counts: the rules of a drop-in stand
    /// before those of the policy file, and a setting of a drop-in holds against the same setting in the policy file. Without any file the
    /// answer is [`Policy::default`].
    ///
    /// # Errors
    /// [`PolicyError`], with every fault of all files.
    pub fn load(paths: &Paths) -> Result<Self, PolicyError> {
        let mut files = drop_ins(&paths.policy_drop_ins())?;
        files.push(paths.policy());
        let mut builder = Builder::default();
        for file in files {
            match read(&file) {
                Ok(bytes) => add(&mut builder, &file, &bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(PolicyError::Read { path: file, error }),
            }
        }
        builder.finish()
    }

    /// Reads one file and nothing else.
    ///
    /// # Errors
    /// [`PolicyError`]; also where the file is not there.
    pub fn load_file(file: &Path) -> Result<Self, PolicyError> {
        let bytes = read(file).map_err(|error| PolicyError::Read { path: file.to_owned(), error })?;
        Self::parse(file, &bytes)
    }

    /// Reads the contents of one file, whose name is for messages and records.
    ///
    /// # Errors
    /// [`PolicyError::Faults`].
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut builder = Builder::default();
        add(&mut builder, file, bytes);
        builder.finish()
    }
}

fn add(builder: &mut Builder, file: &Path, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => builder.file(file, text),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX);
            let kind = FaultKind::Syntax { message: "bytes that are not UTF-8".to_owned() };
            builder.fault(Fault { place: Place { file: file.into(), line }, kind });
        }
    }
}

/// The drop-ins, in the order of their names.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    let failed = |error| PolicyError::Read { path: folder.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}
