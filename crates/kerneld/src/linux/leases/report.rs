//! What would become of each module, and why.

use demand::journal::Reader;
use demand::policy::{Leases as Settings, show_duration};
use demand::{Class, Paths, stamp};
use serde::{Deserialize, Serialize};

use super::super::evidence::{Finding, Row, State, Subject, Surroundings, judge};
use super::lease::{Ledger, made_by};
use super::policy_rows;

/// What would become of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays: a row vetoes.
    Kept,
    /// Nothing holds it, but its period is not over.
    Idle,
    /// It would be unloaded now.
    Due,
}

/// A module in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The module.
    pub module: String,
    /// What it was asked for as; `None` if it did not come on demand.
    pub request: Option<String>,
    /// In which form.
    pub class: Option<Class>,
    /// The module that it came along with.
    pub with: Option<String>,
    /// How long nothing has used it, in seconds, as far as the daemon has looked.
    pub idle: Option<u64>,
    /// How long that has to be, in seconds: the period of its class, doubled with every comeback.
    pub period: u64,
    /// What would become of it.
    pub fate: Fate,
    /// All rows.
    pub findings: Vec<Finding>,
}

impl Entry {
    /// The rows that veto.
    pub fn vetoes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.vetoes())
    }
}

/// The leases of this boot: what the daemon has written down, else what its journal says.
#[must_use]
pub(super) fn ledger(paths: &Paths, boot: &str) -> Ledger {
    let mut ledger = Ledger::load(paths, boot);
    if ledger.leases.is_empty()
        && let Ok(reader) = Reader::open(&paths.journal())
    {
        for record in reader.flatten().filter(|record| record.boot == boot) {
            made_by(paths, &record).into_iter().for_each(|lease| ledger.take(lease));
        }
    }
    ledger.tidy(paths);
    ledger
}

/// Judges these modules, or all that came on demand. Nothing is changed by it.
#[must_use]
pub fn report(paths: &Paths, stamp: &stamp::Stamp, settings: &Settings, wanted: Option<&[String]>) -> Vec<Entry> {
    let mut ledger = ledger(paths, &stamp.boot);
    let around = Surroundings::gather(paths);
    let names: Vec<String> = match wanted {
        Some(names) => names.iter().map(|name| kmod::name::from_word(name)).collect(),
        None => ledger.leases.keys().cloned().collect(),
    };
    let within = u64::try_from(settings.pin_within.as_micros()).unwrap_or(u64::MAX);
    let entry = |module: &String| {
        let comebacks = ledger.comebacks(module, stamp::now().saturating_sub(within));
        let lease = ledger.leases.get(module);
        let mut findings = policy_rows(settings, lease, &around, module);
        let comeback = match comebacks >= settings.pin_after {
            true => State::Holds(vec![format!("it came back {comebacks} times within {}", show_duration(settings.pin_within))]),
            false => State::Clear,
        };
        findings.push(Finding { row: Row::Comeback, state: comeback });
        let subject = Subject::of(paths, &stamp.release, module);
        findings.extend(judge(paths, &around, &subject, lease.and_then(|lease| lease.baseline.as_ref())));
        let idle = ledger.idle.get(module).map(|since| stamp::now().saturating_sub(*since) / 1_000_000);
        let period = super::period_of(settings, lease.map(|lease| lease.class), comebacks);
        let fate = match () {
            () if findings.iter().any(Finding::vetoes) => Fate::Kept,
            () if idle.is_some_and(|idle| idle >= period.as_secs()) => Fate::Due,
            () => Fate::Idle,
        };
        Entry {
            module: module.clone(),
            request: lease.map(|lease| lease.request.clone()),
            class: lease.map(|lease| lease.class),
            with: lease.and_then(|lease| lease.with.clone()),
            idle,
            period: period.as_secs(),
            fate,
            findings,
        }
    };
    names.iter().map(entry).collect()
}
