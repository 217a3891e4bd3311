//! What comes of the names: modules, without a policy and with it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use demand::alone::LastPolicy;
use demand::judge::judge;
use demand::resolve::{Resolved, Resolver, Way};
use demand::stamp::now;
use demand::{Class, Kind, Mode, RequestName, Requester};
use kmod::plan::{Action, Step};
use serde::Serialize;

use super::names::Names;

/// A class.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct PerClass {
    /// Names that stand for a module.
    pub(super) requests: usize,
    /// Modules that they would bring in, with what these need and their softdeps want.
    pub(super) modules: BTreeSet<String>,
    /// What is left under the policy, when it is enforced.
    pub(super) after: BTreeSet<String>,
}

/// A module.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Module {
    /// The classes in which it can be had.
    pub(super) classes: BTreeSet<Class>,
    /// The first name by which.
    pub(super) request: Option<RequestName>,
    /// Whether it is loaded already.
    pub(super) loaded: bool,
    /// Whether it can be had under the policy.
    pub(super) after: bool,
    /// The rule that keeps it out, of the first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
}

/// All classes and modules.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) classes: BTreeMap<Class, PerClass>,
    pub(super) modules: BTreeMap<String, Module>,
}

/// As whom a requester of a kind can ask: who can make a user namespace can ask from inside one as well.
pub(super) fn faces(kind: Kind) -> Vec<Requester> {
    let kinds = if kind == Kind::User { vec![Kind::User, Kind::Container] } else { vec![kind] };
    kinds.into_iter().map(|kind| Requester::bare(kind, demand::Attribution::None)).collect()
}

/// Asks for everything, as each of these requesters.
pub(super) fn count(names: &Names, faces: &[Requester], resolver: &Resolver, last: &LastPolicy, loaded: &HashSet<String>) -> Counted {
    let mut counted = Counted::default();
    let enforced = LastPolicy { policy: demand::policy::Policy { mode: Mode::Enforce, ..last.policy.clone() }, ..last.clone() };
    let now = now();
    for (class, name) in names {
        let resolved = resolver.resolve(name);
        let before = inserted(&resolved);
        if before.is_empty() {
            continue;
        }
        let mut after: BTreeSet<String> = BTreeSet::new();
        let mut rule = None;
        for face in faces {
            let judged = judge(&enforced.policy, &enforced.grants, name, std::slice::from_ref(face), &resolved, now);
            after.extend(judged.steps.iter().filter(|step| is_insert(step)).map(|step| step.module.clone()));
            rule.get_or_insert(judged.decision.rule.name);
        }
        let way = counted.classes.entry(*class).or_default();
        way.requests += 1;
        way.modules.extend(before.iter().cloned());
        way.after.extend(after.iter().cloned());
        for module in before {
            let entry = counted.modules.entry(module.clone()).or_default();
            entry.classes.insert(*class);
            entry.request.get_or_insert_with(|| name.clone());
            entry.loaded = loaded.contains(&module);
            entry.after |= after.contains(&module);
            entry.rule = if entry.after { None } else { entry.rule.take().or_else(|| rule.clone()) };
        }
    }
    counted
}

/// The modules that would be inserted, if nobody decided.
fn inserted(resolved: &Resolved) -> BTreeSet<String> {
    let plans = resolved.targets.iter().filter_map(|target| if let Way::Plan { steps, .. } = &target.way { Some(steps) } else { None });
    plans.flatten().filter(|planned| is_insert(&planned.step)).map(|planned| planned.step.module.clone()).collect()
}

fn is_insert(step: &Step) -> bool {
    matches!(step.action, Action::Insert { .. })
}
