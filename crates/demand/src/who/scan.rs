//! Without tracing: who waits for a helper of the kernel at all. And who waits for an algorithm, for which the kernel asks by itself.
//!
//! Nobody says who waits for which helper. So it is counted: where no more helpers run than there are tasks that certainly wait, each helper
//! has somebody, and whoever asked is among them. `/proc` is not one moment, though, and whoever wants to be taken for another can make
//! reading it slow. So the helpers are counted between two looks at those who wait, and who waits has to have slept all the while: then the
//! helper that he waits for was there when they were counted.

use std::fs;
use std::time::{Duration, Instant};

use super::MOST_CANDIDATES;
use super::task::{Task, Tasks, Waits, What};
use crate::Paths;

/// Bytes of a task's name that the kernel keeps (`TASK_COMM_LEN` without the zero).
const COMM: usize = 15;

/// The state of a thread that waits for a helper of the kernel (it is asleep, and can be killed at most: proc(5)).
const UNINTERRUPTIBLE: u8 = b'D';

/// How long all threads are looked at: whoever may start a hundred thousand of them must not keep the requests of others waiting.
const WITHIN: Duration = Duration::from_millis(700);

/// Looks in all, where somebody came or went during one and that took no longer than [`QUICK`].
const LOOKS: usize = 3;

/// Longer looks are not repeated.
const QUICK: Duration = Duration::from_millis(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Tasks that wait, and whether they are all there can be.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// Those that wait, and those that may.
    pub(super) tasks: Vec<Task>,
    /// Whether everybody who works for somebody (a helper, or a thread that makes an algorithm) has somebody who certainly waits for it. If
    /// not, one was left by a task that is gone (whoever asks can be killed) or does not wait, and any may be that one.
    pub(super) complete: bool,
}

/// Looks at all threads, again where that was no moment to be sure.
pub(super) fn blocked(tasks: &Tasks, paths: &Paths, what: What) -> Blocked {
    let program = fs::read_to_string(paths.file("/proc/sys/kernel/modprobe")).unwrap_or_default();
    let program = program.trim().rsplit('/').next().unwrap_or_default();
    let look = Look { tasks, program: program.get(..COMM).unwrap_or(program), what, start: Instant::now() };
    let mut seen = look.all();
    for _ in 1..LOOKS {
        if seen.complete || seen.tasks.is_empty() || seen.tasks.len() > MOST_CANDIDATES || look.start.elapsed() > QUICK {
            break;
        }
        std::thread::sleep(PAUSE);
        seen = look.all();
    }
    seen
}

/// What is looked for.
struct Look<'a> {
    tasks: &'a Tasks,
    /// The name of helpers.
    program: &'a str,
    what: What,
    start: Instant,
}

impl Look<'_> {
    fn all(&self) -> Blocked {
        let (mut found, mut certain) = (Vec::new(), Vec::new());
        for tid in self.tasks.all() {
            // Of more than enough candidates no more need be known.
            if !self.in_time() || found.len() > MOST_CANDIDATES {
                break;
            }
            let Some(life) = self.tasks.life(tid).filter(|life| life.state == UNINTERRUPTIBLE) else { continue };
            let waits = self.waits(tid, life.state);
            // Sleeping in a way that fits says too little without an event.
            let asleep_only = waits == Waits::Perhaps && !self.tasks.in_helper_call(tid);
            if waits == Waits::No || asleep_only {
                continue;
            }
            if let Some(task) = self.tasks.read(tid).filter(|task| task.life.start == life.start) {
                certain.push(waits == Waits::Certainly);
                found.push(task);
            }
        }
        let servants = self.servants();
        let sleeping = found.iter().zip(certain).filter(|(task, certain)| *certain && self.sleeps_on(task)).count();
        Blocked { complete: self.in_time() && sleeping >= servants && sleeping > 0, tasks: found }
    }

    fn in_time(&self) -> bool {
        self.start.elapsed() < WITHIN
    }

    fn waits(&self, tid: u32, state: u8) -> Waits {
        match self.what {
            What::Module => self.tasks.waits(tid, state),
            What::Algorithm => self.tasks.waits_for_algorithm(tid, state),
        }
    }

    /// How many work for somebody.
    fn servants(&self) -> usize {
        let serves = |process: &u32| match self.what {
            What::Module => self.tasks.is_helper(*process, self.program),
            What::Algorithm => self.tasks.makes_algorithm(*process),
        };
        self.tasks.processes().iter().take_while(|_| self.in_time()).filter(|process| serves(process)).count()
    }

    /// Whether a task has been asleep since it was read, for what is looked for.
    fn sleeps_on(&self, task: &Task) -> bool {
        let now = self.tasks.life(task.tid).filter(|life| life.start == task.life.start && life.state == UNINTERRUPTIBLE);
        now.is_some_and(|life| self.waits(task.tid, life.state) == Waits::Certainly) && self.tasks.sleeps(task.tid) == task.sleeps
    }
}
