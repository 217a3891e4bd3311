//! Keeps descriptors 0 to 2 from becoming those of files that a command opens.

use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsRawFd, IntoRawFd};

/// Fills every closed descriptor of 0 to 2, so that a message never lands in a module's file.
///
/// They become handles of `/` opened with `O_PATH`, which every system has, at any time; reading and writing them is answered
/// `EBADF`, as if they were closed. Where even that is refused (no descriptor left), nothing is done.
pub fn occupy_standard() {
    // `open` answers the lowest free number, so the first one over 2 says that 0 to 2 are taken.
    while let Ok(root) = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
        if root.as_raw_fd() > 2 {
            break;
        }
        // Stays open for the life of the process, on purpose.
        let _ = root.into_raw_fd();
    }
}
