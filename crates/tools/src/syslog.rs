//! The system log: RFC 3164 datagrams to `/dev/log`, as `syslog(3)` sends them.

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// The socket that the system's logger listens on (`_PATH_LOG`).
const PATH: &str = "/dev/log";

/// Facility `LOG_DAEMON` of `syslog(3)`, shifted into place.
const DAEMON: u8 = 3 << 3;

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// `LOG_CRIT`.
    Fatal,
    /// `LOG_ERR`.
    Error,
    /// `LOG_WARNING`.
    Warning,
    /// `LOG_INFO`.
    Info,
}

impl Severity {
    /// The number of `syslog(3)`.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Fatal => 2,
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
        }
    }
}

/// A connection to the logger.
pub(crate) struct Syslog {
    socket: UnixDatagram,
    ident: &'static str,
}

impl Syslog {
    /// Connects to the system's logger.
    pub(crate) fn open(ident: &'static str) -> io::Result<Self> {
        Self::connect(Path::new(PATH), ident)
    }

    /// Connects to the logger at `path`.
    fn connect(path: &Path, ident: &'static str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Who waits for a logger that does not read waits for ever.
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        Ok(Self { socket, ident })
    }

    /// Sends one message. A lost one is lost, as with `syslog(3)`. The logger adds the time, so none is sent.
    pub(crate) fn send(&self, severity: Severity, text: &dyn Display) {
        let priority = DAEMON | severity.number();
        let message = format!("<{priority}>{}[{}]: {text}", self.ident, std::process::id());
        drop(self.socket.send(&kmod::text::to_bytes(&message)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Severity, Syslog};
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_message_carries_facility_severity_ident_and_pid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let logger = UnixDatagram::bind(&path).unwrap();
        Syslog::connect(&path, "insmod").unwrap().send(Severity::Error, &"fat_read undefined");
        let mut bytes = [0; 256];
        let length = logger.recv(&mut bytes).unwrap();
        let wanted = format!("<27>insmod[{}]: fat_read undefined", std::process::id());
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), wanted);
    }

    #[test]
    fn a_missing_logger_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Syslog::connect(&dir.path().join("log"), "insmod").is_err());
    }
}
