//! How the hosted kernel is started.

use kernel::{Gdb, Lockdown, Modversions, Oops, PerfMap};

use crate::log::Console;

/// The release of a kernel that is given none.
pub const DEFAULT_RELEASE: &str = "2.0.40-khost";

/// The choices of whoever starts it.
pub struct Options {
    /// `uname -r`.
    pub release: String,
    /// Whether exports carry checksums.
    pub modversions: Modversions,
    /// Whether modules are taken at all.
    pub lockdown: Lockdown,
    /// What happens when module code traps.
    pub oops: Oops,
    /// Whether debuggers are told of loaded code.
    pub gdb: Gdb,
    /// Whether `/tmp/perf-PID.map` is written.
    pub perf_map: PerfMap,
    /// Bytes that the kernel log keeps.
    pub log_capacity: usize,
    /// Lines more urgent than this go to the console (8: all of them).
    pub console_level: u8,
    /// The console.
    pub console: Console,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            release: DEFAULT_RELEASE.to_owned(),
            modversions: Modversions::Off,
            lockdown: Lockdown::Off,
            oops: Oops::Diagnose,
            gdb: Gdb::Off,
            perf_map: PerfMap::Off,
            log_capacity: 256 << 10,
            console_level: 7,
            console: Box::new(|_| ()),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("release", &self.release).finish_non_exhaustive()
    }
}
