//! `kerneld policy explain`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use demand::judge::judge;
use demand::policy::{Condition, Grant, Policy, Who};
use demand::resolve::{Resolved, Way};
use demand::{Attribution, Class, Decision, Device, Kind, Mode, Origin, Outcome, Reach, RequestName, Requester, Verdict, exposed};
use serde::Serialize;

use super::source::{Source, now};
use crate::linux::cli::Failure;

/// Say what would be decided on a request, for whom, by which rule, and what it would load
#[derive(Debug, Args)]
#[command(after_help = "A requester is written as in a rule: root, service, user, container, kernel, device, unknown, uid:1000, \
unit:nginx.service, exe:/usr/bin/mount, removable, bus:usb, joined by + where several hold. Exit status 1 if somebody is denied.")]
pub(super) struct Explain {
    /// What the kernel would ask for: net-pf-38, fs-vfat, a module, a modalias
    name: String,
    /// Who asks (may be repeated: then one of them, it is not known which); by default every kind in turn
    #[arg(short, long, value_name = "WHO", value_parser = requester)]
    requester: Vec<Requester>,
    #[command(flatten)]
    source: Source,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// All that is said.
#[derive(Debug, Serialize)]
struct Explanation {
    request: RequestName,
    class: Class,
    reach: Reach,
    modules: Vec<Explained>,
    decisions: Vec<Decided>,
}

/// A module that would come in.
#[derive(Debug, Serialize)]
struct Explained {
    module: String,
    why: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cves: Vec<&'static str>,
}

/// What is decided for somebody.
#[derive(Debug, Serialize)]
struct Decided {
    requester: String,
    #[serde(flatten)]
    decision: Decision,
    loads: bool,
}

/// A requester of whom the words hold.
fn requester(text: &str) -> Result<Requester, String> {
    let who = Who::parse(text).ok_or_else(|| format!("`{text}` is no requester"))?;
    let mut requester = Requester { device: None, ..Requester::bare(Kind::User, Attribution::Peer) };
    let mut device = Device::default();
    for condition in who.0 {
        match condition {
            Condition::Kind(kind) => requester.kind = kind,
            Condition::Uid { from, .. } => requester.uid = Some(from),
            Condition::Unit(unit) => (requester.unit, requester.kind) = (Some(unit), Kind::Service),
            Condition::Exe(exe) => requester.exe = Some(exe),
            Condition::Removable => (device.removable, requester.kind) = (Some("removable".to_owned()), Kind::Device),
            Condition::Bus(bus) => (device.bus, requester.kind) = (bus, Kind::Device),
        }
    }
    if requester.kind == Kind::User && requester.uid == Some(0) {
        requester.kind = Kind::Root;
    }
    if requester.kind == Kind::Device {
        requester.device = Some(device);
    }
    if requester.kind == Kind::Unknown {
        return Ok(Requester::unknown());
    }
    Ok(requester)
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let request = RequestName::new(self.name.as_bytes(), Origin::Device)?;
        let (policy, grants) = (self.source.policy()?, self.source.grants()?);
        let resolved = self.source.modules()?.resolve(&request);
        let class = Class::of(request.as_str());
        let decisions = self.decisions(&policy, &grants, &request, &resolved);
        let explanation = Explanation { class, reach: class.reach(), modules: modules(&resolved), decisions, request };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?;
        } else {
            explanation.print(&mut out)?;
        }
        let all = explanation.decisions.iter().all(|decided| decided.loads);
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn decisions(&self, policy: &Policy, grants: &[Grant], request: &RequestName, resolved: &Resolved) -> Vec<Decided> {
        let decide = |requester: String, who: &[Requester]| {
            let judged = judge(policy, grants, request, who, resolved, now());
            let loads = !matches!(judged.ends, Some(Outcome::Denied));
            Decided { requester, decision: judged.decision, loads }
        };
        if !self.requester.is_empty() {
            let words: Vec<String> = self.requester.iter().map(who).collect();
            return vec![decide(words.join(" or "), &self.requester)];
        }
        Kind::all().map(|kind| decide(kind.to_string(), &[of_kind(kind)])).collect()
    }
}

fn of_kind(kind: Kind) -> Requester {
    match kind {
        Kind::Unknown => Requester::unknown(),
        Kind::Root => Requester { uid: Some(0), ..Requester::bare(kind, Attribution::Peer) },
        Kind::Device => Requester { device: Some(Device::default()), ..Requester::bare(kind, Attribution::Peer) },
        _ => Requester::bare(kind, Attribution::Peer),
    }
}

fn who(requester: &Requester) -> String {
    requester.uid.map_or_else(|| requester.kind.to_string(), |uid| format!("{} (uid {uid})", requester.kind))
}

fn modules(resolved: &Resolved) -> Vec<Explained> {
    let mut modules: Vec<Explained> = Vec::new();
    let explained = |module: &str, why: String| {
        let cves = exposed::cves_of(module).map(|cve| cve.id.as_str()).collect();
        Explained { module: module.to_owned(), why, cves }
    };
    for target in &resolved.targets {
        match &target.way {
            Way::Plan { steps, .. } => {
                for step in steps.iter().map(|planned| &planned.step) {
                    if !modules.iter().any(|known| known.module == step.module) {
                        let builtin = if step.action == kmod::plan::Action::Builtin { ", built in" } else { "" };
                        modules.push(explained(&step.module, format!("{}{builtin}", step.why)));
                    }
                }
            }
            Way::Stopped { rule, module, place } => modules.push(explained(&target.module, format!("`{rule} {module}` ({place})"))),
            Way::Faulty { text, .. } => modules.push(explained(&target.module, text.clone())),
        }
    }
    modules
}

impl Explanation {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let reach = match self.reach {
            Reach::Anyone => "any process can make the kernel ask",
            Reach::UserNamespace => "a process in a user namespace of its own can make the kernel ask",
            Reach::Privileged => "only the administrator or hardware makes the kernel ask",
        };
        writeln!(out, "{}: class {}, {reach}", self.request, self.class)?;
        if self.modules.is_empty() {
            writeln!(out, "  no module has this name")?;
        }
        for Explained { module, why, cves } in &self.modules {
            let holes = if cves.is_empty() { String::new() } else { format!("; {}", cves.join(", ")) };
            writeln!(out, "  {module}: {why}{holes}")?;
        }
        for Decided { requester, decision, loads } in &self.decisions {
            let verdict = match (decision.verdict, loads) {
                (Verdict::Allow, _) => "allow",
                (Verdict::Audit, _) => "audit",
                (Verdict::Deny, true) if decision.mode != Mode::Enforce => "deny (not enforced)",
                // Nothing would come in anyway.
                (Verdict::Deny, true) => "deny",
                (Verdict::Deny, false) => "deny",
            };
            let place = decision.rule.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            let module = decision.module.as_ref().map(|module| format!(", because of `{module}`")).unwrap_or_default();
            let without = if decision.left_out.is_empty() { String::new() } else { format!(", without {}", decision.left_out.join(", ")) };
            writeln!(out, "{requester:<10} {verdict:<20} {}{place}{module}{without}", decision.rule.name)?;
            if let Some(reason) = &decision.reason {
                writeln!(out, "{:<32}{reason}", "")?;
            }
        }
        Ok(())
    }
}
