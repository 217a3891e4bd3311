//! What the daemon says about itself.

use demand::Mode;
use serde::{Deserialize, Serialize};

use super::chronicle::JournalState;
use super::door::Door;
use super::engine::Engine;
use super::kernels::Kernels;
use super::rules::PolicyState;
use super::tally::Count;

/// What anyone may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The program's version.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime: u64,
    /// The mode of the policy.
    pub mode: Mode,
    /// The kernel's release.
    pub release: String,
    /// Whether something is wrong that the administrator should look at.
    pub healthy: bool,
}

/// What the administrator may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What anyone may know.
    #[serde(flatten)]
    pub summary: Summary,
    /// The policy in force.
    pub policy: PolicyState,
    /// Grants that count.
    pub grants: usize,
    /// Requests by class, verdict and result.
    pub requests: Vec<Count>,
    /// Requests that the rules deny, in force or not.
    pub denials: u64,
    /// Modules that were put into the kernel.
    pub modules: u64,
    /// Requests whose requester could not be found.
    pub unknown_requesters: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Loads that are under way.
    pub loading: usize,
    /// Why requesters cannot be told by tracing; absent where they can.
    pub tracing_fault: Option<String>,
    /// What `kernel.modprobe` is.
    pub helper: Option<String>,
    /// Whether that was the helper of kerneld since the daemon started, and is not now.
    #[serde(default)]
    pub asked_elsewhere: bool,
    /// The journal.
    pub journal: JournalState,
}

/// When the daemon started, and where it looks.
#[derive(Clone, Debug)]
pub(crate) struct Birth {
    pub(crate) at: std::time::Instant,
    /// What the kernel asks.
    pub(crate) door: Door,
}

impl Birth {
    /// What anyone may know of an engine. Anyone may ask as often as he likes, so it costs little.
    pub(crate) fn summary<K: Kernels>(&self, engine: &Engine<K>) -> Summary {
        let rules = engine.rules().now();
        let journal = engine.chronicle().state();
        let lossless = journal.journal.lost == 0 && journal.overrun == 0 && journal.journal.error.is_none();
        Summary {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: self.at.elapsed().as_secs(),
            mode: rules.policy.mode,
            release: engine.stamp().release.clone(),
            healthy: rules.state.fault.is_none() && rules.state.compile_fault.is_none() && lossless && !self.door.is_elsewhere(),
        }
    }

    /// The status of an engine.
    pub(crate) fn status<K: Kernels>(&self, engine: &Engine<K>) -> Status {
        let rules = engine.rules().now();
        let numbers = engine.tally().numbers();
        let now = demand::stamp::now();
        Status {
            summary: self.summary(engine),
            policy: rules.state.clone(),
            grants: rules.grants.iter().filter(|grant| grant.counts(now)).count(),
            requests: numbers.counts(),
            denials: numbers.denials,
            modules: numbers.modules,
            unknown_requesters: numbers.nobody,
            refused: numbers.refused,
            loading: engine.loading(),
            tracing_fault: engine.tracing_fault(),
            helper: self.door.program(),
            asked_elsewhere: self.door.is_elsewhere(),
            journal: engine.chronicle().state(),
        }
    }
}
