//! What helpers leave for the daemon when they had to decide by themselves: one line of JSON for each request.
//!
//! Helpers add with one write each, so lines of several do not mix. The daemon renames the file and reads it a little later, when
//! nobody can still be writing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Record;

/// Longest spool in bytes: it lies in memory, and nobody takes it away while the daemon is gone.
pub const MAX_SPOOL: u64 = 1 << 20;

/// What was read from a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spooled {
    /// The records.
    pub records: Vec<Record>,
    /// Lines that are no records.
    pub damaged: u64,
    /// Requests of which there is no more than their number, because the spool was full.
    pub lost: u64,
}

/// What is left of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its record.
    Record,
    /// Its number: there is no room for more.
    Count,
}

/// Adds a record. Where the spool is full, only the request is counted.
///
/// # Errors
/// Where neither can be written.
pub fn add(spool: &Path, record: &Record) -> io::Result<Left> {
    let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
    line.push(b'\n');
    let mut file = match appending(spool) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().mode(0o755).create(spool.parent().unwrap_or(Path::new("/")))?;
            appending(spool)?
        }
        opened => opened?,
    };
    let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if file.metadata()?.len().saturating_add(length) > MAX_SPOOL || file.write(&line).is_ok_and(|written| written != line.len()) {
        return count(spool);
    }
    Ok(Left::Record)
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The file whose length is the number of lost records.
fn lost_beside(spool: &Path) -> PathBuf {
    spool.with_extension("lost")
}

/// Counts a request of which no record can be made.
///
/// # Errors
/// Where it cannot be written.
pub fn count(spool: &Path) -> io::Result<Left> {
    let mut file = appending(&lost_beside(spool))?;
    if file.metadata()?.len() < MAX_SPOOL {
        file.write_all(b".")?;
    }
    Ok(Left::Count)
}

/// The names of a spool that is being taken, and of its number.
fn taken(spool: &Path) -> [PathBuf; 2] {
    ["taken", "lost.taken"].map(|extension| spool.with_extension(extension))
}

/// Puts the spool aside, so that no helper adds to it any more; one that has it open may still be writing. One that was put aside
/// before and not finished stays as it is. Answers whether something is aside.
///
/// # Errors
/// Where it cannot be renamed.
pub fn put_aside(spool: &Path) -> io::Result<bool> {
    let mut any = false;
    for (file, aside) in [spool.to_owned(), lost_beside(spool)].iter().zip(taken(spool)) {
        any |= aside.exists()
            || match std::fs::rename(file, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                renamed => renamed.map(|()| true)?,
            };
    }
    Ok(any)
}

/// Reads what was put aside.
///
/// # Errors
/// Where it is there and cannot be read.
pub fn read_aside(spool: &Path) -> io::Result<Spooled> {
    let [records, lost] = taken(spool);
    let mut spooled = Spooled { lost: std::fs::metadata(lost).map_or(0, |about| about.len()), ..Spooled::default() };
    let mut bytes = Vec::new();
    match File::open(records) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(spooled),
        // Somebody other than a helper may have put more into it.
        opened => opened?.take(MAX_SPOOL.saturating_mul(2)).read_to_end(&mut bytes)?,
    };
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => spooled.records.push(record),
            Err(_) => spooled.damaged = spooled.damaged.saturating_add(1),
        }
    }
    Ok(spooled)
}

/// Removes what was put aside, once it is in the journal.
pub fn finish(spool: &Path) {
    for file in taken(spool) {
        // What is not there need not be removed; what cannot be removed is read once more, and twice in the journal.
        let _ = std::fs::remove_file(file);
    }
}
