//! The kernel log.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;

/// Most lines of one answer.
const MAX_LINES: usize = 4096;

/// Lines of the log that are still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLog {
    /// The first one wanted.
    pub since: u64,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counts from 0 over the life of the kernel.
    pub sequence: u64,
    /// 0 to 7.
    pub level: u8,
    /// Microseconds since the kernel started.
    pub time_us: u64,
    /// Text.
    pub text: String,
}

/// Choose what the console shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetConsoleLevel {
    /// Lines more urgent than this are shown.
    pub level: u8,
}

impl Request for ReadLog {
    const NAME: &'static str = "dmesg";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Vec<LogLine>;

    fn serve(self, host: &Host) -> Result<Vec<LogLine>, Errno> {
        let lines = host.services().log.lines(self.since).into_iter().take(MAX_LINES).map(|line| LogLine {
            sequence: line.sequence,
            level: line.level.number(),
            time_us: u64::try_from(line.time.as_micros()).unwrap_or(u64::MAX),
            text: line.text,
        });
        Ok(lines.collect())
    }
}

impl Request for SetConsoleLevel {
    const NAME: &'static str = "console";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.services().log.set_console_level(self.level);
        Ok(())
    }
}
