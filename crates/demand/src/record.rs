//! One line of the journal.

use kmod::plan::Step;
use serde::{Deserialize, Serialize};

use crate::{Class, Decision, RequestName, Requester};

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// The daemon.
    Daemon,
    /// The helper, by the compiled policy, because the daemon did not answer.
    Helper,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Outcome {
    /// Modules were loaded.
    Loaded,
    /// All were there already, or are built in.
    Present,
    /// The policy (or `forbid`, or a blacklist) kept them out.
    Denied,
    /// No module has the name.
    Unknown,
    /// Loading failed.
    Failed {
        /// The number of the system call's error, if it was one.
        errno: Option<i32>,
        /// What went wrong.
        text: String,
    },
    /// Another request for the same was under way, and its outcome is this one's.
    Shared,
    /// Identical requests that were not recorded one by one: see [`Record::repeated`].
    Repeated,
}

/// A module of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The module.
    pub module: String,
    /// Why it is in the plan (`kmod::plan::Why` as text).
    pub why: String,
    /// Whether this request put it into the kernel.
    pub loaded: bool,
}

impl PlanStep {
    /// A step that is not done yet.
    #[must_use]
    pub fn planned(step: &Step) -> Self {
        Self { module: step.module.clone(), why: step.why.to_string(), loaded: false }
    }
}

/// A request, what was decided, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since 1970, UTC.
    pub time: u64,
    /// The boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The kernel's release.
    pub release: String,
    /// Counts the records of one daemon, from 1.
    pub sequence: u64,
    /// What was asked for.
    pub request: RequestName,
    /// In which form.
    pub class: Class,
    /// Who asked: one, or all who may have.
    pub requesters: Vec<Requester>,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// The plan; empty where none could be made.
    pub plan: Vec<PlanStep>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// From the arrival of the request to its answer, in microseconds.
    pub duration: u64,
    /// Who decided.
    pub by: DecidedBy,
    /// How many requests this line stands for.
    #[serde(default = "one")]
    pub repeated: u64,
}

fn one() -> u64 {
    1
}
