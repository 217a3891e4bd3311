//! What holds a module now.
//!
//! A reference count of 0 does not mean that nobody needs a module: a virtual network device, a table of iptables, a netfilter hook, a
//! queue of addresses or keys hold no reference, and go with it. So there is one row for each way of being needed, and each answers one of
//! four things: it holds, it does not, it cannot concern this module, or it could not be read, which counts as holding.

mod namespaces;
mod net;
mod netlink;
mod rows;
mod settings;
mod subject;
mod surroundings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;

use demand::Paths;
use serde::{Deserialize, Serialize};

pub use subject::Subject;
pub use surroundings::Surroundings;

/// A way of being needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// Not loaded on demand by this daemon in this boot.
    Origin,
    /// Nothing would ask for it again.
    Again,
    /// Its class is not one that may be unloaded.
    Class,
    /// It came back too often.
    Comeback,
    /// Reference count, holders, state, whether it can go at all.
    Count,
    /// Used within the period.
    Period,
    /// Devices that its drivers are bound to.
    Drivers,
    /// Network devices of its kinds.
    Netdevs,
    /// Mounted file systems of its types.
    Mounts,
    /// Block devices, swap.
    Storage,
    /// Sockets of its protocols, defaults of new ones.
    Sockets,
    /// Rules, tables, hooks, sets, queueing disciplines, states of IPsec, virtual servers.
    Rules,
    /// Settings below `/proc/sys`, files in `/proc` that can be written.
    Settings,
    /// Parameters that were changed.
    Parameters,
    /// Taint.
    Taint,
    /// Patches, probes, and what the module does on its own.
    Agents,
}

impl Row {
    /// The word for it in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Again => "again",
            Self::Class => "class",
            Self::Comeback => "comeback",
            Self::Count => "count",
            Self::Period => "period",
            Self::Drivers => "drivers",
            Self::Netdevs => "netdevs",
            Self::Mounts => "mounts",
            Self::Storage => "storage",
            Self::Sockets => "sockets",
            Self::Rules => "rules",
            Self::Settings => "settings",
            Self::Parameters => "parameters",
            Self::Taint => "taint",
            Self::Agents => "agents",
        }
    }
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "facts")]
pub enum State {
    /// Nothing of this kind.
    Clear,
    /// Modules such as this cannot have anything of this kind.
    Unconcerned,
    /// These things.
    Holds(Vec<String>),
    /// It cannot be told. That counts as holding.
    Unreadable(String),
}

/// A row, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub row: Row,
    /// What it says.
    #[serde(flatten)]
    pub state: State,
}

impl Finding {
    /// Whether the module has to stay.
    #[must_use]
    pub fn vetoes(&self) -> bool {
        matches!(self.state, State::Holds(_) | State::Unreadable(_))
    }

    /// The facts, or why there are none.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.state {
            State::Clear => "nothing".to_owned(),
            State::Unconcerned => "not this module".to_owned(),
            State::Holds(facts) => facts.join("; "),
            State::Unreadable(why) => format!("cannot be told: {why}"),
        }
    }
}

/// What a module was like when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its settings below `/proc/sys`.
    pub settings: BTreeMap<String, String>,
}

impl Baseline {
    /// Takes it now.
    #[must_use]
    pub fn take(paths: &Paths, module: &str) -> Self {
        let folder = settings::folder_of(module);
        let mut settings = settings::read_known(&paths.file("/proc"));
        settings.retain(|name, _| folder.is_some_and(|folder| name.starts_with(folder)));
        Self { parameters: parameters(paths, module), settings }
    }
}

/// The parameters of a loaded module that can be read.
fn parameters(paths: &Paths, module: &str) -> BTreeMap<String, String> {
    let folder = paths.file("/sys/module").join(module).join("parameters");
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let value = |entry: fs::DirEntry| {
        let value = String::from_utf8_lossy(&fs::read(entry.path()).ok()?).trim_end().to_owned();
        Some((entry.file_name().to_string_lossy().into_owned(), value))
    };
    entries.filter_map(value).collect()
}

/// Judges all rows about what uses a module now; those about its origin and its period are for whoever keeps leases. Without a
/// baseline, whether parameters and settings have changed cannot be told.
#[must_use]
pub fn judge(paths: &Paths, around: &Surroundings, subject: &Subject, baseline: Option<&Baseline>) -> Vec<Finding> {
    let finding = |(row, state)| Finding { row, state };
    [
        (Row::Count, rows::count(paths, around, subject)),
        (Row::Drivers, rows::drivers(paths, subject)),
        (Row::Netdevs, rows::netdevs(around, subject)),
        (Row::Mounts, rows::mounts(around, subject)),
        (Row::Storage, rows::storage(around, subject)),
        (Row::Sockets, rows::sockets(around, subject)),
        (Row::Rules, rows::rules(around, subject)),
        (Row::Settings, rows::settings(around, subject, baseline)),
        (Row::Parameters, rows::parameters(paths, subject, baseline)),
        (Row::Taint, rows::taint(paths, subject)),
        (Row::Agents, rows::agents(around, subject)),
    ]
    .map(finding)
    .to_vec()
}
