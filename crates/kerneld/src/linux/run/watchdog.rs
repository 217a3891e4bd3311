//! Tells the service manager, as often as it wants to hear it (`WatchdogSec=`, sd_watchdog_enabled(3)), that the daemon serves. It is
//! told only after a look: somebody has connected where helpers do, and a worker came; and the state of the daemon could be read, which
//! takes the locks that serving takes.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use super::notify::Manager;
use super::requests::readable;

/// How long a worker may take to come: what helpers wait for the first word.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The watchdog of a service manager, if it keeps one.
#[derive(Debug)]
pub(super) struct Watchdog {
    socket: PathBuf,
    every: Option<Duration>,
    told: Option<Instant>,
}

/// Whether workers are left that could come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workers {
    Waiting,
    AllServe,
}

impl Watchdog {
    /// One that asks on this socket of requests.
    pub(super) fn new(manager: &Manager, socket: PathBuf) -> Self {
        // Three times within the manager's patience: one may come late.
        Self { socket, every: manager.patience().map(|patience| patience / 3), told: None }
    }

    /// Tells the manager, where it is time to and all is as it should be.
    pub(super) fn look(&mut self, manager: &Manager, state: impl FnOnce() -> Workers) {
        let Some(every) = self.every else { return };
        if self.told.is_some_and(|told| told.elapsed() < every) {
            return;
        }
        // Where every worker waits for the kernel, a daemon started anew would do no better.
        if state() == Workers::AllServe || self.answers().unwrap_or(false) {
            manager.tell("WATCHDOG=1");
            self.told = Some(Instant::now());
        }
    }

    /// Connects, asks nothing, and waits for a worker to see that and to go away.
    fn answers(&self) -> std::io::Result<bool> {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(&self.socket)?)?;
        rustix::net::shutdown(&socket, Shutdown::Write)?;
        if !readable(socket.as_fd(), ANSWER_WITHIN)? {
            return Ok(false);
        }
        let (_, length) = rustix::net::recv(&socket, &mut [0_u8; 1], RecvFlags::DONTWAIT)?;
        Ok(length == 0)
    }
}
