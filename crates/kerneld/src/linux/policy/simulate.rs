//! `kerneld policy simulate`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use demand::journal::Reader;
use demand::policy::{Grant, Policy, Question, Wanted, show_date};
use demand::resolve::Resolver;
use demand::{Class, Decision, Kind, Outcome, PlanStep, Record, RequestName, Requester, Verdict};
use serde::Serialize;

use super::source::{Source, is_known, plan_of};
use crate::linux::cli::Failure;

/// Replay recorded requests against a policy: what would have been denied, what would be allowed now
///
/// Every record of the journal (or of the files that are named: also those of other machines) is decided again as if the policy were
/// enforced, with the requesters, the plan and the time that it was recorded with. Nothing is loaded and nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Exit status 2 with --fail-on-deny if something that was served would be denied.")]
pub(super) struct Simulate {
    /// Journals, instead of that of the system with its older parts
    #[arg(value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Exit with 2 if something that was served would be denied
    #[arg(long)]
    fail_on_deny: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// How a record's fate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    /// It was served, and would be denied.
    Denied,
    /// It was denied, and would be served.
    Allowed,
    /// It would be a finding.
    Audited,
    /// It was denied, and would be again.
    StillDenied,
}

/// Requests that are told together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Key {
    change: Change,
    class: Class,
    request: String,
    requester: String,
    rule: String,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    key: Key,
    requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// All that came out.
#[derive(Debug, Default, Serialize)]
struct Replay {
    records: u64,
    requests: u64,
    /// Of the requests: those that no module has the name of. Whatever is decided of them, nothing is loaded.
    without_module: u64,
    served_before: u64,
    served_now: u64,
    bad_lines: u64,
    from: Option<String>,
    to: Option<String>,
    changes: Vec<Row>,
}

impl Simulate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let policy = Policy { mode: demand::Mode::Enforce, ..self.source.policy()? };
        let modules = self.source.has_tree().then(|| self.source.modules()).transpose()?;
        let mut simulation = Simulation { policy, grants: self.source.grants()?, modules, plans: HashMap::new(), rows: BTreeMap::new() };
        let mut replay = Replay::default();
        let (mut from, mut to) = (u64::MAX, 0);
        for reader in self.readers()? {
            for line in reader {
                let Ok(record) = line else {
                    replay.bad_lines += 1;
                    continue;
                };
                (from, to) = (from.min(record.time), to.max(record.time));
                simulation.record(&record, &mut replay);
            }
        }
        if replay.records > 0 {
            (replay.from, replay.to) = (Some(show_date(from)), Some(show_date(to)));
        }
        replay.changes = simulation.rows.into_values().collect();
        replay.changes.sort_by(|a, b| (a.key.change, b.requests, &a.key).cmp(&(b.key.change, a.requests, &b.key)));
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&replay)?)?;
        } else {
            replay.print(&mut out)?;
        }
        let denied = replay.changes.iter().any(|row| row.key.change == Change::Denied);
        Ok(if denied && self.fail_on_deny { ExitCode::from(2) } else { ExitCode::SUCCESS })
    }

    fn readers(&self) -> Result<Vec<Reader>, Failure> {
        let failed = |path: &std::path::Path, error: std::io::Error| format!("`{}`: {error}", path.display());
        if self.journals.is_empty() {
            let path = self.source.paths().journal();
            return Ok(vec![Reader::open(&path).map_err(|error| failed(&path, error))?]);
        }
        let open = |path: &PathBuf| Reader::open_file(path).map_err(|error| failed(path, error).into());
        self.journals.iter().map(open).collect()
    }
}

struct Simulation {
    policy: Policy,
    grants: Vec<Grant>,
    modules: Option<Resolver>,
    /// Plans of names that were recorded without one.
    plans: HashMap<RequestName, Vec<PlanStep>>,
    rows: BTreeMap<Key, Row>,
}

impl Simulation {
    fn record(&mut self, record: &Record, replay: &mut Replay) {
        replay.records += 1;
        replay.requests = replay.requests.saturating_add(record.repeated);
        let served = was_served(record);
        if record.outcome == Outcome::Unknown || self.counts_unknown(record) {
            replay.without_module = replay.without_module.saturating_add(record.repeated);
            return;
        }
        let plan = self.plan(record);
        let decision = decide(&self.policy, &self.grants, record, &plan);
        let loads = decision.loads();
        for (counter, counts) in [(&mut replay.served_before, served), (&mut replay.served_now, loads)] {
            *counter = counter.saturating_add(if counts { record.repeated } else { 0 });
        }
        let change = match (served, loads) {
            (true, false) => Change::Denied,
            (false, true) => Change::Allowed,
            (false, false) => Change::StillDenied,
            (true, true) if decision.verdict == Verdict::Audit => Change::Audited,
            (true, true) => return,
        };
        let place = decision.rule.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let key = Key {
            change,
            class: record.class,
            request: record.request.to_string(),
            requester: requesters(&record.requesters),
            rule: format!("{}{place}", decision.rule.name),
        };
        let row = self.rows.entry(key.clone()).or_insert(Row { key, requests: 0, module: decision.module, reason: decision.reason });
        row.requests = row.requests.saturating_add(record.repeated);
    }

    /// Whether a line stands for requests for a name that no module has: a line of a flood does not say what became of them.
    fn counts_unknown(&self, record: &Record) -> bool {
        record.outcome == Outcome::Repeated && self.modules.as_ref().is_some_and(|modules| !is_known(modules, &record.request))
    }

    /// The plan that was recorded, or the one that would be made here.
    fn plan(&mut self, record: &Record) -> Vec<PlanStep> {
        let Some(modules) = self.modules.as_ref().filter(|_| record.plan.is_empty()) else { return record.plan.clone() };
        if let Some(known) = self.plans.get(&record.request) {
            return known.clone();
        }
        let plan = plan_of(modules, &record.request);
        self.plans.insert(record.request.clone(), plan.clone());
        plan
    }
}

/// Whether the request was let through at its time.
pub(in crate::linux) fn was_served(record: &Record) -> bool {
    match record.outcome {
        Outcome::Denied => false,
        Outcome::Repeated => record.decision.loads(),
        _ => true,
    }
}

fn decide(policy: &Policy, grants: &[Grant], record: &Record, plan: &[PlanStep]) -> Decision {
    decide_plan(policy, grants, &record.request, record.class, &record.requesters, plan, record.time)
}

/// Decides on a plan as records have it. As when it is carried out ([`demand::judge`]), each module that the name stands for is decided
/// by itself, and those that are denied are left out of the rest.
pub(super) fn decide_plan(
    policy: &Policy,
    grants: &[Grant],
    name: &RequestName,
    class: Class,
    requesters: &[Requester],
    plan: &[PlanStep],
    now: u64,
) -> Decision {
    let ask = |modules: &[Wanted<'_>]| policy.decide(grants, &Question { name, class, requesters, modules, now });
    let asked = |step: &&PlanStep| step.why.starts_with("asked for");
    let along = plan.iter().filter(|step| !asked(step));
    let along: Vec<Wanted<'_>> =
        along.map(|step| Wanted { module: &step.module, asked: false, required: !step.why.starts_with("softdep") }).collect();
    let decide = |step: &PlanStep| {
        let target = Wanted { module: &step.module, asked: true, required: true };
        ask(&[&[target], along.as_slice()].concat())
    };
    let decided: Vec<(&str, Decision)> = plan.iter().filter(asked).map(|step| (step.module.as_str(), decide(step))).collect();
    let strictest = |loads: bool| decided.iter().map(|(_, one)| one).filter(|one| one.loads() == loads).max_by_key(|one| one.verdict);
    let Some(mut decision) = strictest(true).or_else(|| strictest(false)).cloned() else { return ask(&along) };
    if decision.loads() {
        let denied = decided.iter().filter(|(_, one)| !one.loads()).map(|(module, _)| (*module).to_owned());
        decision.left_out.extend(denied);
    }
    decision
}

/// All who may have asked, in a few words that are the same for all requests of one.
fn requesters(requesters: &[Requester]) -> String {
    let mut words: Vec<String> = requesters
        .iter()
        .map(|requester| match (requester.kind, &requester.unit, requester.uid) {
            (Kind::Service, Some(unit), _) => format!("service {unit}"),
            (Kind::User | Kind::Container, _, Some(uid)) => format!("{} {uid}", requester.kind),
            _ => requester.kind.to_string(),
        })
        .collect();
    words.sort();
    words.dedup();
    if words.is_empty() { Kind::Unknown.to_string() } else { words.join(" or ") }
}

impl Replay {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (from, to) = (self.from.as_deref().unwrap_or("-"), self.to.as_deref().unwrap_or("-"));
        writeln!(out, "{} requests in {} records, {from} to {to}", self.requests, self.records)?;
        if self.bad_lines > 0 {
            writeln!(out, "{} damaged lines were passed over", self.bad_lines)?;
        }
        for (change, title) in [
            (Change::Denied, "would be denied, and was served"),
            (Change::Allowed, "would be served, and was denied"),
            (Change::Audited, "would be served as a finding"),
            (Change::StillDenied, "would be denied, and was"),
        ] {
            let rows: Vec<&Row> = self.changes.iter().filter(|row| row.key.change == change).collect();
            if rows.is_empty() {
                continue;
            }
            writeln!(out, "\n{title}:")?;
            for Row { key, requests, module, reason } in rows {
                let module = module.as_ref().map(|module| format!(", because of `{module}`")).unwrap_or_default();
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                writeln!(
                    out,
                    "{requests:>8}  {:<24} {:<10} {:<20} {}{module}{reason}",
                    key.request,
                    key.class.word(),
                    key.requester,
                    key.rule
                )?;
            }
        }
        let denied = self.changes.iter().filter(|row| row.key.change == Change::Denied);
        let denied = denied.map(|row| row.requests).fold(0, u64::saturating_add);
        let (before, now, none) = (self.served_before, self.served_now, self.without_module);
        writeln!(
            out,
            "\n{denied} requests that were served would be denied; served: {before} then, {now} now; {none} asked for what no module has"
        )
    }
}
