//! Without tracing: who waits for a helper of the kernel at all. And who waits for an algorithm, for which the kernel asks by itself.
//!
//! Nobody says who waits for which helper. So it is counted: where no more helpers run than there are tasks that certainly wait, each helper
//! has somebody, and whoever asked is among them. `/proc` is not one moment, though, and whoever wants to be taken for another can make
//! reading it slow. So who waits counts only if it slept for a while before the helpers are counted (then its own was there, and was
//! counted), and sleeps still afterwards.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use super::MOST_CANDIDATES;
use super::task::{Serves, Task, Tasks, Waits, What};
use crate::Paths;

/// Bytes of a task's name that the kernel keeps (`TASK_COMM_LEN` without the zero).
const COMM: usize = 15;

/// The state of a thread that waits for a helper of the kernel (it is asleep, and can be killed at most: proc(5)).
const UNINTERRUPTIBLE: u8 = b'D';

/// How long all threads are looked at: whoever may start a hundred thousand of them must not keep the requests of others waiting.
const WITHIN: Duration = Duration::from_millis(700);

/// How long after all threads were looked at a moment is waited for at which everybody is accounted for.
const PATIENCE: Duration = Duration::from_millis(100);

/// It is waited for at so many counts at least, however long they take on a slow machine ([`WITHIN`] holds all the same).
const LEAST: u32 = 8;

/// Between two counts.
const PAUSE: Duration = Duration::from_millis(3);

/// After so many counts, all threads are looked at again: somebody new may wait.
const COUNTS: u32 = 2;

/// After so long, a worker of the kernel has begun to start the helper that somebody waits for.
const SETTLED: Duration = Duration::from_millis(10);

/// Tasks that wait, and whether they are all there can be.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// Those that wait, and those that may.
    pub(super) tasks: Vec<Task>,
    /// Whether everybody who works for somebody (a helper, or a thread that makes an algorithm) has somebody who certainly waits for it. If
    /// not, one was left by a task that is gone (whoever asks can be killed) or does not wait, and any may be that one.
    pub(super) complete: bool,
}

/// Looks at all threads, and then at those who wait until it is sure that they are all.
pub(super) fn blocked(tasks: &Tasks, paths: &Paths, what: What) -> Blocked {
    let program = fs::read_to_string(paths.file("/proc/sys/kernel/modprobe")).unwrap_or_default();
    let program = program.trim().rsplit('/').next().unwrap_or_default();
    let program = program.get(..COMM).unwrap_or(program);
    let mut look = Look { tasks, program, what, start: Instant::now(), others: HashSet::new() };
    let mut waiters = look.all();
    let (first, mut counts) = (Instant::now(), 0);
    let complete = loop {
        if waiters.is_empty() || waiters.len() > MOST_CANDIDATES || !look.in_time() {
            break false;
        }
        if look.accounts_for_all(&mut waiters) {
            break true;
        }
        if first.elapsed() >= PATIENCE && counts >= LEAST {
            break false;
        }
        counts += 1;
        if counts % COUNTS == 0 {
            add(&mut waiters, look.all());
        }
        std::thread::sleep(PAUSE);
    };
    if complete {
        waiters.retain(|waiter| waiter.certain);
    }
    Blocked { complete, tasks: waiters.into_iter().map(|waiter| waiter.task).collect() }
}

/// Adds those who were not seen before: who does not wait just now, as one that asks again and again, will do so again.
fn add(waiters: &mut Vec<Waiter>, found: Vec<Waiter>) {
    for waiter in found {
        match waiters.iter_mut().find(|known| known.task.tid == waiter.task.tid) {
            Some(known) if known.sleeps_as(&waiter) => {}
            Some(known) => *known = waiter,
            None => waiters.push(waiter),
        }
    }
}

/// Somebody who waits.
struct Waiter {
    task: Task,
    /// Whether it certainly does.
    certain: bool,
    /// Since when it is known to sleep as it does.
    since: Instant,
}

impl Waiter {
    fn sleeps_as(&self, other: &Self) -> bool {
        let about = |waiter: &Self| (waiter.task.tid, waiter.task.life.start, waiter.task.sleeps);
        self.certain && about(self) == about(other)
    }
}

/// What is looked for.
struct Look<'a> {
    tasks: &'a Tasks,
    /// The name of helpers.
    program: &'a str,
    what: What,
    start: Instant,
    /// Processes that do not work for anybody.
    others: HashSet<u32>,
}

impl Look<'_> {
    fn all(&self) -> Vec<Waiter> {
        let mut found = Vec::new();
        for tid in self.tasks.all() {
            // Of more than enough candidates no more need be known.
            if !self.in_time() || found.len() > MOST_CANDIDATES {
                break;
            }
            found.extend(self.waiter(tid));
        }
        found
    }

    fn waiter(&self, tid: u32) -> Option<Waiter> {
        let life = self.tasks.life(tid).filter(|life| life.state == UNINTERRUPTIBLE)?;
        let waits = self.waits(tid, life.state);
        // Sleeping in a way that fits says too little without an event.
        let asleep_only = waits == Waits::Perhaps && !self.tasks.in_helper_call(tid);
        if waits == Waits::No || asleep_only {
            return None;
        }
        let task = self.tasks.read(tid).filter(|task| task.life.start == life.start)?;
        Some(Waiter { task, certain: waits == Waits::Certainly, since: Instant::now() })
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

    /// Whether no more work for somebody than there are who certainly wait. Who has gone on and waits again is read anew: it may be another
    /// program by now, with other rights.
    fn accounts_for_all(&mut self, waiters: &mut [Waiter]) -> bool {
        for waiter in waiters.iter_mut() {
            if waiter.certain && self.sleeps_on(&waiter.task) {
                continue;
            }
            match self.waiter(waiter.task.tid) {
                Some(again) => *waiter = again,
                None => waiter.certain = false,
            }
        }
        let settled: Vec<&Waiter> = waiters.iter().filter(|waiter| waiter.certain && waiter.since.elapsed() >= SETTLED).collect();
        let servants = self.servants();
        let sleeping = settled.iter().filter(|waiter| self.sleeps_on(&waiter.task)).count();
        self.in_time() && sleeping >= servants && sleeping > 0
    }

    /// How many work for somebody. A worker that has no helper yet, or none any more, counts for one: whoever waits is woken last of all.
    fn servants(&mut self) -> usize {
        let candidates =
            |others: &HashSet<u32>| self.tasks.processes().into_iter().filter(|process| !others.contains(process)).collect::<Vec<_>>();
        let mut starting: HashSet<u32> = match self.what {
            What::Module => candidates(&self.others)
                .into_iter()
                .take_while(|_| self.in_time())
                .filter(|process| self.tasks.starts_helper(*process))
                .collect(),
            What::Algorithm => HashSet::new(),
        };
        let mut servants = 0;
        for process in candidates(&self.others) {
            if !self.in_time() {
                break;
            }
            let (serves, worker) = match self.what {
                What::Module => self.tasks.is_helper(process, self.program),
                What::Algorithm => (self.tasks.makes_algorithm(process), None),
            };
            worker.map(|worker| starting.remove(&worker));
            match serves {
                Serves::Now => servants += 1,
                Serves::Never => drop(self.others.insert(process)),
                Serves::NotNow => {}
            }
        }
        servants + starting.len()
    }

    /// Whether a task has been asleep since it was read, for what is looked for.
    fn sleeps_on(&self, task: &Task) -> bool {
        let now = self.tasks.life(task.tid).filter(|life| life.start == task.life.start && life.state == UNINTERRUPTIBLE);
        now.is_some_and(|life| self.waits(task.tid, life.state) == Waits::Certainly) && self.tasks.sleeps(task.tid) == task.sleeps
    }
}
