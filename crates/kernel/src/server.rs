//! The socket: one thread per connection, a bounded number of them.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use uapi::wire::{self, WireError};

use crate::credentials;
use crate::error::{Error, Step};
use crate::kernel::Kernel;
use crate::log::Level;
use crate::peer::{Peer, Privilege};

/// How long calls that run have to finish when a server is dropped: module code may never come back.
const FINISHING: Duration = Duration::from_secs(2);

/// A served socket. When dropped, its file is removed and its connections are ended; calls that run finish first, and are answered, if they
/// come to an end within two seconds.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    identity: (u64, u64),
    wake: UnixStream,
    acceptor: Option<JoinHandle<()>>,
    connections: Arc<Connections>,
}

/// A connection that is served.
#[derive(Debug)]
struct Served {
    stream: UnixStream,
    uid: u32,
    privilege: Privilege,
}

/// All of them.
#[derive(Debug, Default)]
struct Connections {
    served: Mutex<(u64, HashMap<u64, Served>)>,
    /// A connection ended.
    ended: Condvar,
}

impl Kernel {
    /// Serves the kernel's system calls at a socket that anyone may connect to. The file that a dead kernel left is replaced.
    ///
    /// # Errors
    /// [`Error::SocketInUse`] where a kernel answers there; [`Error::Socket`]; [`Error::System`].
    pub fn serve(&self, path: impl AsRef<Path>) -> Result<Server, Error> {
        let path = path.as_ref();
        let (listener, identity) = bind(path)?;
        let failed = |step| move |error| Error::System { step, error };
        let (wake, woken) = UnixStream::pair().map_err(failed(Step::Wake))?;
        let connections = Arc::new(Connections::default());
        let (kernel, registry) = (self.clone(), Arc::clone(&connections));
        let thread = std::thread::Builder::new().name("kernel-accept".to_owned());
        let acceptor = thread.spawn(move || accept(&kernel, &listener, &woken, &registry)).map_err(failed(Step::Thread))?;
        Ok(Server { path: path.to_owned(), identity, wake, acceptor: Some(acceptor), connections })
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connections that are served now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.lock().1.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The file may be another kernel's by now: only our own is removed.
        if std::fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            drop(std::fs::remove_file(&self.path));
        }
        drop(self.wake.shutdown(std::net::Shutdown::Both));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        // No further call is read; the answer to one that runs still goes out.
        self.connections.shut_down(std::net::Shutdown::Read);
        let served = self.connections.lock();
        drop(self.connections.ended.wait_timeout_while(served, FINISHING, |served| !served.1.is_empty()));
        self.connections.shut_down(std::net::Shutdown::Both);
    }
}

/// Binds the socket, unless a kernel answers there. The directory is locked meanwhile, so that of two kernels that start at once
/// one wins.
fn bind(path: &Path) -> Result<(UnixListener, (u64, u64)), Error> {
    let failed = |error| Error::Socket { path: path.to_owned(), error };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::File::open(parent).map_err(failed)?;
    // Not every file system has locks; the test below still tells a living kernel from a dead one.
    let _ = rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive);
    match UnixStream::connect(path) {
        Ok(_) => return Err(Error::SocketInUse { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => std::fs::remove_file(path).map_err(failed)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
    let metadata = std::fs::metadata(path).map_err(failed)?;
    Ok((listener, (metadata.dev(), metadata.ino())))
}

/// A file that is no socket refuses connections too, and is somebody else's.
fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Accepts connections until the server is dropped.
fn accept(kernel: &Kernel, listener: &UnixListener, woken: &UnixStream, connections: &Arc<Connections>) {
    loop {
        let mut ready = [PollFd::new(listener, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        if rustix::event::poll(&mut ready, None).is_err() {
            continue;
        }
        if !ready[1].revents().is_empty() {
            return;
        }
        match listener.accept() {
            Ok((stream, _)) => admit(kernel, stream, connections),
            Err(error) => {
                kernel.log(Level::Error, &format!("accept: {error}"));
                // Out of descriptors: the connection stays in the backlog, and asking at once again would only burn the processor.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }
}

/// Starts to serve a connection, if the limits allow.
fn admit(kernel: &Kernel, stream: UnixStream, connections: &Arc<Connections>) {
    let peer = match credentials::of(&stream) {
        Ok(found) => Peer::new(found.uid, found.pid),
        Err(error) => {
            kernel.log(Level::Error, &format!("accept: {error}"));
            return;
        }
    };
    let limits = kernel.inner.config.limits;
    let Ok(copy) = stream.try_clone() else { return };
    let Some(number) = connections.add(copy, &peer, limits) else {
        kernel.log(Level::Warning, &format!("uid {} has too many connections", peer.uid()));
        return;
    };
    let (own, registry) = (kernel.clone(), Arc::clone(connections));
    let thread = std::thread::Builder::new().name("kernel-call".to_owned());
    let spawned = thread.spawn(move || {
        serve(&own, &peer, &stream);
        own.disconnect(&peer);
        registry.lock().1.remove(&number);
        registry.ended.notify_all();
    });
    if let Err(error) = spawned {
        connections.lock().1.remove(&number);
        kernel.log(Level::Error, &format!("accept: {error}"));
    }
}

impl Connections {
    fn shut_down(&self, how: std::net::Shutdown) {
        for served in self.lock().1.values() {
            // One that is gone already needs no end.
            drop(served.stream.shutdown(how));
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Served>)> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection, unless there are too many: of all, or of one user that may only read.
    fn add(&self, stream: UnixStream, peer: &Peer, limits: crate::Limits) -> Option<u64> {
        let mut served = self.lock();
        let readers = served.1.values().filter(|each| each.privilege == Privilege::Reader);
        let (mut all, mut own) = (0_usize, 0_usize);
        for reader in readers {
            all = all.saturating_add(1);
            own = own.saturating_add(usize::from(reader.uid == peer.uid()));
        }
        // Readers never take the last half: an owner always gets in to mend things.
        let reader_is_full = own >= limits.readers || all >= limits.connections.div_euclid(2);
        if served.1.len() >= limits.connections || (peer.privilege() == Privilege::Reader && reader_is_full) {
            return None;
        }
        let number = served.0;
        served.0 = number.saturating_add(1);
        served.1.insert(number, Served { stream, uid: peer.uid(), privilege: peer.privilege() });
        Some(number)
    }
}

/// Answers calls until the peer is gone or sends what is no call.
fn serve(kernel: &Kernel, peer: &Peer, stream: &UnixStream) {
    let limit = match peer.privilege() {
        Privilege::Owner => wire::MAX_FRAME,
        Privilege::Reader => wire::MAX_READER_FRAME,
    };
    loop {
        let call = match wire::receive(stream, limit) {
            Ok((call, _)) => call,
            Err(WireError::Closed) => return,
            Err(error) => {
                kernel.log(Level::Notice, &format!("connection of process {} dropped: {error}", peer.pid()));
                return;
            }
        };
        let (answer, descriptor) = kernel.dispatch(peer, call);
        if let Err(error) = wire::send(stream, &answer, descriptor.as_ref().map(AsFd::as_fd)) {
            kernel.log(Level::Info, &format!("process {} did not take its reply: {error}", peer.pid()));
            return;
        }
    }
}
