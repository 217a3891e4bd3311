//! Leases: modules that came on demand, and that go again when nobody has needed them for a while.
//!
//! Off unless the policy says otherwise. A module goes only if it came on demand in this boot, if the kernel would ask for it again in
//! the same form, if its class is listed, if it did not come back too often, and if for the whole period every row of evidence said that
//! nothing holds it. What cannot be told, holds.

pub mod command;
mod lease;
mod report;
#[cfg(test)]
mod tests;
mod turnstile;
pub(super) mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use demand::policy::{LeaseMode, Leases as Settings, show_duration};
use demand::{Class, Paths, Record, lock, stamp};
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
    stamp: stamp::Stamp,
    turnstile: Turnstile,
    /// New leases that have not been taken in: whoever loads does not wait for whoever looks around.
    new: Mutex<Vec<Lease>>,
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
    /// What is known of files of modules.
    subjects: BTreeMap<String, Subject>,
}

impl Keeper {
    /// A keeper that goes on where an earlier daemon of this boot has ended.
    #[must_use]
    pub fn new(paths: &Paths, stamp: &stamp::Stamp, settings: Settings) -> Self {
        let ledger = Ledger::load(paths, &stamp.boot);
        let inner = Inner { settings, ledger, idle: BTreeMap::new(), told: BTreeSet::new(), uses: None, subjects: BTreeMap::new() };
        Self {
            paths: paths.clone(),
            stamp: stamp.clone(),
            turnstile: Turnstile::default(),
            new: Mutex::default(),
            inner: Mutex::new(inner),
        }
    }

    /// The policy has changed.
    pub fn reconfigure(&self, settings: Settings) {
        lock(&self.inner).settings = settings;
    }

    /// To be called before a demand about these modules looks at what is loaded; the answer is to be kept until it is answered.
    pub fn demand<'a>(&'a self, modules: impl IntoIterator<Item = &'a str>) -> Demand<'a> {
        self.turnstile.demand(modules)
    }

    /// To be called with every record, as soon as there is one.
    pub fn note(&self, record: &Record) {
        // Nearly all records load nothing.
        if record.boot == self.stamp.boot && record.plan.iter().any(|step| step.loaded) {
            lock(&self.new).extend(lease::made_by(&self.paths, record));
            if let Ok(mut inner) = self.inner.try_lock() {
                self.take_in(&mut inner);
            }
        }
    }

    fn take_in(&self, inner: &mut Inner) {
        let new = std::mem::take(&mut *lock(&self.new));
        if !new.is_empty() {
            new.into_iter().for_each(|lease| inner.ledger.take(lease));
            inner.save(&self.paths);
        }
    }

    /// How long to wait before the next [`tick`](Self::tick); `None` while leases are off.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        let inner = lock(&self.inner);
        let settings = &inner.settings;
        let shortest = settings.classes.iter().filter_map(|class| settings.period_of(*class)).min().unwrap_or(settings.period);
        (settings.mode != LeaseMode::Off).then(|| (shortest / 4).clamp(SHORTEST_TICK, LONGEST_TICK))
    }

    /// Looks at all leases, and takes away what is due.
    pub fn tick<K: Kernel>(&self, kernel: &mut K) -> Vec<Event> {
        let mut inner = lock(&self.inner);
        let mut events = Vec::new();
        if inner.settings.mode == LeaseMode::Off {
            inner.uses = None;
            inner.idle.clear();
            return events;
        }
        self.take_in(&mut inner);
        let Ok(loaded) = kernel.modules() else { return events };
        let gone = inner.ledger.tidy(&self.paths);
        if inner.look(&self.paths, &loaded, &mut events) || gone {
            inner.save(&self.paths);
        }
        let due = inner.due();
        if due.is_empty() {
            return events;
        }
        let mut around = Surroundings::gather(&self.paths);
        for module in due {
            let mut tried = BTreeSet::new();
            let mut next = Some(module.clone());
            // What came along with a module may go right after it.
            while let Some(one) = next.take() {
                let (event, gone) = self.end(&mut inner, kernel, &around, &one);
                events.extend(event);
                tried.insert(one);
                if gone {
                    around = Surroundings::gather(&self.paths);
                }
                if !around.is_loaded(&module) {
                    next = inner.left_behind(&module, &around, &tried);
                }
            }
        }
        events
    }

    /// Ends one lease, if every row lets it. Answers whether the module is gone.
    fn end<K: Kernel>(&self, inner: &mut Inner, kernel: &mut K, around: &Surroundings, module: &str) -> (Option<Event>, bool) {
        let findings = inner.findings(&self.paths, &self.stamp.release, around, module);
        if findings.iter().any(Finding::vetoes) {
            inner.told.remove(module);
            return (None, false);
        }
        if inner.settings.mode == LeaseMode::Report {
            let new = inner.told.insert(module.to_owned());
            return (new.then(|| Event::WouldRemove { module: module.to_owned() }), false);
        }
        let quiet = inner.period(module);
        let done = self.turnstile.remove(module, quiet, || {
            // Everything that could have changed since the first look, once more, as late as can be.
            let again = Surroundings::gather(&self.paths);
            let used = inner.uses.as_mut().is_some_and(|uses| uses.drain().contains(module));
            let held = used || inner.findings(&self.paths, &self.stamp.release, &again, module).iter().any(Finding::vetoes);
            (!held).then(|| kernel.delete(module, Force::default()).map_err(|error| error.to_string()))
        });
        let Some(Some(result)) = done else { return (None, false) };
        let idle = inner.idle.remove(module).map_or(Duration::ZERO, |since| since.elapsed());
        match result {
            Ok(()) => {
                let request = inner.ledger.leases.remove(module).map(|lease| lease.request).unwrap_or_default();
                inner.ledger.histories.entry(module.to_owned()).or_default().removed = Some(stamp::now());
                inner.save(&self.paths);
                (Some(Event::Removed { module: module.to_owned(), request, idle }), true)
            }
            Err(error) => (Some(Event::Refused { module: module.to_owned(), error }), false),
        }
    }
}

impl Inner {
    /// Sees which modules are idle, and since when. Answers whether that is news.
    fn look(&mut self, paths: &Paths, loaded: &[Loaded], events: &mut Vec<Event>) -> bool {
        let uses = self.uses.get_or_insert_with(|| {
            let uses = Uses::open(paths);
            events.extend(uses.fault().map(|fault| Event::NoTracing { why: fault.to_string() }));
            uses
        });
        let used = uses.drain();
        uses.watch(self.ledger.leases.keys().map(String::as_str));
        let now = Instant::now();
        let before = self.ledger.idle.clone();
        for module in self.ledger.leases.keys() {
            let free = |found: &Loaded| found.refcnt == Some(0) && found.holders.is_empty() && found.state == "Live";
            if used.contains(module) || !loaded.iter().any(|found| name::from_word(&found.name) == *module && free(found)) {
                self.idle.remove(module);
                self.ledger.idle.remove(module);
            } else {
                self.idle.entry(module.clone()).or_insert(now);
                self.ledger.idle.entry(module.clone()).or_insert_with(stamp::now);
            }
        }
        let leases = &self.ledger.leases;
        self.idle.retain(|module, _| leases.contains_key(module));
        self.ledger.idle.retain(|module, _| leases.contains_key(module));
        self.subjects.retain(|module, _| leases.contains_key(module));
        before != self.ledger.idle
    }

    /// The next daemon of this boot would leave modules alone that are not in the file; nothing else is lost with it.
    fn save(&self, paths: &Paths) {
        let _ = self.ledger.save(paths);
    }

    /// How long a module has to be idle: its class's period, doubled with every comeback.
    fn period(&mut self, module: &str) -> Duration {
        let comebacks = self.comebacks(module);
        period_of(&self.settings, self.ledger.leases.get(module).map(|lease| lease.class), comebacks)
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
    fn left_behind(&self, module: &str, around: &Surroundings, tried: &BTreeSet<String>) -> Option<String> {
        let came = self.ledger.leases.values().filter(|lease| lease.with.as_deref() == Some(module));
        came.map(|lease| lease.module.clone()).find(|left| !tried.contains(left) && around.is_free(left))
    }

    /// All rows about a module with a lease.
    fn findings(&mut self, paths: &Paths, release: &str, around: &Surroundings, module: &str) -> Vec<Finding> {
        let (comebacks, pin_after) = (self.comebacks(module), self.settings.pin_after);
        let lease = self.ledger.leases.get(module);
        let mut findings = policy_rows(&self.settings, lease, around, module);
        let comeback = if comebacks >= pin_after {
            State::Holds(vec![format!("it came back {comebacks} times within {}", show_duration(self.settings.pin_within))])
        } else {
            State::Clear
        };
        findings.push(Finding { row: Row::Comeback, state: comeback });
        let subject = self.subjects.entry(module.to_owned()).or_insert_with(|| Subject::of(paths, release, module));
        findings.extend(judge(paths, around, subject, lease.and_then(|lease| lease.baseline.as_ref())));
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

/// How long a module of a class has to be idle after so many comebacks.
fn period_of(settings: &Settings, class: Option<Class>, comebacks: u32) -> Duration {
    let period = class.and_then(|class| settings.period_of(class)).unwrap_or(settings.period);
    period.saturating_mul(2_u32.saturating_pow(comebacks.min(MOST_DOUBLINGS)))
}

/// How long ago a time of a record is.
fn stamp_age(time: u64) -> Duration {
    Duration::from_micros(stamp::now().saturating_sub(time))
}
