//! Runs a program to its end and says what it took.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::measure;

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent {
    /// From the start until the end was seen.
    pub(super) wall: Duration,
    /// User and system time of the process and its threads.
    pub(super) cpu: Duration,
    /// Most bytes in RAM at a time. A process that starts another stands in for it until `execve`, so this is never less than
    /// what the benchmark itself has.
    pub(super) peak: u64,
}

/// Runs `command` with its output thrown away (wait4(2)).
///
/// # Errors
/// [`Error::Start`], [`Error::System`], and [`Error::Program`] for another exit status than 0.
pub(super) fn run(command: &mut Command) -> Result<Spent> {
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().map_err(|source| Error::Start { program: name.clone(), source })?;
    let id = libc::pid_t::try_from(child.id()).unwrap_or_default();
    let mut status = 0;
    // SAFETY: an rusage is plain bits.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to valid, writable variables; the child is ours and nobody else waits for it.
    let waited = unsafe { libc::wait4(id, &mut status, 0, &mut usage) };
    let wall = start.elapsed();
    measure::check("wait4", waited)?;
    if status != 0 {
        return Err(Error::Program { program: name, status: format!("wait status {status:#x}"), stderr: String::new() });
    }
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or_default() << 10;
    Ok(Spent { wall, cpu: measure::cpu_time(&usage), peak })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_takes_is_seen() {
        let spent = run(Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1"])).expect("sh");
        assert!(spent.wall >= Duration::from_millis(100), "{spent:?}");
        assert!(spent.cpu > Duration::ZERO && spent.cpu < spent.wall, "{spent:?}");
        assert!(spent.peak > 500 << 10, "{spent:?}");
        assert!(matches!(run(Command::new("sh").args(["-c", "exit 3"])), Err(Error::Program { .. })));
    }
}
