//! What journals tell: which requests were served, how often, in how many boots, for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use demand::journal::Reader;
use demand::resolve::Resolver;
use demand::{Class, Kind, Origin, Outcome, Paths, PlanStep, Record, RequestName};

use crate::linux::cli::Failure;
use crate::linux::policy::{is_known, was_served};

/// Everything in the journals.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By name.
    pub(super) requests: BTreeMap<String, Asked>,
    /// The same of lines that stand for many requests, by the name of the last, until all is read.
    counted: BTreeMap<String, Asked>,
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
    /// Reads journals; none: that of the system. `modules` tells which names stand for modules at all.
    pub(super) fn read(journals: &[PathBuf], paths: &Paths, modules: Option<&Resolver>) -> Result<Self, Failure> {
        let mut seen = Self::default();
        let failed = |path: &std::path::Path, error: std::io::Error| format!("`{}`: {error}", path.display());
        if journals.is_empty() {
            let path = paths.journal();
            seen.add(Reader::open(&path).map_err(|error| failed(&path, error))?);
        }
        for path in journals {
            seen.add(Reader::open_file(path).map_err(|error| failed(path, error))?);
        }
        seen.settle(modules);
        Ok(seen)
    }

    /// What can be said only when all is read: what became of requests that were counted, and what was always denied.
    fn settle(&mut self, modules: Option<&Resolver>) {
        for (name, counted) in std::mem::take(&mut self.counted) {
            let asked = self.requests.get_mut(&name);
            let known = |modules: &Resolver| RequestName::new(name.as_bytes(), Origin::Device).is_ok_and(|name| is_known(modules, &name));
            if asked.is_none() && (self.without_module.contains_key(&name) || !modules.is_none_or(known)) {
                let count = self.without_module.entry(name).or_default();
                *count = count.saturating_add(counted.requests);
                continue;
            }
            match asked {
                Some(asked) => asked.join(counted),
                None => drop(self.requests.insert(name, counted)),
            }
        }
        let served = &self.requests;
        self.denied.retain(|name, _| !served.contains_key(name));
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
        // A line of a flood does not say what became of the requests that it stands for, other than whether they were denied.
        let map = if record.outcome == Outcome::Repeated { &mut self.counted } else { &mut self.requests };
        let asked = Asked::of(record);
        match map.get_mut(&name) {
            Some(known) => known.join(asked),
            None => drop(map.insert(name, asked)),
        }
    }
}

impl Asked {
    /// What one record says.
    fn of(record: &Record) -> Self {
        let kinds: BTreeSet<Kind> = record.requesters.iter().map(|requester| requester.kind).collect();
        let target = |step: &&PlanStep| step.why.starts_with("asked for");
        Self {
            class: record.class,
            requests: record.repeated,
            boots: BTreeSet::from([record.boot.clone()]),
            kinds: if kinds.is_empty() { BTreeSet::from([Kind::Unknown]) } else { kinds },
            modules: record.plan.iter().map(|step| step.module.clone()).collect(),
            asked: record.plan.iter().filter(target).map(|step| step.module.clone()).collect(),
        }
    }

    /// Both together.
    fn join(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.boots.extend(other.boots);
        self.kinds.extend(other.kinds);
        self.modules.extend(other.modules);
        self.asked.extend(other.asked);
    }
}
