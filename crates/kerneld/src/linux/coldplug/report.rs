//! What came of it all: for people, for programs, and for the journal.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use demand::stamp::Stamp;
use demand::{Class, DecidedBy, Decision, Outcome, Paths, PlanStep, Record, RequestName, Requester, Verdict, spool};
use serde::Serialize;

use super::requests::{Request, Requests};
use super::schedule::{Done, Node, Schedule};

/// When a step began, counted from the start, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) at: Duration,
    pub(super) took: Duration,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The kernel's release.
    release: String,
    /// Whether nothing was loaded.
    pub(super) dry_run: bool,
    /// Devices that ask for something.
    pub(super) devices: usize,
    /// Different names that they ask for.
    names: usize,
    /// Requests that stand for modules; the others stand for nothing in this tree.
    requests: Vec<Asked>,
    /// Modules, in the order in which they came.
    modules: Vec<Module>,
    /// What was waited for and did not come.
    pub(super) missing: Vec<String>,
    /// What went wrong on the way.
    pub(super) problems: Vec<String>,
    /// How often announcements of devices were lost and all devices were looked at again.
    pub(super) overruns: u64,
    /// Announcements that did not come from the kernel.
    pub(super) refused_announcements: u64,
    /// Microseconds from the start to the end of the last load.
    pub(super) last_load: Option<u64>,
    /// Microseconds in all.
    time: u64,
}

/// A request.
#[derive(Debug, Serialize)]
struct Asked {
    request: RequestName,
    requester: Requester,
    /// When it came, in microseconds since 1970.
    time: u64,
    /// How many devices of this kind asked.
    devices: u64,
    #[serde(flatten)]
    decision: Decision,
    /// The modules that are loaded for it.
    plan: Vec<PlanStep>,
    #[serde(flatten)]
    outcome: Outcome,
    /// Microseconds from the request to the end of its last step.
    duration: u64,
}

/// A module.
#[derive(Debug, Serialize)]
struct Module {
    module: String,
    /// `loaded`, `present`, `failed`; `planned` where nothing was done.
    result: &'static str,
    /// What `modprobe -n -v` would print.
    line: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Microseconds from the start to its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    /// Microseconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<u64>,
}

/// Whole microseconds.
pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Report {
    /// What is known of requests and modules.
    pub(super) fn new(requests: &Requests, schedule: &Schedule, timings: &[(Node, Timing)], release: &str, start: Instant) -> Self {
        let timings: HashMap<Node, Timing> = timings.iter().copied().collect();
        let names: std::collections::HashSet<&RequestName> = requests.iter().map(|request| &request.name).collect();
        let ended: HashMap<&str, Instant> = schedule
            .steps()
            .filter_map(|(node, step, _)| timings.get(&node).map(|timing| (step.module.as_str(), start + timing.at + timing.took)))
            .collect();
        let mut loaded_by_earlier = std::collections::HashSet::new();
        Self {
            release: release.to_owned(),
            dry_run: false,
            devices: 0,
            names: names.len(),
            requests: requests.iter().filter_map(|request| Asked::new(request, schedule, &ended, &mut loaded_by_earlier)).collect(),
            modules: schedule.steps().filter_map(|(node, step, done)| Module::new(step, done, timings.get(&node))).collect(),
            missing: Vec::new(),
            problems: Vec::new(),
            overruns: 0,
            refused_announcements: 0,
            last_load: None,
            time: microseconds(start.elapsed()),
        }
    }

    /// Puts the requests where the daemon takes them into the journal from: the spool of those who decide without it.
    pub(super) fn keep(&self, paths: &Paths) -> io::Result<()> {
        let stamp = Stamp::of(paths, &self.release);
        for asked in &self.requests {
            let record = Record {
                time: asked.time,
                boot: stamp.boot.clone(),
                release: stamp.release.clone(),
                sequence: 0,
                request: asked.request.clone(),
                class: Class::of(asked.request.as_str()),
                requesters: vec![asked.requester.clone()],
                decision: asked.decision.clone(),
                plan: asked.plan.clone(),
                outcome: asked.outcome.clone(),
                duration: asked.duration,
                by: DecidedBy::Helper,
                repeated: asked.devices,
            };
            spool::add(&paths.spool(), &record)?;
        }
        Ok(())
    }

    /// A summary for people; with `whole` also every module.
    pub(super) fn print(&self, out: &mut dyn Write, whole: bool) -> io::Result<()> {
        for module in self.modules.iter().filter(|module| whole && module.result != "present") {
            match (module.took, &module.text) {
                (_, Some(text)) => writeln!(out, "{:<24} {text}; {}", module.module, module.why)?,
                (Some(took), None) => writeln!(out, "{:<24} {:7.1} ms; {}", module.module, took as f64 / 1e3, module.why)?,
                (None, None) => writeln!(out, "{:<24} {}; {}", module.module, module.line.trim(), module.why)?,
            }
        }
        for asked in self.requests.iter().filter(|asked| asked.decision.verdict == Verdict::Deny) {
            let would = if asked.decision.loads() { "would be denied" } else { "denied" };
            let device = asked.requester.device.as_ref().map(|device| device.path.as_str()).unwrap_or_default();
            writeln!(out, "{would}: {} of {device}: {}", asked.request, asked.decision.rule.name)?;
        }
        for problem in &self.problems {
            writeln!(out, "problem: {problem}")?;
        }
        for missing in self.missing.iter().filter(|_| !self.dry_run) {
            writeln!(out, "did not come: {missing}")?;
        }
        let count = |result: &str| self.modules.iter().filter(|module| module.result == result).count();
        let known = self.requests.len();
        write!(out, "{} devices ask by {} names; {known} requests stand for modules: ", self.devices, self.names)?;
        if self.dry_run {
            return writeln!(out, "{} would be loaded", count("planned"));
        }
        let seconds = self.last_load.unwrap_or_default() as f64 / 1e6;
        let (loaded, present, failed) = (count("loaded"), count("present"), count("failed"));
        writeln!(out, "{loaded} loaded, {present} there before, {failed} not loaded; the last after {seconds:.2} s")
    }
}

impl Asked {
    fn new(
        request: &Request,
        schedule: &Schedule,
        ended: &HashMap<&str, Instant>,
        loaded_by_earlier: &mut std::collections::HashSet<String>,
    ) -> Option<Self> {
        if request.judged.ends == Some(Outcome::Unknown) {
            return None;
        }
        let decision = request.judged.decision.clone();
        let mut plan: Vec<PlanStep> = request.judged.plan.clone();
        let mut failure = None;
        for step in &request.judged.steps {
            let done = schedule.outcome(&step.module);
            if let (Some(Done::Failed { errno, text }), true) = (done, step.required) {
                failure = Some(Outcome::Failed { errno: *errno, text: format!("{}: {text}", step.module) });
            }
            let loaded = done == Some(&Done::Loaded) && loaded_by_earlier.insert(step.module.clone());
            plan.push(PlanStep { loaded, ..PlanStep::planned(step) });
        }
        let outcome = match (request.judged.ends.clone(), failure) {
            (Some(end), _) => end,
            (None, Some(failure)) => failure,
            (None, None) if plan.iter().any(|step| step.loaded) => Outcome::Loaded,
            (None, None) => Outcome::Present,
        };
        let last = request.judged.steps.iter().filter_map(|step| ended.get(step.module.as_str())).max();
        let duration = last.map_or(0, |last| microseconds(last.saturating_duration_since(request.came)));
        let (name, requester) = (request.name.clone(), request.requester.clone());
        Some(Self { request: name, requester, time: request.time, devices: request.devices, decision, plan, outcome, duration })
    }
}

impl Module {
    fn new(step: &kmod::plan::Step, done: Option<&Done>, timing: Option<&Timing>) -> Option<Self> {
        let (result, errno, text) = match done {
            Some(Done::Loaded) => ("loaded", None, None),
            Some(Done::Present) => ("present", None, None),
            Some(Done::Failed { errno, text }) => ("failed", *errno, Some(text.clone())),
            None => ("planned", None, None),
        };
        // What is built in was never to be loaded.
        let line = step.line().filter(|_| !matches!(step.action, kmod::plan::Action::Builtin))?;
        Some(Self {
            module: step.module.clone(),
            result,
            line,
            why: step.why.to_string(),
            errno,
            text,
            at: timing.map(|timing| microseconds(timing.at)),
            took: timing.map(|timing| microseconds(timing.took)),
        })
    }
}
