//! What every record says of its surroundings.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Paths;

/// The boot and the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `/proc/sys/kernel/random/boot_id`; empty where it cannot be read.
    pub boot: String,
    /// The kernel's release.
    pub release: String,
}

impl Stamp {
    /// Reads the boot's name.
    #[must_use]
    pub fn of(paths: &Paths, release: &str) -> Self {
        let boot = std::fs::read_to_string(paths.file("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
        Self { boot: boot.trim().to_owned(), release: release.to_owned() }
    }
}

/// Microseconds since 1970, UTC.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
