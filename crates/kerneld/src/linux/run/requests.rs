//! The socket on which helpers of the kernel ask.
//!
//! Each worker accepts, answers, and accepts again; there are as many as are needed at once, and those who are not needed any more end.
//! The kernel runs fifty helpers at most (kernel/module/kmod.c, `MAX_KMOD_CONCURRENT`), so that more workers than that always leave one
//! for a request that the start of a module makes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use demand::wire::{Answer, Ask, BadAsk, MAX_PACKET};
use demand::{Outcome, RequestName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use super::engine::Shared;
use super::kernels::Kernels;

/// Most workers.
pub(crate) const MOST_WORKERS: usize = 64;

/// Connections that wait for a worker.
const BACKLOG: i32 = 1024;

/// How long a helper may take to ask its question. One that is started sends it at once.
const QUESTION_WITHIN: Duration = Duration::from_secs(1);

/// As many workers wait for the next request; who is done when so many wait, ends.
const RESERVE: usize = 4;

/// How long a worker waits when the system has no descriptor for the next connection.
const REST: Duration = Duration::from_millis(250);

/// The socket, with its workers.
#[derive(Debug)]
pub(crate) struct Requests<K> {
    engine: Shared<K>,
    listener: Arc<OwnedFd>,
    /// Whose helpers may ask.
    uid: u32,
    workers: Arc<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    all: AtomicUsize,
    waiting: AtomicUsize,
}

impl<K> Clone for Requests<K> {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), listener: self.listener.clone(), uid: self.uid, workers: self.workers.clone() }
    }
}

/// Makes a listening socket of its own in place of one that a daemon before has left.
pub(crate) fn listen(path: &Path, kind: SocketType, mode: u32) -> io::Result<OwnedFd> {
    let listener = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // Bound beside, and renamed when all is ready: there is no moment at which the old name leads nowhere.
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    rustix::net::bind(&listener, &SocketAddrUnix::new(&beside)?)?;
    rustix::fs::chmod(&beside, rustix::fs::Mode::from_raw_mode(mode))?;
    rustix::net::listen(&listener, BACKLOG)?;
    std::fs::rename(&beside, path)?;
    Ok(listener)
}

impl<K: Kernels> Requests<K> {
    /// Opens the socket. Only processes of the daemon's own user (root) may ask.
    pub(crate) fn open(path: &Path, engine: Shared<K>) -> io::Result<Self> {
        let listener = Arc::new(listen(path, SocketType::SEQPACKET, 0o600)?);
        // A connection wakes one of those who wait in accept(2), and all of those who wait in poll(2).
        rustix::fs::fcntl_setfl(&listener, rustix::fs::OFlags::empty())?;
        Ok(Self { engine, listener, uid: rustix::process::geteuid().as_raw(), workers: Arc::default() })
    }

    /// Starts the first worker; it starts the next when it is busy.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.hire()
    }

    /// From now on helpers are told that nobody listens, and decide by themselves. Those who have connected are served, and then the
    /// workers end.
    pub(crate) fn end(&self) {
        // It cannot fail: this is a socket that listens.
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Read);
    }

    /// Whether every worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.workers.all.load(Ordering::SeqCst) == 0
    }

    /// Workers that are serving somebody.
    pub(crate) fn busy(&self) -> usize {
        self.workers.all.load(Ordering::SeqCst).saturating_sub(self.workers.waiting.load(Ordering::SeqCst))
    }

    /// Whether there are workers, and every one is serving somebody.
    pub(crate) fn all_serve(&self) -> bool {
        self.workers.waiting.load(Ordering::SeqCst) == 0 && self.busy() > 0
    }

    fn hire(&self) -> io::Result<()> {
        let number = self.workers.all.fetch_add(1, Ordering::SeqCst);
        if number >= MOST_WORKERS {
            self.workers.all.fetch_sub(1, Ordering::SeqCst);
            return Ok(());
        }
        let own = self.clone();
        self.workers.waiting.fetch_add(1, Ordering::SeqCst);
        let started = std::thread::Builder::new().name(format!("request-{number}")).spawn(move || own.work());
        if started.is_err() {
            self.workers.all.fetch_sub(1, Ordering::SeqCst);
            self.workers.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        started.map(drop)
    }

    fn work(&self) {
        let mut packet = vec![0; MAX_PACKET];
        while let Some(connection) = self.accept() {
            let arrived = Instant::now();
            if self.workers.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
                // Without another worker the next request waits for this one; the helper has its own bound on that.
                let _ = self.hire();
            }
            self.serve(&connection, &mut packet, arrived);
            drop(connection);
            if self.workers.waiting.fetch_add(1, Ordering::SeqCst) >= RESERVE {
                break;
            }
        }
        self.workers.waiting.fetch_sub(1, Ordering::SeqCst);
        self.workers.all.fetch_sub(1, Ordering::SeqCst);
    }

    /// The next connection; none when the daemon ends and nobody is left who has connected.
    fn accept(&self) -> Option<OwnedFd> {
        loop {
            match rustix::net::accept_with(self.listener.as_fd(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(connection) => return Some(connection),
                Err(Errno::INVAL) => return None,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // No descriptors are left: somebody has to end first.
                Err(_) => std::thread::sleep(REST),
            }
        }
    }

    fn serve(&self, connection: &OwnedFd, packet: &mut [u8], arrived: Instant) {
        let (helper, name) = match self.question(connection, packet) {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(reason) => {
                self.engine.tally().refuse();
                return answer(connection, &Answer::Refused(reason));
            }
        };
        let requesters = self.engine.requesters(&name, helper);
        // A helper that has given up has decided by itself, and its number may be another process's by now: only while it is there does
        // what was found by that number count.
        if has_gone(connection) {
            return;
        }
        let outcome = self.engine.serve(&name, requesters, arrived, &mut || answer(connection, &Answer::Accepted));
        answer(connection, &Answer::Done(outcome));
    }

    /// The helper, and the name that it asks for; `None` if the peer went away or took too long.
    fn question(&self, connection: &OwnedFd, packet: &mut [u8]) -> Result<Option<(u32, RequestName)>, String> {
        let peer = kmod::linux::peer_credentials(connection.as_fd()).map_err(|error| error.to_string())?;
        if peer.uid != self.uid {
            return Err(format!("uid {} may not ask here", peer.uid));
        }
        if !readable(connection.as_fd(), QUESTION_WITHIN).unwrap_or(false) {
            return Ok(None);
        }
        let Ok((length, whole)) = rustix::net::recv(connection, &mut *packet, RecvFlags::DONTWAIT | RecvFlags::TRUNC) else {
            return Ok(None);
        };
        if whole > packet.len() {
            return Err(BadAsk::TooLong { length: whole }.to_string());
        }
        let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
        let name = Ask::parse(bytes).map_err(|bad| bad.to_string())?;
        Ok(Some((peer.pid, name)))
    }
}

/// Whether the peer has closed its end.
fn has_gone(connection: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(connection, PollFlags::RDHUP)];
    match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => polled.iter().any(|polled| polled.revents().intersects(PollFlags::RDHUP | PollFlags::HUP)),
        // What cannot be known is taken for the worse: the helper decides by itself then.
        Err(_) => true,
    }
}

/// Sends an answer. A helper that has gone does not want it any more.
fn answer(connection: &OwnedFd, answer: &Answer) {
    let Ok(mut bytes) = serde_json::to_vec(answer) else { return };
    if bytes.len() > MAX_PACKET
        && let Answer::Done(Outcome::Failed { errno, .. }) = answer
    {
        let short = Answer::Done(Outcome::Failed { errno: *errno, text: "the reason is in the journal".to_owned() });
        bytes = serde_json::to_vec(&short).unwrap_or_default();
    }
    let _ = rustix::net::send(connection, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Waits for something to read.
pub(crate) fn readable(file: std::os::fd::BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(file, PollFlags::IN)];
    match poll(&mut polled, Timespec::try_from(patience).ok().as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
