//! A socket between insmod and the kernel: it passes calls and replies on, with their descriptors, and can stop or change them.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use uapi::wire::{self, MAX_FRAME, WireError};
use uapi::{Errno, Reply, Syscall};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes to the kernel, and the reply comes back.
    Pass,
    /// It never reaches the kernel.
    Swallow,
    /// The kernel carries it out; the reply never comes back.
    Mute,
    /// The kernel never sees it; this is the reply.
    Refuse(Errno),
}

/// A proxy for one connection after the other.
pub(crate) struct Proxy {
    pub(crate) path: PathBuf,
    stopped: Arc<AtomicUsize>,
    _thread: JoinHandle<()>,
}

impl Proxy {
    /// Between a new socket at `path` and the kernel's; `fate` decides by the number of the call, from 0, and the call.
    pub(crate) fn new(path: PathBuf, kernel: &Path, fate: impl Fn(usize, &Syscall) -> Fate + Send + 'static) -> Self {
        let listener = UnixListener::bind(&path).expect("a socket");
        let (stopped, kernel) = (Arc::new(AtomicUsize::new(0)), kernel.to_owned());
        let count = Arc::clone(&stopped);
        let serve = move || {
            for client in listener.incoming() {
                let (client, kernel) = (client.expect("a connection"), UnixStream::connect(&kernel).expect("the kernel"));
                // The connection ends when the tool is gone; both sides are closed then.
                let _gone = relay(&client, &kernel, &fate, &count);
            }
        };
        Self { path, stopped, _thread: std::thread::spawn(serve) }
    }

    /// How many calls were stopped.
    pub(crate) fn stopped(&self) -> usize {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// Passes calls and replies until one side is gone.
fn relay(client: &UnixStream, kernel: &UnixStream, fate: &dyn Fn(usize, &Syscall) -> Fate, stopped: &AtomicUsize) -> Result<(), WireError> {
    for number in 0.. {
        let (call, _): (Syscall, _) = wire::receive(client, MAX_FRAME)?;
        let fate = fate(number, &call);
        if let Fate::Refuse(errno) = fate {
            let answer: Result<Reply, Errno> = Err(errno);
            wire::send(client, &answer, None)?;
            continue;
        }
        let answer = if fate == Fate::Swallow { None } else { Some(carry_out(kernel, &call)?) };
        match (fate, answer) {
            (Fate::Pass, Some((answer, descriptor))) => wire::send(client, &answer, descriptor.as_ref().map(AsFd::as_fd))?,
            _ => {
                stopped.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    Ok(())
}

type Answer = (Result<Reply, Errno>, Option<std::os::fd::OwnedFd>);

fn carry_out(kernel: &UnixStream, call: &Syscall) -> Result<Answer, WireError> {
    wire::send(kernel, call, None)?;
    wire::receive(kernel, MAX_FRAME)
}
