//! What the service manager is told (sd_notify(3)): a datagram to the socket that it names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if one started this process and wants to know.
#[derive(Debug)]
pub(super) struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// The one that `NOTIFY_SOCKET` names.
    pub(super) fn from_environment() -> Self {
        let find = || {
            let name = std::env::var_os("NOTIFY_SOCKET")?;
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
                None => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        };
        Self(find())
    }

    /// How long it waits for `WATCHDOG=1` before it ends this process (sd_watchdog_enabled(3)); `None` where it does not.
    pub(super) fn patience(&self) -> Option<Duration> {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        self.0.as_ref().and_then(|_| number("WATCHDOG_USEC")).filter(|micros| meant && *micros > 0).map(Duration::from_micros)
    }

    /// Tells it something, such as `READY=1`.
    pub(super) fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.0 {
            // A manager that does not listen has its own bound on how long it waits.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}
