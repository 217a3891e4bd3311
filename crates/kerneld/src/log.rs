//! The log: one datagram a line to the system log, as `openlog("kerneld", LOG_PID, LOG_DAEMON)` of the classic daemon, and a copy
//! for whoever watches.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use crate::Level;

/// Facility `daemon` of `syslog(3)`, already shifted.
const LOG_DAEMON: u8 = 3 << 3;
/// Longest line in bytes; more of a hostile text is cut off.
const MAX_LINE: usize = 1024;

/// Where lines go. Nothing here blocks or fails: a daemon must not hang or die because nobody reads its log.
pub struct Log {
    socket: Option<UnixDatagram>,
    path: PathBuf,
    copy: Option<Box<dyn Write + Send>>,
    lost: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("path", &self.path).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Log {
    /// A log to the datagram socket at `path` (usually `/dev/log`).
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket)).ok();
        Self { socket, path, copy: None, lost: 0 }
    }

    /// Writes a copy of each line there.
    #[must_use]
    pub fn with_copy(mut self, copy: Box<dyn Write + Send>) -> Self {
        self.copy = Some(copy);
        self
    }

    /// Writes a line.
    pub fn line(&mut self, level: Level, text: &str) {
        let pid = std::process::id();
        let text = one_line(text);
        let priority = LOG_DAEMON | severity(level);
        let lost = match self.lost {
            0 => String::new(),
            lost => format!(" ({lost} lines before this one were lost)"),
        };
        let packet = format!("<{priority}>kerneld[{pid}]: {text}{lost}");
        let sent = self.socket.as_ref().is_some_and(|socket| socket.send_to(packet.as_bytes(), &self.path).is_ok());
        self.lost = if sent { 0 } else { self.lost.saturating_add(1) };
        if let Some(copy) = &mut self.copy {
            // Nobody to tell where this fails.
            let _ = writeln!(copy, "kerneld[{pid}]: {text}").and_then(|()| copy.flush());
        }
    }
}

/// The severity of `syslog(3)`.
fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// The text without line breaks and other control characters, and not too long.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars().map(|character| if character.is_control() { ' ' } else { character }) {
        if line.len().saturating_add(character.len_utf8()) > MAX_LINE {
            break;
        }
        line.push(character);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Log, one_line};
    use crate::Level;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_line_reaches_the_system_log_as_one_datagram() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::new(path.clone());
        log.line(Level::Info, "nobody listens");
        let reader = UnixDatagram::bind(&path).unwrap();
        log.line(Level::Warning, "unknown\nmessage type: 8");
        log.line(Level::Info, "second");
        let mut packet = [0; 200];
        let length = reader.recv(&mut packet).unwrap();
        let pid = std::process::id();
        let first = format!("<28>kerneld[{pid}]: unknown message type: 8 (1 lines before this one were lost)");
        assert_eq!(std::str::from_utf8(&packet[..length]), Ok(&*first));
        let length = reader.recv(&mut packet).unwrap();
        assert_eq!(std::str::from_utf8(&packet[..length]), Ok(&*format!("<30>kerneld[{pid}]: second")));
    }

    #[test]
    fn a_line_has_an_end() {
        assert_eq!(one_line(&"é".repeat(5000)).len(), 1024);
    }
}
