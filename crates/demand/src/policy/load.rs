//! From files to a policy.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kmod::config::Place;
use rustix::fs::{OFlags, makedev};

use super::parse::Builder;
use super::{Fault, FaultKind, Policy, PolicyError};
use crate::Paths;

/// Longest file in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The permission to write for everybody.
const ANYONE: u32 = 0o002;

impl Policy {
    /// Reads the drop-ins in the order of their names, and then the policy file. What is read first counts: the rules of a drop-in stand
    /// before those of the policy file, and a setting of a drop-in holds against the same setting in the policy file. Without any file the
    /// answer is [`Policy::default`].
    ///
    /// # Errors
    /// [`PolicyError`], with every fault of all files; also for files and folders that anyone may change, and for links that lead nowhere:
    /// that is no decision to have no policy.
    pub fn load(paths: &Paths) -> Result<Self, PolicyError> {
        let (own, folder) = (paths.policy(), paths.policy_drop_ins());
        for folder in own.parent().into_iter().chain([folder.as_path()]) {
            if fs::metadata(folder).is_ok_and(|about| anyone_may_change(&about)) {
                return Err(PolicyError::Read { path: folder.to_owned(), error: foreign() });
            }
        }
        let mut files = drop_ins(&folder)?;
        files.push(own);
        let mut builder = Builder::default();
        for file in files {
            let trusted = |opened: fs::File| if anyone_may_change(&opened.metadata()?) { Err(foreign()) } else { Ok(opened) };
            match open(&file).and_then(trusted).and_then(read) {
                Ok(bytes) => add(&mut builder, &file, &bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&file).is_err() => {}
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
        let bytes = open(file).and_then(read).map_err(|error| PolicyError::Read { path: file.to_owned(), error })?;
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
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

/// Opens a file that has an end: nobody shall wait for whoever writes to a pipe. A link to `/dev/null` stands for an empty file, as elsewhere
/// in `/etc`.
fn open(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let about = file.metadata()?;
    let null = about.file_type().is_char_device() && about.rdev() == makedev(1, 3);
    if about.is_file() || null { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
}

/// Whether whoever is not root and not in the file's group may change it.
fn anyone_may_change(about: &fs::Metadata) -> bool {
    // A device is no file that keeps what is written to it.
    about.mode() & ANYONE != 0 && !about.file_type().is_char_device()
}

fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "anyone may change it: it has to be writable for root only")
}

fn read(file: fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}
