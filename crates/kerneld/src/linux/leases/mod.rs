//! Leases: modules that came on demand, and that go again when nobody has needed them for a while.
//!
//! Off unless the policy says otherwise. A module goes only if it came on demand in this boot, if the kernel would ask for it again in
//! the same form, if its class is listed, if it did not come back too often, and if for the whole period every row of evidence said that
//! nothing holds it. What cannot be told, holds.

pub mod command;
mod lease;
mod report;
mod turnstile;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use demand::policy::{LeaseMode, Leases as Settings};
use demand::{Class, Paths, Record, stamp};
use kmod::kernel::{Force, Kernel, Loaded};
use kmod::name;

pub use lease::{History, Lease, Ledger};
pub use report::{Entry, Fate, report};
pub use turnstile::{Demand, Turnstile};

use super::evidence::{Finding, Row, State, Subject, Surroundings, judge};
use uses::Uses;

/// A record that is older than this says nothing about what the module is like now.
const FRESH: Duration = Duration::from_secs(5);

/// The period is doubled with every comeback, at most so often.
const MOST_DOUBLINGS: u32 = 6;

/// Between two looks.
const SHORTEST_TICK: Duration = Duration::from_millis(200);
const LONGEST_TICK: Duration = Duration::from_secs(30);

/// Classes whose requests the kernel does not repeat: by name, for a device, for an interface that the module makes.
const NOT_AGAIN: [Class; 3] = [Class::Name, Class::Modalias, Class::Netdev];

/// What the reaper did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It took a module away.
    Removed {
        /// Which.
        module: String,
        /// What it had been asked for as.
        request: String,
        /// How long nobody had used it.
        idle: Duration,
    },
    /// It would have, but only reports.
    WouldRemove {
        /// Which.
        module: String,
    },
    /// The kernel refused.
    Refused {
        /// Which.
        module: String,
        /// Its answer.
        error: String,
    },
    /// Tracing does not work, so uses between two looks are not seen.
    NoTracing {
        /// Why.
        why: String,
    },
}

/// Keeps the leases of a daemon.
#[derive(Debug)]
pub struct Keeper {
    paths: Paths,
    release: String,
    turnstile: Turnstile,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    ledger: Ledger,
    /// Since when a module is idle.
    idle: BTreeMap<String, Instant>,
    /// Those that were reported as idle already.
    told: BTreeSet<String>,
    uses: Option<Uses>,
}

impl Keeper {
    /// A keeper that goes on where an earlier daemon of this boot has ended.
    #[must_use]
    pub fn new(paths: &Paths, stamp: &stamp::Stamp, settings: Settings) -> Self {
        let ledger = Ledger::load(paths, &stamp.boot);
        let inner = Inner { settings, ledger, idle: BTreeMap::new(), told: BTreeSet::new(), uses: None };
        Self { paths: paths.clone(), release: stamp.release.clone(), turnstile: Turnstile::default(), inner: Mutex::new(inner) }
    }

    /// The policy has changed.
    pub fn reconfigure(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    /// To be called before a demand about these modules looks at what is loaded; the answer is to be kept until it is answered.
    pub fn demand<'a>(&'a self, modules: impl IntoIterator<Item = &'a str>) -> Demand<'a> {
        self.turnstile.demand(modules)
    }

    /// To be called with every record.
    pub fn note(&self, record: &Record) {
        // Nearly all records load nothing.
        if record.plan.iter().any(|step| step.loaded) {
            let mut inner = self.lock();
            if inner.ledger.note(&self.paths, record) {
                // The next daemon of this boot would leave these modules alone; nothing else is lost.
                let _ = inner.ledger.save(&self.paths);
            }
        }
    }

    /// How long to wait before the next [`tick`](Self::tick); `None` while leases are off.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        let inner = self.lock();
        let settings = &inner.settings;
        let shortest = settings.classes.iter().filter_map(|class| settings.period_of(*class)).min().unwrap_or(settings.period);
        (settings.mode != LeaseMode::Off).then(|| (shortest / 4).clamp(SHORTEST_TICK, LONGEST_TICK))
    }

    /// Looks at all leases, and takes away what is due.
    pub fn tick<K: Kernel>(&self, kernel: &mut K) -> Vec<Event> {
        let mut inner = self.lock();
        let mut events = Vec::new();
        if inner.settings.mode == LeaseMode::Off {
            inner.uses = None;
            inner.idle.clear();
            return events;
        }
        if inner.ledger.tidy(&self.paths) {
            let _ = inner.ledger.save(&self.paths);
        }
        let Ok(loaded) = kernel.modules() else { return events };
        inner.look(&self.paths, &loaded, &mut events);
        let due = inner.due();
        if due.is_empty() {
            return events;
        }
        let mut around = Surroundings::gather(&self.paths);
        for module in due {
            let mut next = Some(module);
            // What came along with a module may go right after it.
            while let Some(module) = next.take() {
                let (event, gone) = self.end(&mut inner, kernel, &around, &module);
                events.extend(event);
                if gone {
                    around = Surroundings::gather(&self.paths);
                    next = inner.left_behind(&module, &around);
                }
            }
        }
        events
    }

    /// Ends one lease, if every row lets it. Answers whether the module is gone.
    fn end<K: Kernel>(&self, inner: &mut Inner, kernel: &mut K, around: &Surroundings, module: &str) -> (Option<Event>, bool) {
        let findings = inner.findings(&self.paths, &self.release, around, module);
        if findings.iter().any(Finding::vetoes) {
            inner.told.remove(module);
            return (None, false);
        }
        if inner.settings.mode == LeaseMode::Report {
            let new = inner.told.insert(module.to_owned());
            return (new.then(|| Event::WouldRemove { module: module.to_owned() }), false);
        }
        let quiet = if inner.ledger.leases.get(module).is_some_and(|lease| lease.with.is_some()) { SHORTEST_TICK } else { inner.period(module) };
        let done = self.turnstile.remove(module, quiet, || {
            // Everything that could have changed since the first look, once more, as late as can be.
            let again = Surroundings::gather(&self.paths);
            let used = inner.uses.as_mut().is_some_and(|uses| uses.drain().contains(module));
            let held = used || inner.findings(&self.paths, &self.release, &again, module).iter().any(Finding::vetoes);
            (!held).then(|| kernel.delete(module, Force::default()).map_err(|error| error.to_string()))
        });
        let Some(Some(result)) = done else { return (None, false) };
        let idle = inner.idle.remove(module).map_or(Duration::ZERO, |since| since.elapsed());
        match result {
            Ok(()) => {
                let request = inner.ledger.leases.remove(module).map(|lease| lease.request).unwrap_or_default();
                inner.ledger.histories.entry(module.to_owned()).or_default().removed = Some(stamp::now());
                let _ = inner.ledger.save(&self.paths);
                (Some(Event::Removed { module: module.to_owned(), request, idle }), true)
            }
            Err(error) => (Some(Event::Refused { module: module.to_owned(), error }), false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Sees which modules are idle, and since when.
    fn look(&mut self, paths: &Paths, loaded: &[Loaded], events: &mut Vec<Event>) {
        if self.uses.is_none() {
            let uses = Uses::open(paths);
            events.extend(uses.fault().map(|fault| Event::NoTracing { why: fault.to_string() }));
            self.uses = Some(uses);
        }
        let mut used = BTreeSet::new();
        if let Some(uses) = &mut self.uses {
            used = uses.drain();
            uses.watch(self.ledger.leases.keys().map(String::as_str));
        }
        let now = Instant::now();
        for module in self.ledger.leases.keys() {
            let free = |found: &Loaded| found.refcnt == Some(0) && found.holders.is_empty() && found.state == "Live";
            if used.contains(module) || !loaded.iter().any(|found| name::from_word(&found.name) == *module && free(found)) {
                self.idle.remove(module);
            } else {
                self.idle.entry(module.clone()).or_insert(now);
            }
        }
        let leases = &self.ledger.leases;
        self.idle.retain(|module, _| leases.contains_key(module));
    }

    /// How long a module has to be idle: its class's period, doubled with every comeback.
    fn period(&mut self, module: &str) -> Duration {
        let Some(lease) = self.ledger.leases.get(module) else { return self.settings.period };
        let period = self.settings.period_of(lease.class).unwrap_or(self.settings.period);
        period.saturating_mul(2_u32.saturating_pow(self.comebacks(module).min(MOST_DOUBLINGS)))
    }

    fn comebacks(&mut self, module: &str) -> u32 {
        let within = u64::try_from(self.settings.pin_within.as_micros()).unwrap_or(u64::MAX);
        self.ledger.comebacks(module, stamp::now().saturating_sub(within))
    }

    /// The modules whose period is over.
    fn due(&mut self) -> Vec<String> {
        let idle: Vec<(String, Duration)> = self.idle.iter().map(|(module, since)| (module.clone(), since.elapsed())).collect();
        idle.into_iter().filter(|(module, idle)| *idle >= self.period(module)).map(|(module, _)| module).collect()
    }

    /// A module that came along with this one, and that nobody uses now.
    fn left_behind(&self, module: &str, around: &Surroundings) -> Option<String> {
        let came = self.ledger.leases.values().filter(|lease| lease.with.as_deref() == Some(module));
        came.map(|lease| lease.module.clone()).find(|left| around.is_free(left))
    }

    /// All rows about a module with a lease.
    fn findings(&mut self, paths: &Paths, release: &str, around: &Surroundings, module: &str) -> Vec<Finding> {
        let (comebacks, pin_after) = (self.comebacks(module), self.settings.pin_after);
        let lease = self.ledger.leases.get(module);
        let mut findings = policy_rows(&self.settings, lease, around, module);
        let comeback = if comebacks >= pin_after {
            State::Holds(vec![format!("it came back {comebacks} times within {} s", self.settings.pin_within.as_secs())])
        } else {
            State::Clear
        };
        findings.push(Finding { row: Row::Comeback, state: comeback });
        let subject = Subject::of(paths, release, module);
        findings.extend(judge(paths, around, &subject, lease.and_then(|lease| lease.baseline.as_ref())));
        findings
    }
}

/// The rows that need no look at the kernel: where it came from, whether it would come again, whether its class is listed.
pub(crate) fn policy_rows(settings: &Settings, lease: Option<&Lease>, around: &Surroundings, module: &str) -> Vec<Finding> {
    let Some(lease) = lease else {
        let origin = State::Holds(vec!["it was not loaded on demand in this boot".to_owned()]);
        return vec![Finding { row: Row::Origin, state: origin }];
    };
    let parent_there = lease.with.as_deref().filter(|with| around.is_loaded(with));
    let again = if let Some(with) = parent_there {
        State::Holds(vec![format!("it came along with {with}, which is there")])
    } else if lease.for_device {
        State::Holds(vec!["a device asked for it, and asks once".to_owned()])
    } else if NOT_AGAIN.contains(&lease.class) {
        State::Holds(vec![format!("`{}` is not what the kernel asks for again", lease.request)])
    } else {
        State::Clear
    };
    let kept = settings.keep.iter().any(|pattern| pattern.matches(module));
    let class = match (kept, settings.period_of(lease.class)) {
        (true, _) => State::Holds(vec!["the policy keeps it".to_owned()]),
        (_, None) => State::Holds(vec![format!("class {} is not listed in [leases]", lease.class)]),
        (_, Some(_)) => State::Clear,
    };
    let rows = [(Row::Origin, State::Clear), (Row::Again, again), (Row::Class, class)];
    rows.into_iter().map(|(row, state)| Finding { row, state }).collect()
}

/// How long ago a time of a record is.
fn stamp_age(time: u64) -> Duration {
    Duration::from_micros(stamp::now().saturating_sub(time))
}
