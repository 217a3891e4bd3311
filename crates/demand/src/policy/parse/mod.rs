//! The form of policy files.

mod rules;
mod settings;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use kmod::config::Place;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, FaultKind, Policy, PolicyError};
use words::show;

/// Most rules of a policy: a request that none matches is compared with all of them.
const MAX_RULES: usize = 10_000;

/// A policy that is being put together from files.
#[derive(Debug, Default)]
pub(super) struct Builder {
    policy: Policy,
    /// Settings that a file has given; later files do not change them.
    given: BTreeSet<String>,
    faults: Vec<Fault>,
}

/// The file that is being read.
struct Source<'t> {
    file: &'t Path,
    /// Where lines end, in bytes.
    ends: Vec<usize>,
}

impl<'t> Source<'t> {
    fn new(file: &'t Path, text: &str) -> Self {
        Self { file, ends: text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect() }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.ends.partition_point(|end| *end < offset);
        Place { file: self.file.into(), line: u32::try_from(before + 1).unwrap_or(u32::MAX) }
    }
}

/// A value with the key that it stands behind.
struct Entry<'t> {
    /// With the tables around it: `leases.period`.
    key: String,
    place: Place,
    value: &'t DeValue<'t>,
}

impl Entry<'_> {
    fn bad(&self, wanted: &'static str) -> Fault {
        let kind = FaultKind::BadValue { key: self.key.clone(), value: show(self.value), wanted };
        Fault { place: self.place.clone(), kind }
    }

    fn unknown(&self, known: Vec<&'static str>) -> Fault {
        Fault { place: self.place.clone(), kind: FaultKind::UnknownKey { key: self.key.clone(), known } }
    }
}

impl Builder {
    /// Adds the contents of a file.
    pub(super) fn file(&mut self, file: &Path, text: &str) {
        let source = &Source::new(file, text);
        self.policy.files.push(file.to_owned());
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            let kind = FaultKind::Syntax { message: error.message().replace('\n', "; ") };
            self.fault(Fault { place: source.place(offset), kind });
        }
        // What is left of a text that was not understood would only bring more complaints about the same.
        if errors.is_empty() {
            self.table(source, "", table.get_ref());
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The policy, if nothing was wrong.
    pub(super) fn finish(mut self) -> Result<Policy, PolicyError> {
        let rules = self.policy.rules.len();
        if let (true, Some(file)) = (rules > MAX_RULES, self.policy.files.last()) {
            let place = Place::whole(file.clone());
            self.faults.push(Fault { place, kind: FaultKind::TooMany { rules, limit: MAX_RULES } });
        }
        if self.faults.is_empty() { Ok(self.policy) } else { Err(PolicyError::Faults(in_order(self.faults, &self.policy.files))) }
    }

    fn table(&mut self, source: &Source<'_>, prefix: &str, table: &DeTable<'_>) {
        for entry in entries(source, prefix, table) {
            match entry.value {
                DeValue::Array(array) if entry.key == "rule" => {
                    for (number, rule) in (1..).zip(array.iter()) {
                        self.rule(source, number, rule);
                    }
                }
                DeValue::Table(inner) if settings::is_table(&entry.key) => self.table(source, &format!("{}.", entry.key), inner),
                _ => self.setting(&entry),
            }
        }
    }

    fn setting(&mut self, entry: &Entry<'_>) {
        let first = self.given.insert(entry.key.clone());
        // A setting that does not count is checked all the same.
        let mut unused = Policy::default();
        let policy = if first { &mut self.policy } else { &mut unused };
        if let Err(fault) = settings::set(policy, entry) {
            self.faults.push(fault);
        }
    }

    fn rule(&mut self, source: &Source<'_>, number: usize, rule: &Spanned<DeValue<'_>>) {
        match rules::rule(source, number, rule) {
            Ok(rule) => self.policy.rules.push(rule),
            Err(faults) => self.faults.extend(faults),
        }
    }
}

/// The entries of a table, in the order in which they stand in the file.
fn entries<'t>(source: &Source<'_>, prefix: &str, table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let mut sorted: Vec<_> = table.iter().collect();
    sorted.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| Entry {
        key: format!("{prefix}{}", AsRef::<str>::as_ref(key.get_ref())),
        place: source.place(key.span().start),
        value: value.get_ref(),
    };
    sorted.into_iter().map(entry).collect()
}

/// Faults in the order of files and lines.
fn in_order(mut faults: Vec<Fault>, files: &[std::path::PathBuf]) -> Vec<Fault> {
    faults.sort_by_key(|fault| (files.iter().position(|file| **file == *fault.place.file), fault.place.line));
    faults
}
