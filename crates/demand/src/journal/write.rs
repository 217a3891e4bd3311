//! Writing.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::flood::Flood;
use super::parts::rotate;
use super::read::MAX_LINE;
use crate::Record;
use crate::policy::JournalSettings;

/// Bounds of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub size: u64,
    /// Older files beside the current one.
    pub keep: u32,
    /// Records that wait in memory while the disk takes none; more are counted only.
    pub waiting: usize,
}

impl From<JournalSettings> for Limits {
    fn from(settings: JournalSettings) -> Self {
        Self { size: settings.size, keep: settings.keep, waiting: 4096 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        JournalSettings::default().into()
    }
}

/// How a journal is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Lines written by this process.
    pub written: u64,
    /// Requests that were counted in `repeated` of another record instead of having a line of their own.
    pub counted: u64,
    /// Lines that wait for the disk.
    pub waiting: u64,
    /// Requests whose record would have been longer than a line may be, and was not written.
    pub lost: u64,
    /// Why the disk takes no lines at present.
    pub error: Option<String>,
}

/// A journal that is being written, by one process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    limits: Limits,
    file: Option<File>,
    /// Bytes of the current file.
    length: u64,
    /// Whether the current file may end within a line.
    torn: bool,
    flood: Flood,
    waiting: VecDeque<Record>,
    status: Status,
    /// When the disk was last tried in vain, in the time of records.
    tried: Option<u64>,
    /// When it was last looked whether the file still has its name, in the time of records.
    looked: u64,
    /// The time at the last look, in the time of records.
    now: u64,
}

/// A clock that is behind the last time by no more than this, in microseconds, was not set back: records come in the order in which their
/// requests end, with the times at which these began.
const OUT_OF_ORDER: u64 = 5_000_000;

/// How often it is looked whether the file still has its name, in microseconds: somebody may have removed it.
const LOOK: u64 = 5_000_000;

/// How long a disk that took nothing is left alone, in microseconds.
const TRY_AGAIN: u64 = 1_000_000;

impl Journal {
    /// Opens a journal for writing, behind what is in it; file and folder are made if they are not there. Where that fails, lines wait in
    /// memory and it is tried again: a journal is always there, [`Journal::status`] says what is wrong with it.
    #[must_use]
    pub fn open(path: &Path, limits: Limits) -> Self {
        let mut journal = Self {
            path: path.to_owned(),
            limits,
            file: None,
            length: 0,
            torn: false,
            flood: Flood::default(),
            waiting: VecDeque::new(),
            status: Status::default(),
            tried: None,
            looked: 0,
            now: 0,
        };
        if let Err(error) = journal.ready() {
            journal.status.error = Some(error.to_string());
        }
        journal
    }

    /// Takes a record: writes it, counts it, or keeps it until the disk has room. Never fails and never waits for more than one write.
    pub fn append(&mut self, record: Record) {
        let now = record.time;
        self.notice(now);
        if let Some(record) = self.flood.pass(record) {
            self.enqueue(record);
        }
        self.tick(now);
    }

    /// Writes what has waited long enough: to be called every second or so, with the time in microseconds since 1970.
    pub fn tick(&mut self, now: u64) {
        self.notice(now);
        self.drain(now);
        // While the disk takes nothing, what is counted stays counted: it needs no further memory.
        if self.tried.is_none() {
            self.waiting.extend(self.flood.flush(now));
            self.drain(now);
        }
    }

    /// Takes note of a clock that was set back.
    fn notice(&mut self, now: u64) {
        if now.saturating_add(OUT_OF_ORDER) < self.now {
            self.looked = self.looked.min(now);
            self.tried = self.tried.map(|tried| tried.min(now));
            self.flood.set_back(now);
            self.now = now;
        }
        self.now = self.now.max(now);
    }

    /// Writes all that is left, counted requests included: at the end of the process, or because somebody wants to read it now.
    pub fn finish(&mut self) {
        self.tried = None;
        self.drain(self.now);
        if self.tried.is_none() {
            self.waiting.extend(self.flood.empty());
            self.drain(self.now);
        }
        if let Some(file) = &self.file {
            // At the end there is nobody to tell.
            let _ = file.sync_data();
        }
    }

    /// Changes the bounds.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        Status { counted: self.flood.counted, waiting, ..self.status.clone() }
    }

    /// Whether all is written: no line waits and nothing is counted that has no line yet.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flood.is_empty()
    }

    fn enqueue(&mut self, record: Record) {
        if self.waiting.len() >= self.limits.waiting.max(1)
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.flood.fold(oldest);
        }
        self.waiting.push_back(record);
    }

    fn drain(&mut self, now: u64) {
        if self.tried.is_some_and(|tried| now.saturating_sub(tried) < TRY_AGAIN) {
            return;
        }
        if now.saturating_sub(self.looked) >= LOOK {
            self.looked = now;
            self.file = self.file.take().filter(|file| is_at(file, &self.path));
        }
        while let Some(record) = self.waiting.front() {
            // A record is made of texts and numbers: writing it as JSON does not fail.
            let mut line = serde_json::to_vec(record).unwrap_or_default();
            line.push(b'\n');
            if line.len() > MAX_LINE {
                self.status.lost = self.status.lost.saturating_add(record.repeated);
                self.waiting.pop_front();
                continue;
            }
            if let Err(error) = self.write(&line) {
                self.status.error = Some(error.to_string());
                self.tried = Some(now);
                self.file = None;
                return;
            }
            self.waiting.pop_front();
            self.status.written = self.status.written.saturating_add(1);
        }
        (self.status.error, self.tried) = (None, None);
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.ready()?;
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.length > 0 && self.length.saturating_add(added) > self.limits.size {
            rotate(&self.path, self.limits.keep)?;
            self.file = None;
            self.ready()?;
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if self.torn {
            file.write_all(b"\n")?;
            self.length = self.length.saturating_add(1);
            self.torn = false;
        }
        let written = file.write_all(line);
        self.torn = written.is_err();
        self.length = self.length.saturating_add(added);
        written
    }

    /// Opens the file, if it is not open.
    fn ready(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&self.path)?;
        self.length = file.metadata()?.len();
        self.torn = ends_within_a_line(&file, self.length)?;
        self.file = Some(file);
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Whether the last line was not finished: a writer was killed, or the disk was full.
fn ends_within_a_line(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Whether an open file is the one that a path leads to.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((&file.metadata(), &fs::metadata(path)), (Ok(open), Ok(there)) if identity(open) == identity(there))
}
