//! Reading.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::parts::{older, part};
use crate::{Record, clean, is_hidden};

/// Longest line in bytes: a name, a plan of a hundred modules and some requesters take a tenth of it.
pub(super) const MAX_LINE: usize = 256 << 10;

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.reason)
    }
}

impl std::error::Error for BadRecord {}

/// The record in a line. Its texts are cleaned as those of this machine were before they were written: the journals of a fleet are
/// written by others.
///
/// # Errors
/// What is wrong with it, as text.
pub fn parse(line: &[u8]) -> Result<Record, String> {
    // What JSON has to escape, and what is beyond ASCII, may be hidden characters.
    let plain = line.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
    let record = if plain { serde_json::from_slice(line) } else { serde_json::from_slice(line).and_then(cleaned) };
    record.map_err(|error| error.to_string())
}

/// The record in a value, with all its texts clean.
fn cleaned(mut value: Value) -> serde_json::Result<Record> {
    clean_all(&mut value);
    Record::deserialize(value)
}

/// The depth is bounded by that of the parser.
fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(is_hidden) => *text = clean(text),
        Value::Array(values) => values.iter_mut().for_each(clean_all),
        Value::Object(fields) => fields.values_mut().for_each(clean_all),
        _ => {}
    }
}

/// The records of a journal, oldest first.
#[derive(Debug)]
pub struct Reader {
    /// The files that are still to be read. All are open, so that a rotation meanwhile changes nothing.
    files: VecDeque<(PathBuf, File)>,
    current: Option<(PathBuf, BufReader<File>, u64)>,
}

impl Reader {
    /// Opens the journal with its older files; one that is not there is empty.
    ///
    /// # Errors
    /// Where a file is there and cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let numbers = match older(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut files = VecDeque::new();
        // The current file first: what is renamed meanwhile is met again under its next number at most, never missed.
        for number in [0].into_iter().chain(numbers) {
            let path = part(path, number);
            match File::open(&path) {
                Ok(file) => files.push_front((path, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { files, current: None })
    }

    /// Opens one file without its older parts.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open_file(path: &Path) -> io::Result<Self> {
        Ok(Self { files: VecDeque::from([(path.to_owned(), File::open(path)?)]), current: None })
    }

    /// The next line that is not blank.
    fn next_line(&mut self) -> Option<Result<Record, BadRecord>> {
        loop {
            if self.current.is_none() {
                let (path, file) = self.files.pop_front()?;
                self.current = Some((path, BufReader::new(file), 0));
            }
            let (file, reader, number) = self.current.as_mut()?;
            *number += 1;
            match line(reader) {
                Ok(Line::End) => self.current = None,
                Ok(Line::Blank) => {}
                Ok(Line::Text(bytes)) => return Some(parse(&bytes).map_err(|reason| bad(file, *number, reason))),
                Ok(Line::TooLong) => return Some(Err(bad(file, *number, format!("longer than {MAX_LINE} bytes")))),
                Err(error) => {
                    let bad = bad(file, *number, error.to_string());
                    self.current = None;
                    return Some(Err(bad));
                }
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Record, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line()
    }
}

fn bad(file: &Path, line: u64, reason: String) -> BadRecord {
    BadRecord { file: file.to_owned(), line, reason }
}

enum Line {
    Text(Vec<u8>),
    Blank,
    TooLong,
    End,
}

/// Reads a line; of one that is too long the rest is passed over without being kept.
fn line(reader: &mut impl BufRead) -> io::Result<Line> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    reader.by_ref().take(limit + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Line::End);
    }
    if bytes.len() > MAX_LINE && bytes.last() != Some(&b'\n') {
        pass_over(reader)?;
        return Ok(Line::TooLong);
    }
    let text = bytes.trim_ascii();
    Ok(if text.is_empty() { Line::Blank } else { Line::Text(text.to_vec()) })
}

fn pass_over(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}
