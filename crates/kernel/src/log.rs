//! The kernel log: what the kernel has to say goes to the embedder, line by line, with the levels of `printk`.

use std::sync::Arc;

/// The importance of a line (`KERN_*` of Linux 2.0 `include/linux/kernel.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `KERN_EMERG`.
    Emergency = 0,
    /// `KERN_ALERT`.
    Alert = 1,
    /// `KERN_CRIT`.
    Critical = 2,
    /// `KERN_ERR`.
    Error = 3,
    /// `KERN_WARNING`.
    Warning = 4,
    /// `KERN_NOTICE`.
    Notice = 5,
    /// `KERN_INFO`.
    Info = 6,
    /// `KERN_DEBUG`.
    Debug = 7,
}

/// Where lines go. Called without any lock of the kernel held.
pub(crate) type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// Where `/proc/kmsg` comes from.
pub(crate) type Reader = Arc<dyn Fn() -> String + Send + Sync>;
