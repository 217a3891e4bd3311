//! The tables of a policy file beside the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Glob;
use crate::{Class, Kind, Verdict};

/// `[default]`: what holds where no rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// For requesters whose kind has no verdict of its own.
    pub verdict: Verdict,
    /// By kind of requester.
    pub kinds: BTreeMap<Kind, Verdict>,
    /// Where `verdict` stands: `FILE:LINE`; `None` if no file says it.
    pub place: Option<String>,
    /// Where the verdict of a kind stands.
    pub places: BTreeMap<Kind, String>,
}

impl Default for Defaults {
    /// Load, and make a finding of it.
    fn default() -> Self {
        Self { verdict: Verdict::Audit, kinds: BTreeMap::new(), place: None, places: BTreeMap::new() }
    }
}

/// `[journal]`: how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSettings {
    /// Bytes of one file.
    pub size: u64,
    /// Older files beside the current one.
    pub keep: u32,
}

impl Default for JournalSettings {
    /// Eight files of 8 MiB: some hundred thousand records.
    fn default() -> Self {
        Self { size: 8 << 20, keep: 7 }
    }
}

/// `[control]`: who may do what over the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The group whose members may do all that root may.
    pub group: Option<String>,
}

/// What the reaper does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseMode {
    /// Nothing.
    #[default]
    Off,
    /// It says what it would do.
    Report,
    /// It unloads.
    Unload,
}

/// `[leases]`: idle unloading of what was loaded on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases {
    /// What the reaper does.
    pub mode: LeaseMode,
    /// How long a module must be without use.
    pub period: Duration,
    /// Classes whose modules may be unloaded; none: none.
    pub classes: Vec<Class>,
    /// Other periods than `period`.
    pub periods: BTreeMap<Class, Duration>,
    /// Modules that stay.
    pub keep: Vec<Glob>,
    /// After how many loads within `pin_within` a module stays.
    pub pin_after: u32,
    /// See `pin_after`.
    pub pin_within: Duration,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            mode: LeaseMode::Off,
            period: Duration::from_secs(600),
            classes: Vec::new(),
            periods: BTreeMap::new(),
            keep: Vec::new(),
            pin_after: 3,
            pin_within: Duration::from_secs(3600),
        }
    }
}

impl Leases {
    /// How long a module of a class must be without use; `None` for a class that is not listed.
    #[must_use]
    pub fn period_of(&self, class: Class) -> Option<Duration> {
        self.classes.contains(&class).then(|| self.periods.get(&class).copied().unwrap_or(self.period))
    }
}

/// `[devices]`: what the daemon does about devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// Whether the daemon loads drivers when devices appear; off where udev does it.
    pub follow: bool,
    /// How many drivers are loaded at the same time.
    pub workers: u32,
}

impl Default for Devices {
    fn default() -> Self {
        Self { follow: false, workers: 8 }
    }
}
