//! One measurement in a process of its own: its memory is nobody else's, and its CPU stays the same.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::child;
use crate::error::{Error, Result};
use crate::measure::{self, Memory};
use crate::work;

use super::linker;
use super::subject::{Input, Spec, Subject};

/// What a child is told, on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Task {
    /// The key of the subject.
    pub subject: String,
    /// Its input file.
    pub input: PathBuf,
    /// How often to load.
    pub times: usize,
    /// Time the first call of every function too.
    #[arg(long)]
    pub with_call: bool,
}

/// What a child answers: one JSON object on standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// CPU time of each load, nanoseconds.
    pub times: Vec<u64>,
    /// What the first load added to the process's memory at its peak, bytes.
    pub added: u64,
    /// The process's peak with the input file in memory, bytes.
    pub peak: u64,
    /// What the code returned, if the subject makes code that runs.
    pub checksum: Option<u32>,
}

/// Measures, in the child.
///
/// # Errors
/// An unknown subject, a refusal of the loader, and system calls that fail.
pub fn measure(task: &Task) -> Result<Answer> {
    let unknown = || Error::Format { what: task.subject.clone(), reason: "no such subject".to_owned() };
    let spec = Spec::find(&task.subject).ok_or_else(unknown)?;
    measure::pin()?;
    let mut subject = spec.make(&task.input)?;
    subject.prepare()?;
    let before = Memory::read()?;
    Memory::forget_peak()?;
    subject.load()?;
    let after = Memory::read()?;
    let checksum = subject.call()?;
    subject.unload();
    let times: Result<Vec<u64>> = (0..task.times).map(|_| once(subject.as_mut(), task)).collect();
    Ok(Answer { times: times?, added: after.peak.saturating_sub(before.now), peak: after.peak, checksum })
}

fn once(subject: &mut dyn Subject, task: &Task) -> Result<u64> {
    subject.prepare()?;
    let start = measure::thread_time()?;
    subject.load()?;
    if task.with_call {
        subject.call()?;
    }
    let taken = measure::thread_time()?.saturating_sub(start);
    subject.unload();
    Ok(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX))
}

/// The input file of a subject, made if need be.
pub(super) fn input(spec: Spec, functions: u32) -> Result<PathBuf> {
    match spec.input {
        Input::Object(flavour) => work::object(flavour, functions),
        Input::Shared(linker) => linker::shared_object(linker, functions),
    }
}

/// Measures, from the parent.
pub(super) fn start(task: &Task) -> Result<Answer> {
    let (input, times) = (task.input.to_string_lossy(), task.times.to_string());
    let with_call = task.with_call.then_some("--with-call");
    child::start(["link", &task.subject, &input, &times].into_iter().chain(with_call))
}
