//! The credentials of the other end of a connection, as the operating system vouches for them (`SO_PEERCRED`, `unix(7)`).
//!
//! rustix reads them too, but into a process id that cannot be 0; and 0 is what a kernel in a PID namespace of its own (a
//! container) sees of every process outside of it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Effective user id.
    pub(crate) uid: u32,
    /// Process id; 0 for a process that this one cannot see.
    pub(crate) pid: u32,
}

/// Asks for the credentials of the process that connected `stream`.
pub(crate) fn of(stream: &UnixStream) -> io::Result<Credentials> {
    let mut found = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: `found` is as long as `length` says, both live until the call returns, and every bit pattern is a `ucred`.
    let status =
        unsafe { libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut found).cast(), &raw mut length) };
    if status == 0 {
        Ok(Credentials { uid: found.uid, pid: u32::try_from(found.pid).unwrap_or(0) })
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, of};
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let own = Credentials { uid: rustix::process::geteuid().as_raw(), pid: std::process::id() };
        assert_eq!(of(&here).unwrap(), own);
    }
}
