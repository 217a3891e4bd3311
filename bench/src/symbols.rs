//! `bench symbols`: how long a name takes to be found, or not, among many exports.

mod child;
mod table;

use crate::error::Result;
use crate::measure::Samples;
use crate::report::{Goal, Plot, Report, Series};

pub use child::{Task, measure as child};
use table::TABLES;

/// How many exports there are; the goals are judged at the last.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many children measure each table, one round after the other.
    #[arg(long, default_value_t = 6)]
    pub rounds: usize,
}

/// Measures and reports.
///
/// # Errors
/// A child that fails, or a table that finds what it should not.
pub fn run(options: &Options) -> Result<Report> {
    let mut report = Report::new("symbols");
    let mut series = Vec::new();
    for table in &TABLES {
        let mut hits = Series { name: format!("{}, hit", table.key), points: Vec::new() };
        let mut misses = Series { name: format!("{}, miss", table.key), points: Vec::new() };
        for size in SIZES {
            let (mut hit, mut miss, mut build) = (Samples::default(), Samples::default(), Samples::default());
            for _ in 0..options.rounds {
                let answer = child::start(&Task { table: table.key.to_owned(), symbols: size })?;
                hit.merge(answer.hit);
                miss.merge(answer.miss);
                build.merge(answer.build);
            }
            let goals = (size == 100_000 && table.key == "modlink").then_some((60.0, 20.0));
            row(&mut report, format!("{}: hit among {size}", table.title), &hit, goals.map(|(hit, _)| hit));
            row(&mut report, format!("{}: miss among {size}", table.title), &miss, goals.map(|(_, miss)| miss));
            if let Some(time) = build.minimum() {
                report.tell(format!("{}: to build with {size}", table.title), time / 1e3, "us");
            }
            hits.points.extend(hit.minimum().map(|time| (f64::from(size), time / 1e3)));
            misses.points.extend(miss.minimum().map(|time| (f64::from(size), time / 1e3)));
        }
        series.extend([hits, misses]);
    }
    Plot {
        title: "Looking up a symbol".to_owned(),
        across: "exports (names of 40 bytes, random order)".to_owned(),
        up: "nanoseconds per look-up".to_owned(),
        series,
    }
    .write("symbols")?;
    Ok(report)
}

/// A row of picoseconds as nanoseconds, the minimum; the median follows for information.
fn row(report: &mut Report, name: String, samples: &Samples, goal: Option<f64>) {
    let (Some(minimum), Some(median)) = (samples.minimum(), samples.median()) else { return };
    match goal {
        Some(bound) => report.judge(format!("{name}, minimum"), minimum / 1e3, "ns", Goal::AtMost(bound)),
        None => report.tell(format!("{name}, minimum"), minimum / 1e3, "ns"),
    }
    report.tell(format!("{name}, median"), median / 1e3, "ns");
}
