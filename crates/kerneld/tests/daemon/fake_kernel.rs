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

/// An attached daemon, and the `msgtyp` that it asked for.
struct Daemon {
    channel: Arc<OwnedFd>,
    wants: Option<i64>,
}

/// Something to send: a message to whoever asks for its type, or any bytes to whoever asks for anything.
enum Item {
    Message(Message),
    Bytes(Vec<u8>),
}

impl Item {
    /// What a receiver of `msgtyp` would rank it by; `None`: not for him.
    fn rank(&self, msgtyp: i64) -> Option<u32> {
        match self {
            Self::Bytes(_) => Some(0),
            Self::Message(message) if msgtyp == 0 => Some(message.mtype.min(1)),
            Self::Message(message) if msgtyp > 0 => (i64::from(message.mtype) == msgtyp).then_some(message.mtype),
            Self::Message(message) => (i64::from(message.mtype) <= -msgtyp).then_some(message.mtype),
        }
    }
}

#[derive(Default)]
struct State {
    queue: Vec<Item>,
    replies: Vec<Message>,
    passes: Vec<Instant>,
    daemons: Vec<Daemon>,
    receives: usize,
    last_id: u32,
    refuse: Option<Errno>,
    hold_passes: bool,
    refuse_passes: Option<Errno>,
    gone: bool,
}

impl State {
    /// `msgrcv(2)` of everybody who waits for a message that is there.
    fn deliver(&mut self) {
        for daemon in &mut self.daemons {
            let Some(msgtyp) = daemon.wants else { continue };
            let ranked = self.queue.iter().enumerate().filter_map(|(at, item)| Some((item.rank(msgtyp)?, at)));
            let Some((_, at)) = ranked.min() else { continue };
            let bytes = match self.queue.remove(at) {
                Item::Message(message) => wire::encode(&message).unwrap(),
                Item::Bytes(bytes) => bytes,
            };
            daemon.wants = None;
            let _ = rustix::net::send(&daemon.channel, &bytes, SendFlags::NOSIGNAL);
        }
    }
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
        let mut state = self.lock();
        let answer = change(&mut state);
        state.deliver();
        drop(state);
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

    /// From now on passes are refused, or no longer.
    pub(crate) fn refuse_passes(&self, errno: Option<Errno>) {
        self.shared.change(|state| state.refuse_passes = errno);
    }

    /// Sends a request that wants a reply.
    pub(crate) fn ask(&self, request: Request, text: &str) -> Ticket {
        self.ask_as(request.code(), text, 0)
    }

    /// The same with any type, caused by a process.
    pub(crate) fn ask_as(&self, mtype: u32, text: &str, pid: u32) -> Ticket {
        self.shared.change(|state| {
            state.last_id += 1;
            let message = Message { mtype, id: i64::from(state.last_id), pid, text: text.to_owned() };
            state.queue.push(Item::Message(message));
            Ticket(state.last_id)
        })
    }

    /// Sends a request that wants no reply.
    pub(crate) fn tell(&self, request: Request, text: &str) {
        let message = Message { mtype: request.code(), id: 0, pid: 0, text: text.to_owned() };
        self.shared.change(|state| state.queue.push(Item::Message(message)));
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
        assert!(self.shared.wait(PATIENCE, |state| (state.daemons.len() == count).then_some(())).is_some(), "not {count} daemons");
    }

    /// How many messages nobody has taken.
    pub(crate) fn unread(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// How often a message was asked for.
    pub(crate) fn receives(&self) -> usize {
        self.shared.lock().receives
    }

    /// Sends bytes to the next daemon that asks for a message of any type.
    pub(crate) fn send_bytes(&self, bytes: Vec<u8>) {
        self.shared.change(|state| state.queue.push(Item::Bytes(bytes)));
    }
}

impl Drop for FakeKernel {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.gone = true;
            for daemon in state.daemons.drain(..) {
                let _ = rustix::net::shutdown(&daemon.channel, Shutdown::Both);
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
                shared.change(|state| state.refuse_passes).map_or(Ok(Reply::Done), Err)
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
    shared.change(|state| state.daemons.push(Daemon { channel: Arc::clone(&ours), wants: None }));
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let own = |daemon: &Daemon| Arc::ptr_eq(&daemon.channel, &ours);
        while let Ok(packet) = wire::receive_packet::<ToKernel>(&ours) {
            shared.change(|state| match packet {
                ToKernel::Send(reply) => state.replies.push(reply),
                ToKernel::Receive { msgtyp } => {
                    state.receives += 1;
                    if let Some(daemon) = state.daemons.iter_mut().find(|daemon| own(daemon)) {
                        assert_eq!(daemon.wants.replace(msgtyp), None, "one at a time");
                    }
                }
            });
        }
        shared.change(|state| state.daemons.retain(|daemon| !own(daemon)));
    });
    Ok(theirs)
}
