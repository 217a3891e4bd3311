//! The system calls that need `unsafe`, and nothing else.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

/// Maps a file for reading.
pub(crate) fn map(path: &Path) -> io::Result<memmap2::Mmap> {
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
