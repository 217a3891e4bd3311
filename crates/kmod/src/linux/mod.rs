//! The running Linux kernel.

mod sys;

pub(crate) use sys::{SignalsHeld, map};

/// The release of the running kernel, as `uname -r` prints it.
#[must_use]
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
