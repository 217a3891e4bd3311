//! Signals as a descriptor that can be polled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// What a signal means to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `SIGCHLD`: a helper ended.
    ChildEnded,
    /// `SIGHUP`: read the configuration again.
    Reload,
    /// `SIGTERM`, `SIGINT`, `SIGQUIT`: end.
    Terminate,
}

/// The signals that came since the last look.
#[derive(Debug)]
pub(crate) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    /// Catches the daemon's signals from now on. `SIGQUIT` is among them because a shell starts what it puts in the background with
    /// that signal ignored; helpers would inherit that, and no screen blanker could be told to quit. What is caught here is back at
    /// its default in every program that is run.
    pub(crate) fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let signals = [SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM];
        SignalDelivery::with_pipe(read, write, SignalOnly, signals).map(Self)
    }

    /// What came, each kind once.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        let event = |signal| match signal {
            SIGCHLD => Some(Event::ChildEnded),
            SIGHUP => Some(Event::Reload),
            SIGINT | SIGQUIT | SIGTERM => Some(Event::Terminate),
            _ => None,
        };
        self.0.pending().filter_map(event).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}
