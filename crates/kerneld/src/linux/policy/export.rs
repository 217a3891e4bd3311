//! `kerneld policy export`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use demand::policy::{Glob, Policy};
use demand::resolve::Resolver;
use demand::{Attribution, Class, Kind, Mode, Origin, Reach, RequestName, Requester, exposed};
use serde::Serialize;

use super::source::{Source, now, plan_of};
use crate::linux::cli::Failure;

const NOTES: &str =
    "Lines of modprobe.d know neither classes nor requesters: what is exported is kept from everyone, also from root. So only \
modules are exported that no device of any kind may ask for, and that the requester (--for) gets by none of their names and aliases, \
nor along with another module.

  forbid      this project's modprobe: nothing loads the module, whatever asks for it
  blacklist   every modprobe: aliases do not lead to the module; its own name still does
  install     every modprobe: /bin/false is run instead; kmod ignores the line for modules with a softdep";

/// Print what the policy denies as lines for modprobe.d
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Export {
    #[command(flatten)]
    source: Source,
    /// The lines to print for each module
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "forbid,blacklist")]
    lines: Vec<Line>,
    /// For whom a module must be denied
    #[arg(long = "for", value_name = "WHO", default_value = "unknown")]
    requester: String,
    /// Only modules that any user can ask for; else all
    #[arg(long)]
    reachable: bool,
    /// As JSON: a list of modules with their requests and holes
    #[arg(long)]
    json: bool,
}

/// A line of modprobe.d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Line {
    /// `forbid MODULE`
    Forbid,
    /// `blacklist MODULE`
    Blacklist,
    /// `install MODULE /bin/false`
    Install,
}

/// A module that nobody may have.
#[derive(Debug, Serialize)]
struct Kept {
    module: String,
    /// Names by which a user can ask for it.
    requests: Vec<String>,
    cves: Vec<&'static str>,
    #[serde(skip)]
    softdep: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let policy = Policy { mode: Mode::Enforce, ..self.source.policy()? };
        let kind: Kind = self.requester.parse().map_err(|()| format!("`{}` is no kind of requester", self.requester))?;
        let modules = self.source.modules()?;
        let mut kept = denied(&policy, &modules, &Requester { uid: None, ..Requester::bare(kind, Attribution::None) })?;
        if self.reachable {
            kept.retain(|kept| !kept.requests.is_empty());
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&kept)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(
            out,
            "# Made by `kerneld policy export` for release {}: what the policy denies to requesters of kind `{kind}`.",
            self.source.release()
        )?;
        writeln!(out, "# These lines hold for everyone, root included. {} modules.", kept.len())?;
        for Kept { module, requests, cves, softdep } in &kept {
            let facts: Vec<&str> = cves.iter().copied().chain(requests.iter().map(String::as_str).take(4)).collect();
            if !facts.is_empty() {
                writeln!(out, "# {module}: {}", facts.join(", "))?;
            }
            for line in &self.lines {
                match line {
                    Line::Forbid => writeln!(out, "forbid {module}")?,
                    Line::Blacklist => writeln!(out, "blacklist {module}")?,
                    Line::Install if *softdep => {
                        writeln!(out, "# {module} has a softdep: kmod ignores its install line\ninstall {module} /bin/false")?
                    }
                    Line::Install => writeln!(out, "install {module} /bin/false")?,
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The modules that neither the requester nor any device gets in any way.
fn denied(policy: &Policy, modules: &Resolver, requester: &Requester) -> kmod::Result<Vec<Kept>> {
    let all: BTreeSet<String> = modules.tree().modules()?.into_iter().map(|(module, _)| module).collect();
    let mut names: BTreeMap<String, BTreeSet<String>> = all.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    modules.tree().aliases().each(&mut |alias, value| {
        names.entry(value.text).or_default().insert(alias.to_owned());
    })?;
    let mut allowed = BTreeSet::new();
    let device = Requester::bare(Kind::Device, Attribution::Event);
    for (module, aliases) in &names {
        let plan = RequestName::new(module.as_bytes(), Origin::Device).map(|name| plan_of(modules, &name)).unwrap_or_default();
        for alias in aliases.iter().chain([module]) {
            let class = class_of_key(alias);
            let who = if class == Class::Modalias { &device } else { requester };
            let Ok(name) = RequestName::new(alias.as_bytes(), Origin::Device) else { continue };
            let decision = super::simulate::decide_plan(policy, &[], &name, class, std::slice::from_ref(who), &plan, now());
            if decision.loads() {
                allowed.extend(plan.iter().map(|step| Glob::name(&step.module)).filter(|module| !decision.left_out.contains(module)));
                break;
            }
        }
    }
    let reachable = |alias: &&String| class_of_key(alias).reach() != Reach::Privileged;
    let kept = names.into_iter().filter(|(module, _)| all.contains(module) && !allowed.contains(&Glob::name(module)));
    let kept = kept.map(|(module, aliases)| Kept {
        requests: aliases.iter().filter(reachable).cloned().collect(),
        cves: exposed::cves_of(&module).map(|cve| cve.id.as_str()).collect(),
        softdep: modules.config().softdeps_of(&module).next().is_some(),
        module: module.clone(),
    });
    Ok(kept.collect())
}

/// The class of a key of an index, which has underscores where the kernel may write dashes.
fn class_of_key(alias: &str) -> Class {
    match Class::of(alias) {
        Class::Name => Class::of(&alias.replace('_', "-")),
        class => class,
    }
}
