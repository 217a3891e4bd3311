//! The tables that are compared, behind one interface.

use std::collections::{BTreeMap, HashMap};

use modlink::NameIndex;
use rustc_hash::FxHashMap;

/// From a name to a number.
pub(super) trait Table {
    /// The number of `name`.
    fn find(&self, name: &str) -> Option<u64>;
}

/// A row of the table of tables.
pub(super) struct Spec {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) make: fn(&[String]) -> Box<dyn Table>,
}

/// Every table; each numbers the names in their order and owns what it needs.
pub(super) const TABLES: [Spec; 6] = [
    Spec { key: "modlink", title: "modlink::NameIndex", make: |names| Box::new(index(names)) },
    Spec { key: "fx", title: "std HashMap, Fx hash", make: |names| Box::new(numbered(names).collect::<FxHashMap<String, u64>>()) },
    Spec { key: "sip", title: "std HashMap, SipHash", make: |names| Box::new(numbered(names).collect::<HashMap<String, u64>>()) },
    Spec { key: "btree", title: "std BTreeMap", make: |names| Box::new(numbered(names).collect::<BTreeMap<String, u64>>()) },
    Spec { key: "bsearch", title: "sorted array, binary search", make: |names| Box::new(Sorted::new(names)) },
    Spec { key: "linear", title: "linear search", make: |names| Box::new(Linear(numbered(names).collect())) },
];

fn numbered(names: &[String]) -> impl Iterator<Item = (String, u64)> {
    names.iter().cloned().zip(0..)
}

fn index(names: &[String]) -> NameIndex<u64> {
    let mut index = NameIndex::with_capacity(names.len(), names.iter().map(String::len).sum());
    for (name, number) in names.iter().zip(0..) {
        // A table that is full lacks a name, which the child's check finds.
        let _ = index.insert(name, number);
    }
    index
}

impl Table for NameIndex<u64> {
    fn find(&self, name: &str) -> Option<u64> {
        Self::find(self, name).copied()
    }
}

impl<S: std::hash::BuildHasher> Table for HashMap<String, u64, S> {
    fn find(&self, name: &str) -> Option<u64> {
        self.get(name).copied()
    }
}

impl Table for BTreeMap<String, u64> {
    fn find(&self, name: &str) -> Option<u64> {
        self.get(name).copied()
    }
}

/// As Linux keeps its exports since 2.6.39: sorted by the linker, found by bsearch().
struct Sorted(Vec<(String, u64)>);

impl Sorted {
    fn new(names: &[String]) -> Self {
        let mut entries: Vec<_> = numbered(names).collect();
        entries.sort_unstable();
        Self(entries)
    }
}

impl Table for Sorted {
    fn find(&self, name: &str) -> Option<u64> {
        let at = self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.0.get(at).map(|(_, number)| *number)
    }
}

/// As the classic kernel kept them: a list that is walked.
struct Linear(Vec<(String, u64)>);

impl Table for Linear {
    fn find(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, number)| *number)
    }
}
