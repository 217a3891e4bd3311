//! A kernel that only knows kerneld: it attaches daemons, queues messages, keeps replies and counts autoclean passes.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType};
use uapi::kerneld::{FIRST_ID, Message, Request, ToKernel};
use uapi::{Errno, Reply, Syscall, wire};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct State {
    queue: Vec<Message>,
    replies: Vec<Message>,
    passes: Vec<Instant>,
    channels: Vec<Arc<OwnedFd>>,
    receives: usize,
    last_id: u32,
    refuse: Option<Errno>,
    hold_passes: bool,
    gone: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.lock());
        self.changed.notify_all();
        answer
    }

    /// Waits until `wanted` gives something.
    fn wait<T>(&self, patience: Duration, mut wanted: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(found) = wanted(&mut state) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// The request that a reply is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

pub(crate) struct FakeKernel {
    pub(crate) socket: PathBuf,
    shared: Arc<Shared>,
}

impl FakeKernel {
    /// Listens at `socket`.
    pub(crate) fn listen(socket: &Path) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let shared = Arc::new(Shared::default());
        shared.change(|state| state.last_id = FIRST_ID - 1);
        let kernel = Self { socket: socket.to_owned(), shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().gone {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        kernel
    }

    /// From now on daemons are refused.
    pub(crate) fn refuse_daemons(&self, errno: Errno) {
        self.shared.change(|state| state.refuse = Some(errno));
    }

    /// From now on passes begin but do not end, until released.
    pub(crate) fn hold_passes(&self, hold: bool) {
        self.shared.change(|state| state.hold_passes = hold);
    }

    /// Sends a request that wants a reply.
    pub(crate) fn ask(&self, request: Request, text: &str) -> Ticket {
        self.ask_as(request.code(), text, 0)
    }

    /// The same with any type, caused by a process.
    pub(crate) fn ask_as(&self, mtype: u32, text: &str, pid: u32) -> Ticket {
        self.shared.change(|state| {
            state.last_id += 1;
            state.queue.push(Message { mtype, id: i64::from(state.last_id), pid, text: text.to_owned() });
            Ticket(state.last_id)
        })
    }

    /// Sends a request that wants no reply.
    pub(crate) fn tell(&self, request: Request, text: &str) {
        let message = Message { mtype: request.code(), id: 0, pid: 0, text: text.to_owned() };
        self.shared.change(|state| state.queue.push(message));
    }

    /// Waits for a reply: status and text.
    pub(crate) fn reply(&self, to: Ticket) -> (i64, String) {
        self.reply_within(to, PATIENCE).unwrap_or_else(|| panic!("no reply to {to:?}"))
    }

    /// The same, for a time of one's own.
    pub(crate) fn reply_within(&self, to: Ticket, patience: Duration) -> Option<(i64, String)> {
        self.shared.wait(patience, |state| {
            let at = state.replies.iter().position(|reply| reply.mtype == to.0)?;
            let reply = state.replies.remove(at);
            Some((reply.id, reply.text))
        })
    }

    /// Asks and waits.
    pub(crate) fn call(&self, request: Request, text: &str) -> (i64, String) {
        self.reply(self.ask(request, text))
    }

    /// When the autoclean passes so far began.
    pub(crate) fn passes(&self) -> Vec<Instant> {
        self.shared.lock().passes.clone()
    }

    /// Waits for that many passes since the start.
    pub(crate) fn wait_for_passes(&self, count: usize) -> Vec<Instant> {
        let passes = self.shared.wait(PATIENCE, |state| (state.passes.len() >= count).then(|| state.passes.clone()));
        passes.unwrap_or_else(|| panic!("{} passes instead of {count}", self.passes().len()))
    }

    /// Waits until that many daemons are attached.
    pub(crate) fn wait_for_daemons(&self, count: usize) {
        assert!(self.shared.wait(PATIENCE, |state| (state.channels.len() == count).then_some(())).is_some(), "not {count} daemons");
    }

    /// How many messages nobody has taken.
    pub(crate) fn unread(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// How often a message was asked for.
    pub(crate) fn receives(&self) -> usize {
        self.shared.lock().receives
    }

    /// Sends bytes to every daemon, asked or not.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        let channels = self.shared.lock().channels.clone();
        for channel in channels {
            rustix::net::send(&channel, bytes, SendFlags::NOSIGNAL).unwrap();
        }
    }
}

impl Drop for FakeKernel {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.gone = true;
            for channel in state.channels.drain(..) {
                let _ = rustix::net::shutdown(&channel, Shutdown::Both);
            }
        });
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The system calls of one connection.
fn serve(stream: &UnixStream, shared: &Arc<Shared>) {
    while let Ok((call, _)) = wire::receive::<Syscall>(stream, wire::MAX_FRAME) {
        let mut given = None;
        let answer = match call {
            Syscall::KerneldOpen => attach(shared).map(|descriptor| {
                given = Some(descriptor);
                Reply::Channel
            }),
            Syscall::DeleteModule { name: None } => {
                shared.change(|state| state.passes.push(Instant::now()));
                shared.wait(PATIENCE, |state| (!state.hold_passes).then_some(()));
                Ok(Reply::Done)
            }
            _ => Err(Errno::ENOSYS),
        };
        if wire::send(stream, &answer, given.as_ref().map(AsFd::as_fd)).is_err() {
            return;
        }
    }
}

fn attach(shared: &Arc<Shared>) -> Result<OwnedFd, Errno> {
    if let Some(errno) = shared.lock().refuse {
        return Err(errno);
    }
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(|_| Errno::ENOMEM)?;
    let ours = Arc::new(ours);
    shared.change(|state| state.channels.push(Arc::clone(&ours)));
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        while let Ok(packet) = wire::receive_packet::<ToKernel>(&ours) {
            match packet {
                ToKernel::Send(reply) => shared.change(|state| state.replies.push(reply)),
                ToKernel::Receive { msgtyp } => {
                    shared.change(|state| state.receives += 1);
                    let (shared, ours) = (Arc::clone(&shared), Arc::clone(&ours));
                    std::thread::spawn(move || give(&shared, &ours, msgtyp));
                }
            }
        }
        shared.change(|state| state.channels.retain(|channel| !Arc::ptr_eq(channel, &ours)));
    });
    Ok(theirs)
}

/// `msgrcv(2)`: the message that the daemon gets, once there is one.
fn give(shared: &Shared, channel: &Arc<OwnedFd>, msgtyp: i64) {
    let message = shared.wait(Duration::from_secs(600), |state| {
        if state.gone || !state.channels.iter().any(|each| Arc::ptr_eq(each, channel)) {
            return Some(None);
        }
        let fits = |message: &&Message| match msgtyp {
            0 => true,
            exact if exact > 0 => i64::from(message.mtype) == exact,
            upto => i64::from(message.mtype) <= -upto,
        };
        let mtype = state.queue.iter().filter(fits).map(|message| message.mtype).min()?;
        let at = state.queue.iter().position(|message| message.mtype == mtype)?;
        Some(Some(state.queue.remove(at)))
    });
    if let Some(Some(message)) = message {
        let _ = wire::send_packet(channel, &message);
    }
}
