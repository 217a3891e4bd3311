//! Who made the kernel ask.
//!
//! The kernel tells its helper nothing but the name. Who asked is recovered in two ways:
//!
//! * The trace event `module:module_request` names the thread, the name and the function, just before the helper is started. The
//!   thread waits for the helper, and is looked at in `/proc` while it does. An event counts only for the thread that made it (its
//!   life began before the event), and only as long as that thread waits.
//! * Without tracing, every thread that waits for a helper may be the one, and if a helper runs for which nobody waits, then so may
//!   be one who is gone.
//!
//! Wherever more than one remains, all are answered, and a policy takes the strictest verdict. With tracing that cannot be used to
//! borrow the rights of another: the other one is asking for the same name at that moment, and gets it loaded anyway.
//!
//! A program of the security module interface (BPF LSM, hook `kernel_module_request`) would run in the requester itself and could
//! deny without any helper. It is not used: kernels that allow it are the exception. Its place would be beside [`Trace`], as a
//! third source of [`Event`]s.

mod classify;
mod events;
mod pending;
mod scan;
mod task;
mod trace;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub use events::{Event, Head, Parser, Seen};
pub use trace::{Trace, TracingFault, remove};

use crate::{Attribution, Kind, Paths, RequestName, Requester, clean, lock};
use pending::{Entry, Pending};
use task::{Task, Tasks, Waits, What};

/// The instance that the daemon reads.
pub const INSTANCE: &str = "kerneld";

/// The event.
const EVENT: &str = "module/module_request";

/// More candidates than this are not looked at one by one: they count as unknown.
const MOST_CANDIDATES: usize = 16;

/// More threads than this that have asked for a name are not looked at for one request, to see whether they are still there.
const MOST_LOOKS: usize = 512;

/// The helper may run before the thread that started it has gone to sleep, on a busy machine long before: it is looked at again after
/// each of these times, in microseconds. Together they are little beside the time that a helper waits.
const LOOK_AGAIN: [u64; 11] = [250, 250, 250, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000];

/// Longer than this nobody is on the way to sleep.
const FRESH: Duration = Duration::from_millis(500);

/// For so long after the start, a helper may be there whose request was made before: it waits no longer for an answer, as a rule.
const STARTING: Duration = Duration::from_secs(3);

/// Microseconds in a tick of process start times (`USER_HZ` is 100).
const TICK: u64 = 10_000;

/// Finds requesters. May be used by many threads.
#[derive(Debug)]
pub struct Finder {
    tasks: Tasks,
    paths: Paths,
    trace: Result<Mutex<Source>, TracingFault>,
    acting: Mutex<HashMap<u32, Vec<Requester>>>,
    opened: Instant,
}

/// The pipe and what it has said.
#[derive(Debug)]
struct Source {
    trace: Trace,
    parser: Parser,
    pending: Pending,
}

/// What has become of a thread that asked.
enum Found {
    /// It waits.
    Waiting(Vec<Requester>),
    /// A helper of the kernel asks: it loads a module whose start wants another.
    Helper,
    /// It is gone, or its number is another's.
    Gone,
    /// It goes on: its request is over.
    Over,
    /// It does not wait yet, but may be about to.
    NotYet,
}

impl Finder {
    /// A finder that uses tracing where it can. A failure is not one of this call: see [`tracing`](Self::tracing).
    #[must_use]
    pub fn open(paths: &Paths) -> Self {
        let source = |trace| Mutex::new(Source { trace, parser: Parser::default(), pending: Pending::default() });
        Self::new(paths, Trace::open(paths, INSTANCE, EVENT).map(source))
    }

    /// A finder for a process that comes and goes, such as the helper that has to decide by itself: it leaves the daemon's events
    /// alone.
    #[must_use]
    pub fn blocked_only(paths: &Paths) -> Self {
        Self::new(paths, Err(TracingFault::NotAsked))
    }

    fn new(paths: &Paths, trace: Result<Mutex<Source>, TracingFault>) -> Self {
        Self { tasks: Tasks::new(paths.file("/proc")), paths: paths.clone(), trace, acting: Mutex::default(), opened: Instant::now() }
    }

    /// Whether tracing works.
    ///
    /// # Errors
    /// Why it does not.
    pub fn tracing(&self) -> Result<(), &TracingFault> {
        self.trace.as_ref().map(|_| ())
    }

    /// Says that the calling thread loads modules for these requesters, until the answer is dropped: what the start of a module asks
    /// for meanwhile is their request.
    pub fn acting_for(&self, requesters: &[Requester]) -> Acting<'_> {
        let tid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let before = lock(&self.acting).insert(tid, requesters.to_vec());
        Acting { finder: self, tid, before }
    }

    /// The process that started a helper, if it was a process and not the kernel: iptables runs whatever `kernel.modprobe` names by
    /// itself, and a person may do so too. `None` for a helper of the kernel.
    ///
    /// Where the helper itself is somebody else's than its parent, both are answered: one whose starter has ended (a set-uid program can be killed
    /// by its user) has process 1 for a parent, and still its user, login, control group and namespaces.
    #[must_use]
    pub fn starter_of(&self, helper: u32) -> Option<Vec<Requester>> {
        let parent = self.tasks.life(helper)?.parent;
        // Of a thread of the kernel nothing else need be read.
        self.tasks.life(parent).filter(|life| !life.kernel)?;
        let (task, own) = (self.tasks.read(parent)?, self.tasks.read(helper)?);
        // It was still the parent when all of it was read.
        self.tasks.life(helper).filter(|life| life.parent == parent)?;
        let [starter, own] = [task, own].map(|task| classify::requester(task, Attribution::Peer, None));
        let is_same = (starter.kind, starter.uid) == (own.kind, own.uid);
        // What program it was that started it cannot be known.
        Some(if is_same { vec![starter] } else { vec![starter, Requester { exe: None, ..own }] })
    }

    /// All who may have made the kernel ask for this name just now; none if nobody can be found.
    #[must_use]
    pub fn requesters(&self, name: &RequestName) -> Vec<Requester> {
        match &self.trace {
            Ok(source) => match self.traced(source, name.as_str()) {
                // The request was made before there was anybody to hear of it.
                nobody if nobody.is_empty() && self.opened.elapsed() < STARTING => self.blocked(),
                found => found,
            },
            Err(_) => self.blocked(),
        }
    }

    fn traced(&self, source: &Mutex<Source>, name: &str) -> Vec<Requester> {
        let mut entries = {
            let mut source = lock(source);
            source.drain();
            source.pending.of(name)
        };
        let mut many = entries.len() > MOST_LOOKS;
        entries.truncate(MOST_LOOKS);
        let (mut found, mut over) = (Vec::new(), Vec::new());
        for again in LOOK_AGAIN.map(Some).into_iter().chain([None]) {
            let mut later = Vec::new();
            for entry in entries {
                if found.len() >= MOST_CANDIDATES {
                    many = true;
                    break;
                }
                match self.look_at(source, &entry) {
                    Found::Waiting(requesters) => found.extend(requesters),
                    Found::Helper => found.extend(self.behind_helper()),
                    Found::Gone => lock(source).pending.gone(&entry),
                    Found::Over => over.push(entry),
                    Found::NotYet => later.push(entry),
                }
            }
            entries = later;
            // One who waits for this name is enough: those who do not are not the ones.
            if entries.is_empty() || !found.is_empty() {
                break;
            }
            again.into_iter().for_each(|time| std::thread::sleep(Duration::from_micros(time)));
        }
        // Those who never went to sleep; where somebody else waits, they may do so yet.
        if found.is_empty() {
            over.extend(entries);
        }
        let mut source = lock(source);
        over.iter().for_each(|entry| source.pending.over(entry));
        if found.is_empty()
            && let Some(gone) = source.pending.gone_for(name, Instant::now())
        {
            found.push(nobody(&gone.event));
            if !gone.event.waits {
                source.pending.over(&gone);
            }
        }
        if many {
            found.push(Requester::unknown());
        }
        found
    }

    fn look_at(&self, source: &Mutex<Source>, entry: &Entry) -> Found {
        let event = &entry.event;
        let has_boot_clock = lock(source).trace.has_boot_clock();
        let same = |start: u64| !has_boot_clock || start.saturating_mul(TICK) <= event.time.saturating_add(TICK);
        let Some(life) = self.tasks.life(event.tid).filter(|life| same(life.start)) else { return Found::Gone };
        if !event.waits {
            // It goes on while its helper runs, and may be another program by now.
            return Found::Gone;
        }
        if self.tasks.waits(event.tid, life.state) == Waits::No {
            return if entry.read.elapsed() < FRESH { Found::NotYet } else { Found::Over };
        }
        if let Some(known) = &entry.known {
            return Found::Waiting(vec![known.clone()]);
        }
        let Some(task) = self.tasks.read(event.tid).filter(|task| task.life.start == life.start) else { return Found::Gone };
        // What has been read is right if it still waits.
        if self.tasks.waits(event.tid, task.life.state) == Waits::No {
            return Found::Over;
        }
        if task.helper {
            return Found::Helper;
        }
        if task.makes_algorithm() {
            return Found::Waiting(self.behind_algorithm());
        }
        if let Some(outer) = self.acts_for(&task) {
            return Found::Waiting(outer);
        }
        let requester = classify::requester(task, Attribution::Trace, Some(event.call_site.clone()));
        lock(source).pending.is_known(entry, requester.clone());
        Found::Waiting(vec![requester])
    }

    /// Whom a thread of ours loads for; `None` for all others, which ask for themselves.
    fn acts_for(&self, task: &Task) -> Option<Vec<Requester>> {
        lock(&self.acting).get(&task.tid).cloned()
    }

    /// Whom a helper loads for that has to decide by itself, and whose module asks for more.
    fn behind_helper(&self) -> Vec<Requester> {
        let found = self.blocked();
        if found.is_empty() { vec![Requester::unknown()] } else { found }
    }

    /// For whom the crypto API makes algorithms: the parts of one are asked for by a thread of the kernel, whoever wants the whole.
    fn behind_algorithm(&self) -> Vec<Requester> {
        let Waiting { requesters: mut found, helpers, complete, .. } = self.waiting(What::Algorithm);
        // What is a part of a larger whole is made for those who wait for that; a helper that has to load by itself does so for anyone.
        if found.is_empty() || helpers > 0 || !complete {
            found.push(Requester::unknown());
        }
        found
    }

    /// Everybody who waits for a helper, and nobody in particular if there may be others.
    fn blocked(&self) -> Vec<Requester> {
        let Waiting { requesters: mut found, helpers, making, complete } = self.waiting(What::Module);
        if making {
            found.extend(self.behind_algorithm());
        }
        // A helper that waits for a helper asks for those who wait for it; they are among these.
        let unsure = !complete || helpers > found.len();
        if !found.is_empty() && unsure && !found.contains(&Requester::unknown()) {
            found.push(Requester::unknown());
        }
        found
    }

    /// Who waits for something.
    fn waiting(&self, what: What) -> Waiting {
        let mut blocked = scan::blocked(&self.tasks, &self.paths, what);
        let complete = blocked.complete && blocked.tasks.len() <= MOST_CANDIDATES;
        blocked.tasks.truncate(MOST_CANDIDATES);
        let helpers = blocked.tasks.iter().filter(|task| task.helper).count();
        let making = blocked.tasks.iter().any(Task::makes_algorithm);
        let people = blocked.tasks.into_iter().filter(|task| !task.helper && !task.makes_algorithm());
        let requester = |task: Task| self.acts_for(&task).unwrap_or_else(|| vec![classify::requester(task, Attribution::Blocked, None)]);
        Waiting { requesters: people.flat_map(requester).collect(), helpers, making, complete }
    }
}

/// Who waits for something, those left out who do so for others.
struct Waiting {
    requesters: Vec<Requester>,
    /// How many helpers of the kernel wait as well.
    helpers: usize,
    /// Whether threads that make algorithms do.
    making: bool,
    /// Whether there is nobody else.
    complete: bool,
}

impl Source {
    /// Takes in what the kernel has written since the last time.
    fn drain(&mut self) {
        // A pipe that cannot be read says nothing; whoever asks is unknown then.
        let text = self.trace.read().unwrap_or_default();
        let now = Instant::now();
        for seen in self.parser.feed(&text) {
            match seen {
                Seen::Request(event) => self.pending.add(event, now),
                Seen::Lost => self.pending.forget(),
            }
        }
    }
}

/// While this is there, what the thread's modules ask for is asked by others: see [`Finder::acting_for`].
#[derive(Debug)]
#[must_use]
pub struct Acting<'a> {
    finder: &'a Finder,
    tid: u32,
    before: Option<Vec<Requester>>,
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        let mut acting = lock(&self.finder.acting);
        match self.before.take() {
            Some(before) => acting.insert(self.tid, before),
            None => acting.remove(&self.tid),
        };
    }
}

/// Somebody who asked and cannot be looked at any more.
fn nobody(event: &Event) -> Requester {
    Requester {
        pid: Some(event.tid),
        comm: Some(clean(&event.comm)),
        call_site: Some(event.call_site.clone()),
        ..Requester::bare(Kind::Unknown, Attribution::Trace)
    }
}
