//! What journals tell: which requests were served, how often, in how many boots, for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use demand::journal::Reader;
use demand::{Class, Kind, Outcome, Paths, Record};

use crate::linux::cli::Failure;
use crate::linux::policy::was_served;

/// Everything in the journals.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By name.
    pub(super) requests: BTreeMap<String, Asked>,
    /// Names that no module has, and how often they were asked for.
    pub(super) without_module: BTreeMap<String, u64>,
    /// Names that were only ever denied, and how often.
    pub(super) denied: BTreeMap<String, u64>,
    /// Boots.
    pub(super) boots: BTreeSet<String>,
    /// Releases.
    pub(super) releases: BTreeSet<String>,
    /// The first and the last record, in microseconds since 1970.
    pub(super) span: Option<(u64, u64)>,
    /// Lines that are no records.
    pub(super) bad_lines: u64,
}

/// What is known about one name.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its class.
    pub(super) class: Class,
    /// How often it was asked for.
    pub(super) requests: u64,
    /// In which boots.
    pub(super) boots: BTreeSet<String>,
    /// By whom.
    pub(super) kinds: BTreeSet<Kind>,
    /// The modules of its plans.
    pub(super) modules: BTreeSet<String>,
    /// Of these, those that the name stands for.
    pub(super) asked: BTreeSet<String>,
}

impl Seen {
    /// Reads journals; none: that of the system.
    pub(super) fn read(journals: &[PathBuf], paths: &Paths) -> Result<Self, Failure> {
        let mut seen = Self::default();
        let failed = |path: &std::path::Path, error: std::io::Error| format!("`{}`: {error}", path.display());
        if journals.is_empty() {
            let path = paths.journal();
            seen.add(Reader::open(&path).map_err(|error| failed(&path, error))?);
        }
        for path in journals {
            seen.add(Reader::open_file(path).map_err(|error| failed(path, error))?);
        }
        let served: BTreeSet<&String> = seen.requests.keys().collect();
        let denied = std::mem::take(&mut seen.denied);
        let denied = denied.into_iter().filter(|(name, _)| !served.contains(name)).collect();
        seen.denied = denied;
        Ok(seen)
    }

    fn add(&mut self, reader: Reader) {
        for line in reader {
            match line {
                Ok(record) => self.record(&record),
                Err(_) => self.bad_lines = self.bad_lines.saturating_add(1),
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let (first, last) = self.span.unwrap_or((record.time, record.time));
        self.span = Some((first.min(record.time), last.max(record.time)));
        self.boots.insert(record.boot.clone());
        self.releases.insert(record.release.clone());
        let name = record.request.to_string();
        let count = |counts: &mut BTreeMap<String, u64>| {
            let count = counts.entry(name.clone()).or_default();
            *count = count.saturating_add(record.repeated);
        };
        if record.outcome == Outcome::Unknown {
            return count(&mut self.without_module);
        }
        if !was_served(record) {
            return count(&mut self.denied);
        }
        let asked = self.requests.entry(name).or_insert_with(|| Asked {
            class: record.class,
            requests: 0,
            boots: BTreeSet::new(),
            kinds: BTreeSet::new(),
            modules: BTreeSet::new(),
            asked: BTreeSet::new(),
        });
        asked.requests = asked.requests.saturating_add(record.repeated);
        asked.boots.insert(record.boot.clone());
        asked.kinds.extend(record.requesters.iter().map(|requester| requester.kind));
        if record.requesters.is_empty() {
            asked.kinds.insert(Kind::Unknown);
        }
        asked.modules.extend(record.plan.iter().map(|step| step.module.clone()));
        asked.asked.extend(record.plan.iter().filter(|step| step.why.starts_with("asked for")).map(|step| step.module.clone()));
    }
}
