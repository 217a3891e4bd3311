//! What a comparison found.

use std::collections::BTreeMap;
use std::fmt;

use super::Listed;

/// Counts of what was equal, of what differs as the documentation says, and everything else that differs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The tree.
    pub tree: String,
    /// For each kind of comparison how many were made.
    pub made: BTreeMap<&'static str, usize>,
    /// How many of them showed a difference that is listed in the documentation.
    pub listed: BTreeMap<Listed, usize>,
    /// Differences that are not.
    pub different: Vec<String>,
}

impl Report {
    pub(super) fn new(tree: &str) -> Self {
        Self { tree: tree.to_owned(), ..Self::default() }
    }

    pub(super) fn made(&mut self, kind: &'static str, number: usize) {
        *self.made.entry(kind).or_default() += number;
    }

    pub(super) fn listed(&mut self, listed: Listed) {
        *self.listed.entry(listed).or_default() += 1;
    }

    /// Notes a difference; of long texts the first lines that differ.
    pub(super) fn different(&mut self, what: &str, theirs: &str, ours: &str) {
        let at = theirs.lines().zip(ours.lines()).position(|(a, b)| a != b);
        let at = at.unwrap_or_else(|| theirs.lines().count().min(ours.lines().count()));
        let line = |text: &str| text.lines().nth(at).unwrap_or("(nothing)").chars().take(300).collect::<String>();
        self.different.push(format!("{what}, line {}:\n  kmod: {}\n  ours: {}", at + 1, line(theirs), line(ours)));
    }

    /// Notes a comparison of two texts.
    pub(super) fn texts(&mut self, kind: &'static str, what: &str, theirs: &str, ours: &str) {
        self.made(kind, 1);
        if theirs != ours {
            self.different(what, theirs, ours);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.different {
            writeln!(f, "{difference}")?;
        }
        write!(f, "{}:", self.tree)?;
        for (kind, number) in &self.made {
            write!(f, " {number} {kind},")?;
        }
        for (listed, number) in &self.listed {
            write!(f, " {number} with {listed},")?;
        }
        write!(f, " {} different", self.different.len())
    }
}
