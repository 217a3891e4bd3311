//! The system calls that need `unsafe`, and nothing else.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use crate::text;

/// Maps a file for reading: an index, or another file that is only ever replaced by renaming a finished one into place.
///
/// # Errors
/// Where it cannot be opened or mapped.
pub fn map(path: &Path) -> io::Result<memmap2::Mmap> {
    let file = File::open(path)?;
    // SAFETY: index files are replaced by renaming a finished one into place and are never written or truncated while they have
    // their name, so the mapped bytes do not change under the reader. Only plain reads through `&[u8]` are made of the mapping.
    unsafe { memmap2::Mmap::map(&file) }
}

/// Holds back the signals that end a process by default, until dropped: they are delivered then.
pub(crate) struct SignalsHeld {
    before: libc::sigset_t,
}

/// The signals that a terminal, a service manager or a log-out send.
const HELD: [libc::c_int; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE];

impl SignalsHeld {
    /// Holds them for the calling thread, and for threads that it starts.
    pub(crate) fn hold() -> Self {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: `set` is writable memory for one signal set, which the call initialises.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        for signal in HELD {
            // SAFETY: `set` was initialised by `sigemptyset`, and the number is a valid signal.
            unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
        }
        let mut before = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: both point to signal sets of this frame; the call reads one and writes the other.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: a signal set is plain data, zeroed above and written by `pthread_sigmask`.
        Self { before: unsafe { before.assume_init() } }
    }
}

impl Drop for SignalsHeld {
    fn drop(&mut self) {
        // SAFETY: `before` is the initialised set of `hold`; a null pointer means that the old set is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// The answer of a system call as a result.
fn answer(code: libc::c_long) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `finit_module(2)`.
pub(super) fn finit_module(file: BorrowedFd<'_>, parameters: &str, flags: libc::c_int) -> io::Result<()> {
    let parameters = CString::new(&*text::to_bytes(parameters))?;
    // SAFETY: the descriptor is open for the length of the call, and `parameters` is a text that ends with NUL; the kernel reads both.
    let code = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), flags) };
    answer(code)
}

/// `init_module(2)`.
pub(super) fn init_module(image: &[u8], parameters: &str) -> io::Result<()> {
    let parameters = CString::new(&*text::to_bytes(parameters))?;
    // SAFETY: `image` is valid for its length and `parameters` ends with NUL; the kernel reads both and keeps neither.
    let code = unsafe { libc::syscall(libc::SYS_init_module, image.as_ptr(), image.len(), parameters.as_ptr()) };
    answer(code)
}

/// `delete_module(2)`.
pub(super) fn delete_module(name: &str, flags: libc::c_int) -> io::Result<()> {
    let name = CString::new(&*text::to_bytes(name))?;
    // SAFETY: `name` is a text that ends with NUL, which the kernel only reads.
    let code = unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), flags) };
    answer(code)
}

/// The process at the other end of a Unix socket, as the kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id; 0 for a process that this one cannot see (another PID namespace).
    pub pid: u32,
}

/// Asks who is at the other end of a connected Unix socket (`SO_PEERCRED`, unix(7)). rustix reads the process id into a type that
/// cannot be 0.
///
/// # Errors
/// Those of getsockopt(2).
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let mut found = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: `found` is as long as `length` says, both live until the call returns, and every bit pattern is a `ucred`.
    let code =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut found).cast(), &raw mut length) };
    answer(code.into())?;
    Ok(Peer { uid: found.uid, gid: found.gid, pid: u32::try_from(found.pid).unwrap_or(0) })
}

/// The supplementary groups of the process at the other end (`SO_PEERGROUPS`, since Linux 4.13).
///
/// # Errors
/// Those of getsockopt(2).
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // The kernel says how many there are, should this not be enough; there may be 65,536.
    let mut groups: Vec<libc::gid_t> = vec![0; 256];
    loop {
        let room = groups.len().saturating_mul(size_of::<libc::gid_t>());
        let mut length = libc::socklen_t::try_from(room).unwrap_or(0);
        // SAFETY: `groups` has room for `length` bytes, both live until the call returns, and every bit pattern is a list of numbers.
        let code = unsafe {
            libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERGROUPS, groups.as_mut_ptr().cast(), &raw mut length)
        };
        let wanted = usize::try_from(length).unwrap_or(0) / size_of::<libc::gid_t>();
        match answer(code.into()) {
            Ok(()) => {
                groups.truncate(wanted);
                return Ok(groups);
            }
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && wanted > groups.len() => groups.resize(wanted, 0),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = peer_credentials(here.as_fd()).unwrap();
        assert_eq!((peer.uid, peer.pid), (rustix::process::geteuid().as_raw(), std::process::id()));
        let own: Vec<u32> = rustix::process::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
        let mut theirs = peer_groups(here.as_fd()).unwrap();
        theirs.sort_unstable();
        let mut wanted = own;
        wanted.sort_unstable();
        assert_eq!(theirs, wanted);
    }
}
