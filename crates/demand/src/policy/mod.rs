//! The policy: which requests are answered, for whom.
//!
//! [`Policy::load`] reads the drop-ins and the policy file of the administrator, [`Policy::decide`] answers a [`Question`], [`compiled`]
//! is the form that the helper maps when the daemon does not answer, and [`grants`] are the temporary exceptions.

pub mod compiled;
mod decide;
mod fault;
mod glob;
pub mod grants;
mod load;
mod parse;
mod rule;
mod settings;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Mode;

pub use decide::{Question, Wanted};
pub use fault::{Fault, FaultKind, PolicyError};
pub use glob::Glob;
pub use grants::{Grant, Granted};
pub use rule::{Condition, Holds, Rule, Who};
pub use settings::{Control, Defaults, Devices, JournalSettings, LeaseMode, Leases};
pub use text::{date, duration, show_date, show_duration};

/// Longest time to wait for the daemon's first message, unless the policy says otherwise.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Longest time to wait for the end of a load that the daemon has begun, unless the policy says otherwise.
pub const LOAD_WITHIN: Duration = Duration::from_secs(60);

/// What the administrator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What is done with the verdicts.
    pub mode: Mode,
    /// How long the helper waits for the daemon's first message before it decides by itself.
    pub answer_within: Duration,
    /// How long the helper waits for a load that the daemon has begun.
    pub load_within: Duration,
    /// The rules; the first that matches decides.
    pub rules: Vec<Rule>,
    /// What holds where no rule matches.
    pub default: Defaults,
    /// The journal.
    pub journal: JournalSettings,
    /// Who may do what over the control socket.
    pub control: Control,
    /// Idle unloading.
    pub leases: Leases,
    /// Devices.
    pub devices: Devices,
    /// The files that it was read from, in the order in which they were read; empty if there were none.
    pub files: Vec<PathBuf>,
}

impl Default for Policy {
    /// What holds without any file: everything is loaded and recorded.
    fn default() -> Self {
        Self {
            mode: Mode::Audit,
            answer_within: ANSWER_WITHIN,
            load_within: LOAD_WITHIN,
            rules: Vec::new(),
            default: Defaults::default(),
            journal: JournalSettings::default(),
            control: Control::default(),
            leases: Leases::default(),
            devices: Devices::default(),
            files: Vec::new(),
        }
    }
}
