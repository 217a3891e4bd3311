//! What is worth saying about a policy that has no faults.

use std::collections::{BTreeMap, BTreeSet};

use demand::policy::{Glob, Policy, Rule, show_date};
use demand::resolve::Resolver;
use demand::{Mode, Verdict, exposed};
use serde::Serialize;

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// `FILE:LINE`; empty where it is about the whole.
    pub(super) place: String,
    /// What.
    pub(super) text: String,
}

/// All remarks that need no knowledge of modules.
pub(super) fn of_policy(policy: &Policy, now: u64) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if policy.files.is_empty() {
        remarks.push(remark("", "there is no policy: everything is loaded, and recorded"));
    } else if policy.mode != Mode::Enforce {
        remarks.push(remark("", "nothing is denied: `mode` is not `enforce`"));
    }
    let mut names: BTreeMap<&str, &Rule> = BTreeMap::new();
    let mut last: Option<&Rule> = None;
    for rule in &policy.rules {
        if let Some(before) = last {
            remarks.push(remark(&rule.place, &format!("no request gets here: `{}` ({}) matches all", before.name, before.place)));
        }
        if let Some(until) = rule.until.filter(|_| !rule.counts(now)) {
            remarks.push(remark(&rule.place, &format!("`{}` ended {}", rule.name, show_date(until))));
        }
        let named = !rule.name.starts_with("rule ");
        if let Some(other) = names.insert(&rule.name, rule).filter(|_| named) {
            remarks.push(remark(
                &rule.place,
                &format!("another rule is called `{}` too ({}): records name both alike", rule.name, other.place),
            ));
        }
        last = last.or(Some(rule).filter(|rule| matches_all(rule)));
    }
    remarks
}

fn matches_all(rule: &Rule) -> bool {
    rule.classes.is_empty() && rule.requests.is_empty() && rule.modules.is_empty() && rule.requesters.is_empty() && rule.until.is_none()
}

/// Remarks about rules that name modules which the release does not have.
pub(super) fn unknown_modules(policy: &Policy, modules: &Resolver) -> kmod::Result<Vec<Remark>> {
    let builtin = modules.tree().builtin_names()?;
    let names: Vec<String> = modules.tree().modules()?.into_iter().map(|(name, _)| name).chain(builtin).collect();
    let mut remarks = Vec::new();
    for rule in &policy.rules {
        let unknown = |glob: &&Glob| !names.iter().any(|name| glob.matches(&Glob::name(name)));
        let unknown: Vec<String> = rule.modules.iter().filter(unknown).map(|glob| format!("`{glob}`")).collect();
        if !unknown.is_empty() {
            remarks.push(remark(&rule.place, &format!("no module of this release is called {}", unknown.join(", "))));
        }
    }
    Ok(remarks)
}

/// What is built in, though the policy denies it: no policy can stop that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unstoppable {
    /// The rule that names it, or the group of rarely needed things that it is in.
    pub(super) by: String,
    /// Where the rule stands; empty for a group.
    pub(super) place: String,
    /// The modules.
    pub(super) modules: Vec<String>,
    /// Holes that such modules had.
    pub(super) cves: Vec<String>,
}

/// Looks for what is built in.
pub(super) fn unstoppable(policy: &Policy, modules: &Resolver) -> kmod::Result<Vec<Unstoppable>> {
    let builtin: BTreeSet<String> = modules.tree().builtin_names()?.into_iter().collect();
    // Names that the kernel asks for, and the modules behind them that are built in.
    let mut aliases: Vec<(String, String)> = Vec::new();
    modules.tree().builtin_aliases().each(&mut |alias, value| aliases.push((alias.to_owned(), value.text)))?;
    let mut found = Vec::new();
    for rule in policy.rules.iter().filter(|rule| rule.verdict == Verdict::Deny) {
        let of_rule = |module: &str| rule.modules.iter().any(|glob| glob.matches(&Glob::name(module)));
        let mut named: BTreeSet<String> = builtin.iter().filter(|module| of_rule(module)).cloned().collect();
        let literal = |glob: &&Glob| !kmod::glob::is_pattern(glob.as_str()) || !rule.modules.is_empty();
        // A pattern over requests that catches something built in among much else says nothing; a name does.
        for glob in rule.requests.iter().filter(literal).filter(|_| rule.modules.is_empty()) {
            named.extend(aliases.iter().filter(|(alias, _)| glob.matches(&Glob::name(alias))).map(|(_, module)| module.clone()));
            named.extend(builtin.iter().filter(|module| glob.matches(&Glob::name(module))).cloned());
        }
        if !named.is_empty() {
            found.push(entry(&rule.name, &rule.place, named));
        }
    }
    for group in exposed::groups() {
        let named: BTreeSet<String> = builtin.iter().filter(|module| group.has_module(module)).cloned().collect();
        let said = |module: &String| found.iter().any(|entry: &Unstoppable| entry.modules.contains(module));
        if !named.iter().all(said) {
            found.push(entry(&format!("{}, rarely needed", group.name), "", named));
        }
    }
    Ok(found)
}

fn entry(by: &str, place: &str, modules: BTreeSet<String>) -> Unstoppable {
    let cves: BTreeSet<String> = modules.iter().flat_map(|module| exposed::cves_of(module)).map(|cve| cve.id.clone()).collect();
    Unstoppable { by: by.to_owned(), place: place.to_owned(), modules: modules.into_iter().collect(), cves: cves.into_iter().collect() }
}

fn remark(place: &str, text: &str) -> Remark {
    Remark { place: place.to_owned(), text: text.to_owned() }
}
