//! What a system needs, other than by what was asked for.

use std::collections::{BTreeMap, BTreeSet};

/// Modules and requests, each with the reasons that were found for it.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Modules that the devices of the system ask for, with their dependencies.
    pub(super) hardware: BTreeMap<String, BTreeSet<String>>,
    /// Names that will be asked for.
    pub(super) requests: BTreeMap<String, BTreeSet<String>>,
    /// Modules that are loaded by name, or are in the kernel.
    pub(super) modules: BTreeMap<String, BTreeSet<String>>,
    /// What could not be learnt, for people.
    pub(super) gaps: BTreeSet<String>,
}

/// Adds a reason.
pub(super) fn because(map: &mut BTreeMap<String, BTreeSet<String>>, name: &str, reason: String) {
    map.entry(name.to_owned()).or_default().insert(reason);
}
