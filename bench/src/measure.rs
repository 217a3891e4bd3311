//! How time and memory are measured: in a child process, on one CPU, many times.

use std::fs;
use std::time::Duration;

use crate::error::{Error, Result};

/// The times of one subject, ascending.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Takes nanoseconds in any order.
    #[must_use]
    pub fn new(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        Self(nanoseconds)
    }

    /// Adds the samples of another round.
    pub fn merge(&mut self, other: Vec<u64>) {
        self.0.extend(other);
        self.0.sort_unstable();
    }

    /// The smallest, in nanoseconds: what the work costs when nothing disturbs it.
    #[must_use]
    pub fn minimum(&self) -> Option<f64> {
        self.0.first().map(|&time| time as f64)
    }

    /// The middle one, in nanoseconds.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        self.0.get(self.0.len() / 2).map(|&time| time as f64)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The CPU time of this thread: on a machine with other work, the part that is ours, faults included
/// (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)).
///
/// # Errors
/// [`Error::System`].
pub fn thread_time() -> Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    check("clock_gettime", status)?;
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Ok(Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds))
}

/// The CPU time of all children that have ended (`RUSAGE_CHILDREN`, getrusage(2)).
///
/// # Errors
/// [`Error::System`].
pub fn children_time() -> Result<Duration> {
    // SAFETY: an rusage is plain bits.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid, writable rusage.
    let status = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    check("getrusage", status)?;
    Ok(cpu_time(&usage))
}

/// User and system time together.
#[must_use]
pub fn cpu_time(usage: &libc::rusage) -> Duration {
    let time = |part: libc::timeval| {
        let microseconds = part.tv_sec.saturating_mul(1_000_000).saturating_add(part.tv_usec);
        Duration::from_micros(u64::try_from(microseconds).unwrap_or_default())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Keeps this thread on the CPU where it runs now (sched_setaffinity(2)).
///
/// # Errors
/// [`Error::System`].
pub fn pin() -> Result<()> {
    // SAFETY: takes nothing.
    let cpu = unsafe { libc::sched_getcpu() };
    check("sched_getcpu", cpu)?;
    // SAFETY: a cpu_set_t is plain bits, and all of them zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid set, and CPU_SET checks the number against its size.
    unsafe { libc::CPU_SET(usize::try_from(cpu).unwrap_or_default(), &mut set) };
    // SAFETY: `set` is a valid set of the given size; 0 is the calling thread.
    let status = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
    check("sched_setaffinity", status)
}

/// Turns a system call's -1 into an error.
///
/// # Errors
/// [`Error::System`] with `errno` if `status` is negative.
pub fn check(call: &'static str, status: libc::c_int) -> Result<()> {
    if status < 0 { Err(Error::System { call, source: std::io::Error::last_os_error() }) } else { Ok(()) }
}

/// What a process has in RAM, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now (`VmRSS` of proc_pid_status(5)).
    pub now: u64,
    /// At most since the last [`Memory::forget_peak`] (`VmHWM`).
    pub peak: u64,
}

impl Memory {
    /// Reads this process's figures.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Format`].
    pub fn read() -> Result<Self> {
        let path = "/proc/self/status";
        let text = fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            kibibytes
                .map(|kibibytes| kibibytes * 1024)
                .ok_or_else(|| Error::Format { what: path.to_owned(), reason: format!("no `{name}`") })
        };
        Ok(Self { now: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Sets the peak back to what is in RAM now (`/proc/PID/clear_refs`, proc_pid_clear_refs(5)).
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn forget_peak() -> Result<()> {
        let path = "/proc/self/clear_refs";
        fs::write(path, "5").map_err(|source| Error::File { path: path.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_median_are_of_all_rounds() {
        let mut samples = Samples::new(vec![5, 3]);
        samples.merge(vec![9, 1, 4]);
        assert_eq!(samples.minimum(), Some(1.0));
        assert_eq!(samples.median(), Some(4.0));
        assert_eq!(samples.len(), 5);
        assert_eq!(Samples::default().minimum(), None);
    }

    #[test]
    fn a_peak_is_seen_and_forgotten() {
        Memory::forget_peak().expect("clear_refs");
        let before = Memory::read().expect("status");
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let during = Memory::read().expect("status");
        assert!(during.peak >= before.now + (60 << 20), "{before:?} {during:?} {}", block.len());
        drop(std::hint::black_box(block));
        let after = Memory::read().expect("status");
        assert!(after.peak >= before.now + (60 << 20), "the peak stays: {after:?}");
    }
}
