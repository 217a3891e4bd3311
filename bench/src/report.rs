//! What a benchmark says: rows for programs (`--json`), a table and a plot for people.

mod plot;
mod table;

use std::path::PathBuf;

use serde::Serialize;

pub use plot::{Plot, Series};

/// A bound that a value must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The value may not be greater.
    AtMost(f64),
    /// The value may not be smaller.
    AtLeast(f64),
}

impl Goal {
    const fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::AtMost(_) => "<=",
            Self::AtLeast(_) => ">=",
        }
    }
}

/// One measured value. A row without a goal is for information; its `goal` and `met` are null.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured; names the bound's direction if there is a goal.
    pub name: String,
    /// The value in `unit`.
    pub value: f64,
    /// The unit: `x` for a ratio.
    pub unit: &'static str,
    /// The bound, in the same unit.
    pub goal: Option<f64>,
    /// Whether the bound is kept.
    pub met: Option<bool>,
    #[serde(skip)]
    sign: &'static str,
}

/// A benchmark's whole result, in the form of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The benchmark's name.
    pub bench: &'static str,
    /// What was measured.
    pub rows: Vec<Row>,
    /// Sentences for people: what was left out and why, which versions took part.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Report {
    /// An empty report of the benchmark `bench`.
    #[must_use]
    pub const fn new(bench: &'static str) -> Self {
        Self { bench, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a value for information.
    pub fn tell(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.rows.push(Row { name: name.into(), value, unit, goal: None, met: None, sign: "" });
    }

    /// Adds a value that has a goal.
    pub fn judge(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: Goal) {
        let (met, sign) = (Some(goal.met_by(value)), goal.sign());
        self.rows.push(Row { name: name.into(), value, unit, goal: Some(goal.bound()), met, sign });
    }

    /// Adds a sentence for people.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The one JSON object, on one line.
    ///
    /// # Errors
    /// A value that JSON cannot say.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// Where tables and plots go: `target/bench` of the repository.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_exactly_the_promised_keys() {
        let mut report = Report::new("demo");
        report.tell("time", 1.5, "us");
        report.judge("ratio", 0.5, "x", Goal::AtMost(0.9));
        report.judge("gain", 2.0, "x", Goal::AtLeast(3.0));
        report.note("not in the object");
        let expected = concat!(
            r#"{"bench":"demo","rows":[{"name":"time","value":1.5,"unit":"us","goal":null,"met":null},"#,
            r#"{"name":"ratio","value":0.5,"unit":"x","goal":0.9,"met":true},"#,
            r#"{"name":"gain","value":2.0,"unit":"x","goal":3.0,"met":false}]}"#
        );
        assert_eq!(report.json().expect("plain numbers"), expected);
    }

    #[test]
    fn the_table_aligns_and_judges() {
        let mut report = Report::new("demo");
        report.tell("time", 1234.5, "us");
        report.judge("ratio of the two", 0.5, "x", Goal::AtMost(0.9));
        report.judge("gain", 2.0, "x", Goal::AtLeast(3.0));
        report.note("one note");
        let expected = "\
demo
  time              1234   us
  ratio of the two  0.500  x   <= 0.9  met
  gain              2.00   x   >= 3    NOT MET
  * one note
";
        assert_eq!(report.to_string(), expected);
    }
}
