//! The whole of `bench link`: every subject at every size, then the verdicts.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::measure::Samples;
use crate::report::{Plot, Report, Series};
use crate::work::{self, Flavour};

use super::child::{self, Task};
use super::jitlink::{self, Jitlink};
use super::linker::{LINKERS, Linker};
use super::subject::{SUBJECTS, Spec};
use super::{native, verdict};

/// The sizes that are measured unless told otherwise.
const SIZES: [u32; 4] = [100, 1_000, 10_000, 100_000];

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many functions the work has; the goals are judged at 10000 and 100000.
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    pub sizes: Vec<u32>,
    /// How many children measure each subject, one round after the other: on a machine with other work, many short
    /// rounds find quiet moments for every subject alike.
    #[arg(long, default_value_t = 8)]
    pub rounds: usize,
    /// Only the subjects whose key contains one of these words (`floor`, `modlink`, `dlopen`, `kmod`, `elf`, `linkers`,
    /// `jitlink`).
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
}

/// What was measured of one subject at one size.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) load: Samples,
    /// Load and first call of everything; only of those that start from a file.
    pub(super) with_call: Samples,
    /// Memory added at the peak of a load, bytes.
    pub(super) added: Option<u64>,
    /// The process's peak, bytes.
    pub(super) peak: Option<u64>,
}

/// Everything measured, by the subject's key and the size.
pub(super) type Results = BTreeMap<(String, u32), Measured>;

/// Measures and reports.
///
/// # Errors
/// A tool that is missing for making the work, a loader that refuses it or whose code behaves differently.
pub fn run(options: &Options) -> Result<Report> {
    let mut report = Report::new("link");
    let mut results = Results::new();
    let wanted = |key: &str| options.only.is_empty() || options.only.iter().any(|word| key.contains(word.as_str()));
    if wanted("jitlink") && Jitlink::all().is_empty() {
        eprintln!("bench link: getting llvm-jitlink from Debian");
        if let Err(error) = jitlink::fetch() {
            report.note(format!("llvm-jitlink could not be had and is left out: {error}"));
        }
    }
    for &functions in &options.sizes {
        let checksum = native::checksum(functions)?;
        for round in 0..options.rounds {
            for spec in SUBJECTS.iter().filter(|spec| wanted(spec.key)) {
                eprintln!("bench link: {functions} functions, round {}, {}", round + 1, spec.key);
                subject(spec, functions, checksum, &mut results)?;
            }
        }
        if wanted("linkers") {
            linkers(functions, &mut results, &mut report)?;
        }
        if wanted("jitlink") {
            jitlinks(functions, checksum, &mut results, &mut report);
        }
    }
    verdict::rows(&results, &options.sizes, &mut report);
    plot(&results, &options.sizes)?;
    Ok(report)
}

/// How often a child loads: more of what is short.
const fn times(functions: u32) -> usize {
    match functions {
        0..=300 => 100,
        301..=3_000 => 60,
        3_001..=30_000 => 20,
        _ => 4,
    }
}

fn subject(spec: &Spec, functions: u32, checksum: u32, results: &mut Results) -> Result<()> {
    let measured = results.entry((spec.key.to_owned(), functions)).or_default();
    let input = child::input(*spec, functions)?;
    let mut task = Task { subject: spec.key.to_owned(), input, times: times(functions), with_call: false };
    let answer = child::start(&task)?;
    if let Some(found) = answer.checksum.filter(|&found| found != checksum) {
        return Err(Error::Checksum { loader: spec.title.to_owned(), expected: checksum, found });
    }
    measured.load.merge(answer.times);
    let least = |old: Option<u64>, new: u64| Some(old.map_or(new, |old| old.min(new)));
    measured.added = least(measured.added, answer.added);
    measured.peak = least(measured.peak, answer.peak);
    if verdict::STARTS_FROM_FILE.contains(&spec.key) {
        task.with_call = true;
        measured.with_call.merge(child::start(&task)?.times);
    }
    Ok(())
}

fn linkers(functions: u32, results: &mut Results, report: &mut Report) -> Result<()> {
    for name in LINKERS {
        let Some(linker) = Linker::find(name) else {
            note_once(report, format!("no `{name}` here: left out"));
            continue;
        };
        note_once(report, format!("{name}: {}", linker.version));
        eprintln!("bench link: {functions} functions, {name}");
        let load = linker.measure(functions, if functions > 30_000 { 4 } else { 8 })?;
        results.insert((name.to_owned(), functions), Measured { load, ..Measured::default() });
    }
    Ok(())
}

fn jitlinks(functions: u32, checksum: u32, results: &mut Results, report: &mut Report) {
    for jitlink in Jitlink::all() {
        eprintln!("bench link: {functions} functions, llvm-jitlink {}", jitlink.version);
        match jitlink.measure(functions, if functions > 30_000 { 2 } else { 5 }, checksum) {
            Ok(load) => {
                let key = format!("llvm-jitlink-{}", jitlink.version);
                results.insert((key, functions), Measured { load, ..Measured::default() });
            }
            Err(error) => note_once(report, format!("llvm-jitlink {} at {functions}: {error}", jitlink.version)),
        }
    }
}

fn note_once(report: &mut Report, text: String) {
    if !report.notes.contains(&text) {
        report.note(text);
    }
}

fn plot(results: &Results, sizes: &[u32]) -> Result<()> {
    let mut keys: Vec<&String> = results.keys().map(|(key, _)| key).collect();
    keys.dedup();
    let series = keys.into_iter().map(|key| Series {
        name: key.clone(),
        points: sizes
            .iter()
            .filter_map(|&size| {
                let time = results.get(&(key.clone(), size))?.load.minimum()?;
                Some((f64::from(size), time / 1e3 / f64::from(size)))
            })
            .collect(),
    });
    Plot {
        title: "Loading relocatable code: time per function".to_owned(),
        across: "functions in the object (7 relocations each)".to_owned(),
        up: "microseconds per function".to_owned(),
        series: series.collect(),
    }
    .write("link")
}

/// The size in bytes of the object that modlink loads.
pub(super) fn object_size(functions: u32) -> Option<f64> {
    let path = work::object(Flavour::Pic, functions).ok()?;
    path.metadata().ok().map(|data| data.len() as f64)
}
