//! The daemon's side: who may ask what, and for how long.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use demand::{Paths, lock};
use kmod::linux::{Peer, peer_credentials, peer_groups};
use rustix::net::{SocketFlags, SocketType};

use super::super::run::{Birth, Kernels, Requests, Shared, listen, metrics, readable};
use super::{Command, MAX_LINE, Reply, Until};
use crate::Level;

/// Connections at a time of administrators, and of all others.
const MOST: usize = 32;

/// Connections at a time of one user who is no administrator.
const MOST_OF_ONE: usize = 4;

/// How long a connection may last.
const LIFETIME: Duration = Duration::from_secs(30);

/// How long a client may take for one line.
const LINE_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take for a refusal: the next one waits meanwhile.
const REFUSED_WITHIN: Duration = Duration::from_millis(10);

/// How long the journal may take to write everything.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether the daemon ends.
const LOOK: Duration = Duration::from_millis(250);

/// The control socket and the one with the numbers.
#[derive(Debug)]
pub(crate) struct Control<K> {
    engine: Shared<K>,
    requests: Requests<K>,
    birth: Birth,
    groups: std::path::PathBuf,
    open: Arc<Mutex<HashMap<Who, usize>>>,
    ends: Arc<AtomicBool>,
}

impl<K> Clone for Control<K> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            requests: self.requests.clone(),
            birth: self.birth.clone(),
            groups: self.groups.clone(),
            open: self.open.clone(),
            ends: self.ends.clone(),
        }
    }
}

/// What is behind a socket.
#[derive(Clone, Copy, Debug)]
enum Service {
    Control,
    Metrics,
}

/// Whose connections are counted together. Administrators find a place also when others hold all of theirs: one person may have
/// many uids (subuid(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Administrator,
    User(u32),
}

/// A place among the connections, until dropped.
struct Place {
    who: Who,
    open: Arc<Mutex<HashMap<Who, usize>>>,
}

impl<K: Kernels> Control<K> {
    pub(crate) fn new(paths: &Paths, engine: Shared<K>, requests: Requests<K>, birth: Birth) -> Self {
        let groups = paths.file("/etc/group");
        Self { engine, requests, birth, groups, open: Arc::default(), ends: Arc::default() }
    }

    /// Listens on the control socket, which anyone may connect to.
    pub(crate) fn start(&self, path: &Path) -> io::Result<()> {
        self.listen(path, 0o666, Service::Control)
    }

    /// Listens on the socket with the numbers, for the administrator and the group.
    pub(crate) fn start_metrics(&self, path: &Path) -> io::Result<()> {
        self.listen(path, 0o666, Service::Metrics)
    }

    /// Ends after the present connections.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    fn listen(&self, path: &Path, mode: u32, service: Service) -> io::Result<()> {
        let listener = listen(path, SocketType::STREAM, mode)?;
        let own = self.clone();
        std::thread::Builder::new().name("control".to_owned()).spawn(move || own.accept_all(&listener, service)).map(drop)
    }

    fn accept_all(&self, listener: &OwnedFd, service: Service) {
        while !self.ends.load(Ordering::SeqCst) {
            if !readable(listener.as_fd(), LOOK).unwrap_or(false) {
                continue;
            }
            let Ok(connection) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) else {
                // No descriptors are left: somebody has to end first.
                std::thread::sleep(LOOK);
                continue;
            };
            let stream = UnixStream::from(connection);
            let Ok(peer) = peer_credentials(stream.as_fd()) else { continue };
            let who = if self.is_administrator(&stream, peer) { Who::Administrator } else { Who::User(peer.uid) };
            let Some(place) = self.place(who) else {
                say(&mut Until::after(&stream, REFUSED_WITHIN), &Reply::Failed("too many connections".to_owned()));
                continue;
            };
            let own = self.clone();
            // Where no thread can be had, the connection is closed.
            let _ = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
                let _place = place;
                match service {
                    Service::Control => own.converse(&stream, peer, who),
                    Service::Metrics => own.numbers(&stream, who),
                }
            });
        }
    }

    fn place(&self, who: Who) -> Option<Place> {
        let mut open = lock(&self.open);
        let others: usize = open.iter().filter(|(other, _)| **other != Who::Administrator).map(|(_, count)| count).sum();
        let own = open.entry(who).or_default();
        let full = match who {
            Who::Administrator => *own >= MOST,
            Who::User(_) => others >= MOST || *own >= MOST_OF_ONE,
        };
        if full {
            return None;
        }
        *own = own.saturating_add(1);
        Some(Place { who, open: self.open.clone() })
    }

    /// Whether a peer may do all that root may: root, and the members of the group that the policy names.
    fn is_administrator(&self, stream: &UnixStream, peer: Peer) -> bool {
        // The daemon's own user is root, but in tests.
        if peer.uid == 0 || peer.uid == rustix::process::geteuid().as_raw() {
            return true;
        }
        let rules = self.engine.rules().now();
        let Some(group) = rules.policy.control.group.as_ref().and_then(|name| group_number(&self.groups, name)) else { return false };
        peer.gid == group || peer_groups(stream.as_fd()).is_ok_and(|groups| groups.contains(&group))
    }

    fn converse(&self, stream: &UnixStream, peer: Peer, who: Who) {
        let start = Instant::now();
        let latest = start.checked_add(LIFETIME).unwrap_or(start);
        let mut reader = BufReader::new(Until::after(stream, LINE_WITHIN));
        while Instant::now() < latest && !self.ends.load(Ordering::SeqCst) {
            reader.get_mut().extend(LINE_WITHIN, latest);
            let mut line = Vec::new();
            let bound = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            match (&mut reader).take(bound).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.last() != Some(&b'\n') && line.len() >= MAX_LINE => {
                    self.engine.tally().refuse();
                    say(reader.get_mut(), &Reply::Failed(format!("a line has {MAX_LINE} bytes at most")));
                    return;
                }
                Ok(_) => {}
            }
            let reply = match serde_json::from_slice::<Command>(&line) {
                Ok(command) => self.obey(&command, peer, who),
                Err(error) => {
                    self.engine.tally().refuse();
                    Reply::Failed(format!("not a command: {error}"))
                }
            };
            reader.get_mut().extend(LINE_WITHIN, latest);
            if !say(reader.get_mut(), &reply) {
                return;
            }
        }
    }

    fn obey(&self, command: &Command, peer: Peer, who: Who) -> Reply {
        if who != Who::Administrator {
            return match command {
                Command::Status => Reply::Summary(self.birth.summary(&self.engine)),
                _ => self.forbidden(peer),
            };
        }
        let rules = self.engine.rules();
        let by = || if peer.uid == 0 { "root".to_owned() } else { format!("uid {}", peer.uid) };
        match command {
            Command::Status => Reply::Status(Box::new(self.birth.status(&self.engine))),
            Command::Top { most } => Reply::Top(self.engine.tally().numbers().busiest((*most).min(1000))),
            Command::Allow { what, length } => match rules.grant(what.clone(), *length, by()) {
                Ok(grant) => {
                    self.engine.teller().say(Level::Warning, &grant.to_string());
                    Reply::Allowed(grant)
                }
                Err(fault) => Reply::Failed(fault.to_string()),
            },
            Command::Revoke { what } => match rules.revoke(what) {
                Ok(0) => Reply::Revoked(0),
                Ok(gone) => {
                    self.engine.teller().say(Level::Warning, &format!("{what} is no longer granted: taken back by {}", by()));
                    Reply::Revoked(gone)
                }
                Err(fault) => Reply::Failed(fault.to_string()),
            },
            Command::Grants => {
                let now = demand::stamp::now();
                Reply::Grants(rules.now().grants.iter().filter(|grant| grant.counts(now)).cloned().collect())
            }
            Command::Reload => Reply::Reloaded(self.engine.reload()),
            Command::Flush => {
                self.engine.chronicle().flush(FLUSH_WITHIN);
                Reply::Flushed
            }
        }
    }

    fn forbidden(&self, peer: Peer) -> Reply {
        self.engine.tally().refuse();
        let group = match &self.engine.rules().now().policy.control.group {
            Some(group) => format!("root and members of the group `{group}`"),
            None => "root (the policy names no group under [control])".to_owned(),
        };
        Reply::Forbidden(format!("uid {} may only ask for the status; everything else is for {group}", peer.uid))
    }

    fn numbers(&self, stream: &UnixStream, who: Who) {
        if who == Who::Administrator {
            // A collector that went away does not want them.
            let _ = metrics::answer(stream, &metrics::text(&self.engine, &self.birth, self.requests.busy()));
        } else {
            self.engine.tally().refuse();
            let _ = Until::after(stream, REFUSED_WITHIN).write_all(b"HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(count) = open.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

/// Sends a line; answers whether the client took it.
fn say(stream: &mut Until<'_>, reply: &Reply) -> bool {
    let Ok(mut line) = serde_json::to_vec(reply) else { return false };
    line.push(b'\n');
    stream.write_all(&line).is_ok()
}

/// The number of a group: it is one, or a file such as `/etc/group` (group(5)) has it.
fn group_number(file: &Path, name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        fields.nth(1).filter(|_| found)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_their_whole_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("group");
        std::fs::write(&file, "root:x:0:\nkern:x:7:a\nkerneld:x:991:ann,bob\nbad:x:many:\n").unwrap();
        assert_eq!(group_number(&file, "kerneld"), Some(991));
        assert_eq!(group_number(&file, "kerneldx"), None);
        assert_eq!(group_number(&file, "bad"), None);
        assert_eq!(group_number(&file, "7"), Some(7));
    }
}
