//! The kernel's log from now on: `/dev/kmsg`, one record for each read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// The most that one record can hold, in bytes (`CONSOLE_EXT_LOG_MAX` of Linux).
const RECORD: usize = 8192;

/// No more lines than this belong to one load.
const MOST_LINES: usize = 200;

/// A place in the log.
#[derive(Debug)]
pub struct LogMark {
    file: Option<File>,
}

impl LogMark {
    /// Marks the present end. Without the right to read the log, there will be no lines.
    #[must_use]
    pub fn now() -> Self {
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg");
        Self { file: opened.ok().and_then(|mut file| file.seek(SeekFrom::End(0)).ok().map(|_| file)) }
    }

    /// Whether the caller may read the log at all.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.file.is_some()
    }

    /// The lines that were logged since, without their prefixes.
    #[must_use]
    pub fn lines(self) -> Vec<String> {
        let Some(mut file) = self.file else { return Vec::new() };
        let mut record = vec![0; RECORD];
        let mut lines = Vec::new();
        while lines.len() < MOST_LINES {
            let Ok(size @ 1..) = file.read(&mut record) else { break };
            let text = String::from_utf8_lossy(record.get(..size).unwrap_or_default());
            // `priority,sequence,time,flags;text`, then lines that begin with a blank.
            let first = text.lines().next().and_then(|line| line.split_once(';')).map(|(_, text)| text.to_owned());
            lines.extend(first);
        }
        lines
    }
}
