//! The helper's side of a request: one question over the socket, with a bound on every wait.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with};

use crate::Outcome;
use crate::policy::compiled::Waits;
use crate::wire::{Answer, Ask, MAX_PACKET, VERSION};

/// How long to pause before a full queue of connections is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Why there is no outcome.
#[derive(Debug)]
pub enum NoAnswer {
    /// No daemon is there, or it went away.
    Unreachable(io::Error),
    /// It did not say anything in time.
    Late {
        /// How long it had.
        waited: Duration,
    },
    /// It has begun to load, and did not come to an end in time.
    Unfinished {
        /// How long it had.
        waited: Duration,
    },
    /// It does not understand the question, or does not answer to this process.
    Refused {
        /// In its words.
        reason: String,
    },
    /// What it said was no message.
    Garbage,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "kerneld cannot be reached: {error}"),
            Self::Late { waited } => write!(f, "kerneld did not answer within {} ms", waited.as_millis()),
            Self::Unfinished { waited } => write!(f, "kerneld began to load, but did not finish within {} ms", waited.as_millis()),
            Self::Refused { reason } => write!(f, "kerneld refused the request: {reason}"),
            Self::Garbage => f.write_str("kerneld answered something that is no message"),
        }
    }
}

impl std::error::Error for NoAnswer {}

impl From<Errno> for NoAnswer {
    fn from(errno: Errno) -> Self {
        Self::Unreachable(errno.into())
    }
}

/// Asks the daemon behind a socket, and waits for what comes of it.
///
/// # Errors
/// [`NoAnswer`]; only after [`NoAnswer::Unfinished`] is something known to be under way.
pub fn ask(socket: &Path, name: &[u8], waits: Waits) -> Result<Outcome, NoAnswer> {
    let first = Deadline::after(waits.answer);
    let connection = connected(socket, first)?;
    let question = serde_json::to_vec(&Ask { version: VERSION, name: name.to_vec() }).map_err(|_| NoAnswer::Garbage)?;
    send(&connection, &question, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    match answer(&connection, first)?.ok_or(NoAnswer::Late { waited: waits.answer })? {
        Answer::Done(outcome) => return Ok(outcome),
        Answer::Refused(reason) => return Err(NoAnswer::Refused { reason }),
        Answer::Accepted => {}
    }
    match answer(&connection, Deadline::after(waits.load))?.ok_or(NoAnswer::Unfinished { waited: waits.load })? {
        Answer::Done(outcome) => Ok(outcome),
        Answer::Refused(reason) => Err(NoAnswer::Refused { reason }),
        Answer::Accepted => Err(NoAnswer::Garbage),
    }
}

/// A point in time, with the wait that led to it.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Option<Instant>,
    wait: Duration,
}

impl Deadline {
    fn after(wait: Duration) -> Self {
        Self { at: Instant::now().checked_add(wait), wait }
    }

    fn left(self) -> Duration {
        self.at.map_or(self.wait, |at| at.saturating_duration_since(Instant::now()))
    }
}

/// Connects. A Unix socket does not wait without blocking: a full queue is tried again until the time is over.
fn connected(socket: &Path, deadline: Deadline) -> Result<OwnedFd, NoAnswer> {
    let connection = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    let address = SocketAddrUnix::new(socket)?;
    loop {
        match connect(&connection, &address) {
            Ok(()) => return Ok(connection),
            Err(Errno::AGAIN | Errno::INTR) if !deadline.left().is_zero() => std::thread::sleep(PAUSE.min(deadline.left())),
            Err(Errno::AGAIN) => return Err(NoAnswer::Late { waited: deadline.wait }),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Waits for one message; `None` if it does not come in time.
fn answer(connection: &OwnedFd, deadline: Deadline) -> Result<Option<Answer>, NoAnswer> {
    let mut packet = vec![0; MAX_PACKET];
    loop {
        let left = deadline.left();
        let mut polled = [PollFd::new(connection, PollFlags::IN)];
        match poll(&mut polled, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        match recv(connection, packet.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(NoAnswer::Unreachable(io::ErrorKind::ConnectionReset.into())),
            Ok((length, _)) => {
                let packet = packet.get(..length).ok_or(NoAnswer::Garbage)?;
                return serde_json::from_slice(packet).map(Some).map_err(|_| NoAnswer::Garbage);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::net::{accept, bind, listen};

    use super::*;

    const SHORT: Waits = Waits { answer: Duration::from_millis(300), load: Duration::from_millis(600) };

    /// A daemon that answers one question with these packets, each after a pause, and then waits.
    fn daemon(folder: &Path, packets: Vec<(u64, Vec<u8>)>) -> std::path::PathBuf {
        let path = folder.join("request.sock");
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, 8).unwrap();
        std::thread::spawn(move || {
            let connection = accept(&listener).unwrap();
            let mut question = [0; 4096];
            let (length, _) = recv(&connection, question.as_mut_slice(), RecvFlags::empty()).unwrap();
            let question: Ask = serde_json::from_slice(&question[..length]).unwrap();
            assert_eq!(question, Ask { version: VERSION, name: b"fs-vfat".to_vec() });
            let hold = packets.is_empty();
            for (pause, packet) in packets {
                std::thread::sleep(Duration::from_millis(pause));
                let _ = send(connection.as_fd(), &packet, SendFlags::NOSIGNAL);
            }
            if hold {
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        path
    }

    fn packet(answer: &Answer) -> Vec<u8> {
        serde_json::to_vec(answer).unwrap()
    }

    #[test]
    fn answers_and_their_absence() {
        let done = packet(&Answer::Done(Outcome::Denied));
        let accepted = packet(&Answer::Accepted);
        type Check = fn(&Result<Outcome, NoAnswer>) -> bool;
        type Packets = Vec<(u64, Vec<u8>)>;
        let cases: Vec<(Packets, Check)> = vec![
            (vec![(0, done.clone())], |r| matches!(r, Ok(Outcome::Denied))),
            (vec![(0, accepted.clone()), (100, packet(&Answer::Done(Outcome::Loaded)))], |r| matches!(r, Ok(Outcome::Loaded))),
            (vec![], |r| matches!(r, Err(NoAnswer::Late { .. }))),
            (vec![(0, accepted.clone()), (1500, done)], |r| matches!(r, Err(NoAnswer::Unfinished { .. }))),
            (vec![(0, accepted.clone())], |r| matches!(r, Err(NoAnswer::Unreachable(_)))),
            (vec![(0, accepted.clone()), (0, accepted)], |r| matches!(r, Err(NoAnswer::Garbage))),
            (vec![(0, b"{".to_vec())], |r| matches!(r, Err(NoAnswer::Garbage))),
            (vec![(0, packet(&Answer::Refused("no".into())))], |r| matches!(r, Err(NoAnswer::Refused { reason }) if reason == "no")),
        ];
        for (at, (packets, check)) in cases.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let start = Instant::now();
            let got = ask(&daemon(folder.path(), packets), b"fs-vfat", SHORT);
            assert!(check(&got), "case {at}: {got:?}");
            assert!(start.elapsed() < Duration::from_millis(1400), "case {at} took {:?}", start.elapsed());
        }
    }

    #[test]
    fn no_socket_and_a_full_queue_are_told_at_once_or_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.sock");
        assert!(matches!(ask(&path, b"x", SHORT), Err(NoAnswer::Unreachable(_))));
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, 0).unwrap();
        let start = Instant::now();
        let asked: Vec<_> = (0..3)
            .map(|_| {
                std::thread::spawn({
                    let path = path.clone();
                    move || ask(&path, b"x", SHORT)
                })
            })
            .collect();
        for thread in asked {
            assert!(matches!(thread.join().unwrap(), Err(NoAnswer::Late { .. })));
        }
        assert!(start.elapsed() < Duration::from_millis(1400));
        drop(listener);
        assert!(matches!(ask(&path, b"x", SHORT), Err(NoAnswer::Unreachable(_))));
    }
}
