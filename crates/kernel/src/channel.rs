//! The kernel's end of kerneld's channel: who is attached, who waits for what, which request waits for which reply.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, Shutdown};
use uapi::Errno;
use uapi::kerneld::{MAX_DAEMONS, Message, UNREAD_SECONDS};
use uapi::wire;

use crate::error::Error;
use crate::queue::{Queue, Refused};

/// A daemon, by the order in which they attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DaemonId(u64);

/// What a request came to: 0, the exit status of a helper (> 0), or a negative error number; and the helper's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerneldReply {
    /// As `kerneld_send` of Linux 2.0 returned it.
    pub status: i32,
    /// Output, if there was any.
    pub text: String,
}

impl KerneldReply {
    /// A reply that is only an error number.
    pub(crate) fn error(errno: Errno) -> Self {
        Self { status: errno.number().saturating_neg(), text: String::new() }
    }
}

/// An attached daemon.
#[derive(Debug)]
struct Daemon {
    id: DaemonId,
    socket: Arc<OwnedFd>,
    /// The `msgtyp` that it waits for, and since when in the order of all waiting.
    wants: Option<(u64, i64)>,
    /// Requests that it took and did not answer.
    taken: Vec<u32>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    daemons: Vec<Daemon>,
    next_daemon: u64,
    next_ticket: u64,
    /// Requests whose sender waits; with the reply once it is there.
    waiting: HashMap<u32, Option<KerneldReply>>,
}

/// The channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    state: Mutex<State>,
    changed: Condvar,
}

/// May the sender sleep until there is room in the queue?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Yes.
    Allowed,
    /// No: interrupt context.
    Never,
}

/// What became of a message that was to be queued.
pub(crate) enum Queued {
    /// It is in the queue; with an id if a reply is waited for.
    Sent(Option<u32>),
    /// It will not be.
    Refused(KerneldReply),
}

impl Channel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a daemon that holds the other end of `socket`.
    pub(crate) fn attach(&self, socket: OwnedFd) -> Result<(DaemonId, Arc<OwnedFd>), Error> {
        let mut state = self.state();
        if state.daemons.len() >= MAX_DAEMONS {
            return Err(Error::TooManyDaemons { limit: MAX_DAEMONS });
        }
        let (id, socket) = (DaemonId(state.next_daemon), Arc::new(socket));
        state.next_daemon = state.next_daemon.saturating_add(1);
        state.daemons.push(Daemon { id, socket: Arc::clone(&socket), wants: None, taken: Vec::new() });
        Ok((id, socket))
    }

    /// A daemon is gone: what it took and did not answer is answered `-ENODEV`. The last one takes the queue with it.
    pub(crate) fn detach(&self, id: DaemonId) {
        self.state().detach(id);
        self.changed.notify_all();
    }

    /// A daemon wants a message (`msgrcv(2)`).
    pub(crate) fn receive(&self, id: DaemonId, msgtyp: i64) {
        let mut state = self.state();
        let ticket = state.next_ticket;
        state.next_ticket = state.next_ticket.saturating_add(1);
        if let Some(daemon) = state.daemons.iter_mut().find(|daemon| daemon.id == id) {
            daemon.wants = Some((ticket, msgtyp));
        }
        state.deliver();
        self.changed.notify_all();
    }

    /// A daemon answers a request that it took (`msgsnd(2)`). `false`: it took none with this id.
    pub(crate) fn reply(&self, id: DaemonId, message: Message) -> bool {
        let mut state = self.state();
        let Some(daemon) = state.daemons.iter_mut().find(|daemon| daemon.id == id) else { return false };
        let Some(at) = daemon.taken.iter().position(|taken| *taken == message.mtype) else { return false };
        daemon.taken.swap_remove(at);
        let status = i32::try_from(message.id).unwrap_or(i32::MAX);
        if let Some(place) = state.waiting.get_mut(&message.mtype) {
            *place = Some(KerneldReply { status, text: message.text });
        }
        self.changed.notify_all();
        true
    }

    /// Queues a message. `flushed` is told how many stale ones were thrown away for it, with no lock held.
    pub(crate) fn send(&self, mut message: Message, reply: crate::Wait, sleep: Sleep, flushed: &dyn Fn(usize)) -> Result<Queued, Error> {
        loop {
            let mut state = self.state();
            if state.daemons.is_empty() {
                return Ok(Queued::Refused(KerneldReply::error(Errno::ENODEV)));
            }
            let id = (reply == crate::Wait::Reply).then(|| state.queue.next_id());
            message.id = id.map_or(0, i64::from);
            match state.queue.push(message.clone(), Instant::now()) {
                Ok(()) => {
                    if let Some(id) = id {
                        state.waiting.insert(id, None);
                    }
                    state.deliver();
                    return Ok(Queued::Sent(id));
                }
                Err(Refused::Unfit) => return Err(Error::Message { mtype: message.mtype, length: message.text.len() }),
                Err(Refused::Full) => {}
            }
            let stale = state.queue.flush_stale(Instant::now());
            if stale > 0 {
                drop(state);
                flushed(stale);
            } else if sleep == Sleep::Never {
                return Ok(Queued::Refused(KerneldReply::error(Errno::EAGAIN)));
            } else {
                drop(self.changed.wait_timeout(state, Duration::from_secs(1)));
            }
        }
    }

    /// Waits for the reply to a request: one second for a daemon to take it (`None`: nobody did), then without limit.
    pub(crate) fn wait(&self, id: u32) -> Option<KerneldReply> {
        let unread_until = Instant::now() + Duration::from_secs(UNREAD_SECONDS);
        let mut state = self.state();
        loop {
            if let Some(Some(_)) = state.waiting.get(&id) {
                return state.waiting.remove(&id).flatten();
            }
            let left = unread_until.saturating_duration_since(Instant::now());
            state = if !state.queue.holds(id) {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else if left.is_zero() {
                state.waiting.remove(&id);
                return None;
            } else {
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Drop for Channel {
    /// Daemons see the end of their channel.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for daemon in &state.daemons {
            hang_up(&daemon.socket);
        }
    }
}

impl State {
    /// Hands messages to daemons that wait for them, the longest waiting first.
    fn deliver(&mut self) {
        let mut waiting: Vec<(u64, DaemonId, i64)> =
            self.daemons.iter().filter_map(|daemon| daemon.wants.map(|(ticket, msgtyp)| (ticket, daemon.id, msgtyp))).collect();
        waiting.sort_unstable();
        for (_, id, msgtyp) in waiting {
            let Some(message) = self.queue.take(msgtyp) else { continue };
            if self.hand_over(id, &message) {
                continue;
            }
            self.queue.put_back(message, Instant::now());
            self.detach(id);
        }
    }

    /// Sends a message to a daemon, without waiting: one that asks and does not read is as good as gone.
    fn hand_over(&mut self, id: DaemonId, message: &Message) -> bool {
        let Some(daemon) = self.daemons.iter_mut().find(|daemon| daemon.id == id) else { return false };
        let Ok(packet) = wire::encode(message) else { return false };
        if rustix::net::send(&*daemon.socket, &packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_err() {
            return false;
        }
        daemon.wants = None;
        daemon.taken.extend(u32::try_from(message.id).ok().filter(|id| *id != 0));
        true
    }

    fn detach(&mut self, id: DaemonId) {
        let Some(at) = self.daemons.iter().position(|daemon| daemon.id == id) else { return };
        let daemon = self.daemons.remove(at);
        hang_up(&daemon.socket);
        let gone = || Some(KerneldReply::error(Errno::ENODEV));
        for id in daemon.taken {
            if let Some(place) = self.waiting.get_mut(&id) {
                place.get_or_insert_with(|| KerneldReply::error(Errno::ENODEV));
            }
        }
        if self.daemons.is_empty() {
            self.queue.clear();
            self.waiting.values_mut().filter(|place| place.is_none()).for_each(|place| *place = gone());
        }
    }
}

/// Ends a connection; the thread that reads from it wakes up.
fn hang_up(socket: &OwnedFd) {
    // A socket whose other end is gone cannot be shut down any more: its reader has woken up already.
    let _ = rustix::net::shutdown(socket, Shutdown::Both);
}
