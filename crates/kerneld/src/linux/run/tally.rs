//! Numbers: what was asked for how often, and how long answers took.

use std::collections::HashMap;
use std::sync::Mutex;

use demand::{Class, Decision, Kind, Mode, Outcome, Record, Requester, Verdict, is_hidden, lock};
use serde::{Deserialize, Serialize};

/// Most names that are told apart; the least asked for make room.
const MOST_NAMES: usize = 1024;

/// Upper bounds of the classes of durations, in microseconds.
pub(crate) const BOUNDS: [u64; 12] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000, 1_000_000, 10_000_000, 60_000_000];

/// What became of requests, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Modules were loaded.
    Loaded,
    /// All were there.
    Present,
    /// Kept out.
    Denied,
    /// No module has the name.
    Unknown,
    /// Loading failed.
    Failed,
    /// Another load of the same was under way.
    Shared,
}

impl Ending {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Present => "present",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Shared => "shared",
        }
    }

    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Loaded => Self::Loaded,
            Outcome::Present => Self::Present,
            Outcome::Denied | Outcome::Repeated => Self::Denied,
            Outcome::Unknown => Self::Unknown,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Shared => Self::Shared,
        }
    }
}

/// How many requests of a kind there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// In which form.
    pub class: Class,
    /// What the rules said.
    pub verdict: Verdict,
    /// What became of them.
    pub result: Ending,
    /// How many.
    pub requests: u64,
}

/// A name, and how often it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// The name.
    pub request: String,
    /// In which form.
    pub class: Class,
    /// How often.
    pub requests: u64,
    /// How many of these were denied, or would have been in mode `enforce`.
    pub denied: u64,
    /// Modules that were loaded for it.
    pub loaded: u64,
    /// When it was asked for last, in microseconds since 1970.
    pub last: u64,
    /// What became of the last.
    pub result: Ending,
    /// Who asked last.
    pub requester: String,
}

/// A histogram of durations: how many took no longer than each of [`BOUNDS`], and the sum of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    pub(crate) within: [u64; BOUNDS.len()],
    pub(crate) count: u64,
    pub(crate) microseconds: u64,
}

/// All numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Numbers>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    counts: HashMap<(Class, Verdict, Ending), u64>,
    names: HashMap<String, Busy>,
    /// How long answers took that loaded nothing, and those that did.
    pub(crate) decided: Durations,
    pub(crate) carried: Durations,
    /// Modules that were put into the kernel.
    pub(crate) modules: u64,
    /// Requests that a policy in mode `enforce` would have denied, or did.
    pub(crate) denials: u64,
    /// Requests of whom nobody could be found.
    pub(crate) nobody: u64,
    /// Messages that were refused.
    pub(crate) refused: u64,
}

impl Tally {
    /// Counts a request.
    pub(crate) fn count(&self, record: &Record) {
        let mut numbers = lock(&self.0);
        let ending = Ending::of(&record.outcome);
        let loaded = u64::try_from(record.plan.iter().filter(|step| step.loaded).count()).unwrap_or(0);
        let denied = u64::from(record.decision.verdict == Verdict::Deny);
        add(numbers.counts.entry((record.class, record.decision.verdict, ending)).or_default(), 1);
        add(&mut numbers.modules, loaded);
        add(&mut numbers.denials, denied);
        if record.requesters.iter().all(|requester| requester.kind == Kind::Unknown) {
            add(&mut numbers.nobody, 1);
        }
        let durations =
            if matches!(ending, Ending::Loaded | Ending::Failed | Ending::Shared) { &mut numbers.carried } else { &mut numbers.decided };
        durations.add(record.duration);
        numbers.make_room(record.request.as_str());
        let busy = numbers.names.entry(record.request.to_string()).or_insert_with(|| Busy {
            request: record.request.to_string(),
            class: record.class,
            requests: 0,
            denied: 0,
            loaded: 0,
            last: 0,
            result: ending,
            requester: String::new(),
        });
        add(&mut busy.requests, 1);
        add(&mut busy.denied, denied);
        add(&mut busy.loaded, loaded);
        busy.last = record.time;
        busy.result = ending;
        busy.requester = record.requesters.iter().map(who).collect::<Vec<_>>().join(" or ");
    }

    /// Counts a message that was refused.
    pub(crate) fn refuse(&self) {
        add(&mut lock(&self.0).refused, 1);
    }

    /// All numbers as they are now.
    pub(crate) fn numbers(&self) -> Numbers {
        lock(&self.0).clone()
    }
}

impl Numbers {
    /// Requests by class, verdict and result, in that order.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> =
            self.counts.iter().map(|(&(class, verdict, result), &requests)| Count { class, verdict, result, requests }).collect();
        counts.sort_by_key(|count| (count.class, count.verdict, count.result));
        counts
    }

    /// The names that were asked for most.
    pub(crate) fn busiest(&self, most: usize) -> Vec<Busy> {
        let mut names: Vec<Busy> = self.names.values().cloned().collect();
        names.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.request.cmp(&b.request)));
        names.truncate(most);
        names
    }

    fn make_room(&mut self, name: &str) {
        if self.names.len() < MOST_NAMES || self.names.contains_key(name) {
            return;
        }
        // Half of them at once, so that inventing names costs the daemon little.
        let mut counts: Vec<u64> = self.names.values().map(|busy| busy.requests).collect();
        counts.sort_unstable();
        let middle = counts.get(counts.len() / 2).copied().unwrap_or_default();
        self.names.retain(|_, busy| busy.requests > middle);
    }
}

impl Durations {
    fn add(&mut self, microseconds: u64) {
        self.count = self.count.saturating_add(1);
        self.microseconds = self.microseconds.saturating_add(microseconds);
        for (_, within) in BOUNDS.iter().zip(&mut self.within).filter(|(bound, _)| microseconds <= **bound) {
            add(within, 1);
        }
    }
}

/// A requester in a few words.
#[must_use]
pub(crate) fn who(requester: &Requester) -> String {
    let name = |text: &Option<String>| text.as_ref().map(|text| format!(" {}", text.replace(is_hidden, "?"))).unwrap_or_default();
    let uid = requester.uid.map(|uid| format!(" uid {uid}")).unwrap_or_default();
    let pid = requester.pid.map(|pid| format!(" pid {pid}")).unwrap_or_default();
    match requester.kind {
        Kind::Device => format!("device {}", requester.device.as_ref().map_or("", |device| &device.path)),
        Kind::Kernel => format!("kernel{}", name(&requester.comm)),
        Kind::Unknown => "unknown".to_owned(),
        Kind::Root => format!("root{}{pid}", name(&requester.comm)),
        Kind::Service => format!("service{}{uid}{}{pid}", name(&requester.unit), name(&requester.comm)),
        Kind::User => format!("user{uid}{}{pid}", name(&requester.comm)),
        Kind::Container => format!("container{}{uid}{}{pid}", name(&requester.unit), name(&requester.comm)),
    }
}

/// What the rules say, in a word: a denial that is not in force is one that would be.
#[must_use]
pub(crate) fn verdict(decision: &Decision) -> &'static str {
    match (decision.verdict, decision.mode) {
        (Verdict::Allow, _) => "allow",
        (Verdict::Audit, _) => "audit",
        (Verdict::Deny, Mode::Enforce) => "deny",
        (Verdict::Deny, _) => "would deny",
    }
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}
