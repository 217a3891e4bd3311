//! `kerneld why`: who asked for a module, when, what was decided, and what holds it now.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Args;
use demand::journal::Reader;
use demand::policy::show_date;
use demand::resolve::Resolver;
use demand::{Origin, Outcome, Paths, Record, RequestName, Verdict, stamp};
use kmod::kernel::Loaded;
use kmod::{name, proc_modules};
use serde::Serialize;

use super::cli::Failure;
use super::evidence::{Finding, State, Subject, Surroundings, judge};
use super::leases::Ledger;
use super::root::Root;
use super::run::{verdict, who};

/// Say why a module is loaded: who asked for what, when, by which rule, and what holds it now
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kerneld why vfat                who asked for it, and what holds it now
  kerneld why nf_tables --json    the same, for programs

The chain leads from the request in the journal over the plan to the module. For a module that other modules use, their requests follow.
Exit status: 0 for a module that is loaded or built in, 1 for one that is not.")]
pub(super) struct Why {
    /// The module
    module: String,
    /// As JSON: an object with module, presence, loaded_by, requests, denied, last, findings, used_by
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: Root,
}

/// Where a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Presence {
    Loaded,
    BuiltIn,
    /// In the tree of this release, not in the kernel.
    Absent,
    /// Not even there.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
struct Answer {
    module: String,
    presence: Presence,
    /// The request that put it into the kernel this time.
    loaded_by: Option<Record>,
    /// How many requests of this boot were about it.
    requests: u64,
    /// How many of them were denied, or would have been.
    denied: u64,
    /// The last request of this boot about it.
    last: Option<Record>,
    /// What holds it now.
    findings: Vec<Finding>,
    /// Where this is no module but a name that the kernel asks for: the modules that it stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stands_for: Vec<String>,
    /// The modules that use it.
    used_by: Vec<Answer>,
}

/// A chain of modules is no longer than this.
const DEEPEST: u32 = 8;

impl Why {
    /// Prints the answer.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = self.root.paths();
        let search = Search::open(&paths)?;
        let mut answer = search.answer(&name::from_word(&self.module), 0);
        if answer.presence == Presence::Unknown {
            answer.stands_for = search.stands_for(&self.module);
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        } else {
            write!(out, "{}", text(&answer))?;
        }
        let there = matches!(answer.presence, Presence::Loaded | Presence::BuiltIn);
        Ok(if there { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What is read once.
struct Search {
    paths: Paths,
    stamp: stamp::Stamp,
    records: Vec<Record>,
    ledger: Ledger,
    loaded: Vec<Loaded>,
    around: Surroundings,
}

impl Search {
    fn open(paths: &Paths) -> Result<Self, Failure> {
        let stamp = stamp::Stamp::of(paths, &kmod::linux::release());
        // Damaged lines are no records; `kerneld log` counts them.
        let journal = paths.journal();
        let reader = Reader::open(&journal).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => format!("`{}` may be read by root and the group of the daemon only: {error}", journal.display()),
            _ => format!("cannot read `{}`: {error}", journal.display()),
        })?;
        let records = reader.flatten().filter(|record| record.boot == stamp.boot).collect();
        let modules = paths.file("/proc/modules");
        let text = std::fs::read_to_string(&modules).map_err(|error| format!("cannot read `{}`: {error}", modules.display()))?;
        Ok(Self {
            ledger: Ledger::load(paths, &stamp.boot),
            loaded: proc_modules::parse(&text)?,
            around: Surroundings::gather(paths),
            paths: paths.clone(),
            stamp,
            records,
        })
    }

    fn answer(&self, module: &str, depth: u32) -> Answer {
        let loaded = self.loaded.iter().find(|found| name::from_word(&found.name) == module);
        let subject = Subject::of(&self.paths, &self.stamp.release, module);
        let about = |record: &&Record| {
            let in_plan = record.plan.iter().any(|step| step.module == module);
            let by_name = name::from_word(record.request.as_str()) == module;
            in_plan || by_name || record.decision.module.as_deref() == Some(module) || asks_for(&subject, &record.request)
        };
        let records: Vec<&Record> = self.records.iter().filter(about).collect();
        let count = |wanted: &dyn Fn(&Record) -> bool| {
            let counts = records.iter().filter(|record| wanted(record)).map(|record| record.repeated);
            counts.fold(0_u64, u64::saturating_add)
        };
        let loader = records.iter().rev().find(|record| record.plan.iter().any(|step| step.loaded && step.module == module));
        let baseline = self.ledger.leases.get(module).and_then(|lease| lease.baseline.as_ref());
        let holders = loaded.map(|found| found.holders.clone()).unwrap_or_default();
        Answer {
            module: module.to_owned(),
            presence: self.presence(module, loaded.is_some()),
            loaded_by: loaded.and(loader).map(|record| (*record).clone()),
            requests: count(&|_| true),
            denied: count(&|record| record.outcome == Outcome::Denied || record.decision.verdict == Verdict::Deny),
            last: records.last().map(|record| (*record).clone()),
            findings: loaded.map(|_| judge(&self.paths, &self.around, &subject, baseline)).unwrap_or_default(),
            stands_for: Vec::new(),
            used_by: if depth < DEEPEST { holders.iter().map(|holder| self.answer(holder, depth + 1)).collect() } else { Vec::new() },
        }
    }

    /// The modules that a name as the kernel asks for it stands for.
    fn stands_for(&self, name: &str) -> Vec<String> {
        let Ok(name) = RequestName::new(name.as_bytes(), Origin::Device) else { return Vec::new() };
        let resolver = Resolver::open(&self.paths, &self.stamp.release);
        resolver.map(|resolver| resolver.resolve(&name).targets.into_iter().map(|target| target.module).collect()).unwrap_or_default()
    }

    fn presence(&self, module: &str, loaded: bool) -> Presence {
        let tree = kmod::tree::Tree::new(self.paths.file("/lib/modules").join(&self.stamp.release));
        if loaded {
            Presence::Loaded
        } else if tree.is_builtin(module).unwrap_or_default() {
            Presence::BuiltIn
        } else if tree.dependencies(module).is_ok_and(|line| line.is_some()) {
            Presence::Absent
        } else {
            Presence::Unknown
        }
    }
}

/// Whether a request that was denied before there was a plan stands for a module.
fn asks_for(subject: &Subject, request: &RequestName) -> bool {
    subject.aliases.iter().any(|alias| kmod::glob::matches(&alias.replace('-', "_"), &request.as_str().replace('-', "_")))
}

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    tell(&mut out, answer, "");
    out
}

/// Writing to a text cannot fail.
macro_rules! line {
    ($out:expr, $($word:tt)*) => { let _ = writeln!($out, $($word)*); };
}

fn tell(out: &mut String, answer: &Answer, indent: &str) {
    let module = &answer.module;
    match (answer.presence, &answer.loaded_by) {
        (Presence::BuiltIn, _) => {
            line!(out, "{indent}{module} is built into the kernel: nobody asked for it, and nothing can remove it");
        }
        (Presence::Unknown, _) if !answer.stands_for.is_empty() => {
            let names: Vec<String> = answer.stands_for.iter().map(|name| format!("`kerneld why {name}`")).collect();
            line!(out, "{indent}{module} is no module but a name that is asked for; see {}", names.join(", "));
        }
        (Presence::Unknown, _) => {
            line!(out, "{indent}{module} is not loaded, and this release has no such module");
        }
        (Presence::Absent, _) => {
            line!(out, "{indent}{module} is not loaded");
        }
        (Presence::Loaded, None) => {
            line!(
                out,
                "{indent}{module} is loaded, but not by a request that the journal of this boot has: by udev, at the start, or by hand"
            );
        }
        (Presence::Loaded, Some(record)) => {
            line!(out, "{indent}{module} was loaded {}", show_date(record.time));
            request(out, record, module, indent);
        }
    }
    if answer.requests > 0 {
        let denied = if answer.denied > 0 { format!(", {} denied", answer.denied) } else { String::new() };
        line!(out, "{indent}  requests about it in this boot: {}{denied}", answer.requests);
    }
    if let (None, Some(last)) = (&answer.loaded_by, &answer.last) {
        line!(out, "{indent}  the last one, {}:", show_date(last.time));
        request(out, last, module, indent);
    }
    let told: Vec<&Finding> = answer.findings.iter().filter(|finding| finding.vetoes()).collect();
    if answer.presence == Presence::Loaded {
        line!(out, "{indent}  what holds it now:{}", if told.is_empty() { " nothing" } else { "" });
    }
    for finding in told {
        match &finding.state {
            State::Holds(facts) => facts.iter().for_each(|fact| {
                line!(out, "{indent}    {:<11} {fact}", finding.row.word());
            }),
            _ => {
                line!(out, "{indent}    {:<11} {}", finding.row.word(), finding.text());
            }
        }
    }
    for user in &answer.used_by {
        line!(out, "{indent}  it is used by:");
        tell(out, user, &format!("{indent}    "));
    }
}

fn request(out: &mut String, record: &Record, module: &str, indent: &str) {
    line!(out, "{indent}  asked for as `{}` (class {})", record.request, record.class);
    for (number, requester) in record.requesters.iter().enumerate() {
        let by = if number == 0 { "by" } else { "or by" };
        let place = requester.call_site.as_ref().map(|place| format!(", in {place}")).unwrap_or_default();
        let exe = requester.exe.as_ref().map(|exe| format!(", {exe}")).unwrap_or_default();
        let login = requester.login_uid.map(|uid| format!(", logged in as {uid}")).unwrap_or_default();
        line!(out, "{indent}  {by} {}{exe}{login}{place}", who(requester));
    }
    let rule = &record.decision.rule;
    let place = rule.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    line!(out, "{indent}  decided: {} by {}{place}", verdict(&record.decision), rule.name);
    if let Some(step) = record.plan.iter().find(|step| step.module == module) {
        line!(out, "{indent}  in the plan because: {}", step.why);
    }
    if let Outcome::Failed { text, .. } = &record.outcome {
        line!(out, "{indent}  failed: {text}");
    }
}
