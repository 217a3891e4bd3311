//! No more than two guests at a time, whatever the number of test threads and processes: each takes the time of one processor.

use std::fs::File;
use std::time::Duration;

use crate::debian;

/// How many guests may run at once.
const SLOTS: usize = 2;

/// A place among the running guests; it is free again when this is dropped, or when the process ends.
#[derive(Debug)]
pub(super) struct Slot {
    _lock: File,
}

impl Slot {
    /// Waits for a place.
    ///
    /// # Errors
    /// Where the lock files cannot be made.
    pub(super) fn take() -> std::io::Result<Self> {
        loop {
            for number in 0..SLOTS {
                let lock = File::create(debian::cache().join(format!("guest{number}.slot")))?;
                match lock.try_lock() {
                    Ok(()) => return Ok(Self { _lock: lock }),
                    Err(std::fs::TryLockError::WouldBlock) => {}
                    Err(std::fs::TryLockError::Error(error)) => return Err(error),
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
