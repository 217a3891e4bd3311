//! Without tracing: who waits for a helper of the kernel at all.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::MOST_CANDIDATES;
use super::task::{Task, Tasks, Waits};
use crate::Paths;

/// Bytes of a task's name that the kernel keeps (`TASK_COMM_LEN` without the zero).
const COMM: usize = 15;

/// The state of a thread that waits for a helper of the kernel (it is asleep, and can be killed at most: proc(5)).
const UNINTERRUPTIBLE: u8 = b'D';

/// How long all threads are looked at: whoever may start a hundred thousand of them must not keep the requests of others waiting.
const WITHIN: Duration = Duration::from_millis(700);

/// Tasks that wait, and whether they are all there can be.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// Those that wait for a module, and those that may.
    pub(super) tasks: Vec<Task>,
    /// Whether every helper that runs has somebody who certainly waits for it. If not, one was left by a task that is gone (whoever
    /// asks can be killed) or does not wait, and any helper may be that one.
    pub(super) complete: bool,
}

/// Looks at all threads.
pub(super) fn blocked(tasks: &Tasks, paths: &Paths) -> Blocked {
    let program = fs::read_to_string(paths.file("/proc/sys/kernel/modprobe")).unwrap_or_default();
    let name = program.trim().rsplit('/').next().unwrap_or_default();
    let name = name.get(..COMM).unwrap_or(name);
    let (mut found, mut certain, mut helpers) = (Vec::new(), 0_usize, 0_usize);
    let mut of_kernel: HashMap<u32, bool> = HashMap::new();
    let (start, mut in_time) = (Instant::now(), true);
    for tid in tasks.all() {
        in_time = start.elapsed() < WITHIN;
        // Of more than enough candidates no more need be known.
        if !in_time || found.len() > MOST_CANDIDATES {
            break;
        }
        let Some(life) = tasks.life(tid) else { continue };
        let mut by_kernel = |parent| *of_kernel.entry(parent).or_insert_with(|| tasks.life(parent).is_some_and(|parent| parent.kernel));
        if !life.kernel && by_kernel(life.parent) && tasks.comm(tid).as_deref() == Some(name) {
            helpers += 1;
        }
        if life.state != UNINTERRUPTIBLE {
            continue;
        }
        let waits = tasks.waits(tid, life.state);
        // Sleeping in a way that fits says too little without an event.
        let asleep_only = waits == Waits::Perhaps && !tasks.in_helper_call(tid);
        if waits == Waits::No || asleep_only {
            continue;
        }
        if let Some(task) = tasks.read(tid).filter(|task| task.life.start == life.start) {
            certain += usize::from(waits == Waits::ForModule);
            found.push(task);
        }
    }
    Blocked { complete: in_time && certain >= helpers && certain > 0, tasks: found }
}
