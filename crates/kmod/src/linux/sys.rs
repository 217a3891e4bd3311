//! The system calls that need `unsafe`, and nothing else.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

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
    let parameters = CString::new(parameters)?;
    // SAFETY: the descriptor is open for the length of the call, and `parameters` is a text that ends with NUL; the kernel reads both.
    let code = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), flags) };
    answer(code)
}

/// `init_module(2)`.
pub(super) fn init_module(image: &[u8], parameters: &str) -> io::Result<()> {
    let parameters = CString::new(parameters)?;
    // SAFETY: `image` is valid for its length and `parameters` ends with NUL; the kernel reads both and keeps neither.
    let code = unsafe { libc::syscall(libc::SYS_init_module, image.as_ptr(), image.len(), parameters.as_ptr()) };
    answer(code)
}

/// `delete_module(2)`.
pub(super) fn delete_module(name: &str, flags: libc::c_int) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: `name` is a text that ends with NUL, which the kernel only reads.
    let code = unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), flags) };
    answer(code)
}

/// Asks the C library to keep freed memory for the next request: thousands of files are read into buffers one after the other, and each
/// would otherwise be given back to the kernel and fetched anew, page by page.
pub(crate) fn keep_freed_memory() {
    /// What is kept, in bytes; a tree's largest modules need a few MiB.
    #[cfg(target_env = "gnu")]
    const KEPT: libc::c_int = 32 << 20;
    #[cfg(target_env = "gnu")]
    for parameter in [libc::M_TRIM_THRESHOLD, libc::M_MMAP_THRESHOLD] {
        // SAFETY: sets a number in the allocator, under its own lock; memory that is in use is not touched.
        unsafe { libc::mallopt(parameter, KEPT) };
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: as above.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, 1 << 20)
    };
}
