//! What rmmod will do, computed from the module list before anything is removed.

use kmod::kernel::Loaded;
use std::collections::HashSet;

/// Whether modules that the named ones were stacked on go too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only what is named.
    Named,
    /// Also every module all of whose referrers go (`-r`).
    Stack,
}

/// Why a named module cannot go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not in the list.
    NotLoaded { name: String },
    /// These modules refer to it, and they stay.
    InUse { name: String, holders: Vec<String> },
    /// A module refers to it that the list does not show before it: the list contradicts itself.
    StrangeReference { name: String, holder: String },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLoaded { name } => write!(f, "Module {name} is not currently loaded"),
            Self::InUse { name, holders } => write!(f, "Module {name} is in use by: {}", holders.join(" ")),
            Self::StrangeReference { name, holder } => {
                write!(f, "Strange reference in /proc/modules: '{name}' used by '{holder}'?")
            }
        }
    }
}

/// The removals in order, and the names that are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Modules to remove, dependents before what they depend on.
    pub(super) removals: Vec<String>,
    /// Named modules that stay.
    pub(super) refusals: Vec<Refusal>,
}

/// Makes the plan of `rmmod NAME…` from the list, which is newest first, so that referrers come before what they refer to.
///
/// This is the walk of Linux 2.0's `rmmod -r`: an entry goes if it is named (or, with `-r`, has referrers) and every referrer goes.
pub(super) fn plan(modules: &[Loaded], names: &[String], reach: Reach) -> Plan {
    let mut plan = Plan::default();
    let named: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut told = HashSet::new();
    for name in names {
        let loaded = modules.iter().any(|module| module.name == *name);
        if !loaded && told.insert(name) {
            plan.refusals.push(Refusal::NotLoaded { name: name.clone() });
        }
    }
    let mut gone: HashSet<&str> = HashSet::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for module in modules {
        seen.insert(&module.name);
        let is_named = named.contains(module.name.as_str());
        let stacked =
            reach == Reach::Stack && !module.holders.is_empty() && module.holders.iter().any(|holder| gone.contains(holder.as_str()));
        if !is_named && !stacked {
            continue;
        }
        match staying(module, &seen, &gone) {
            None => {
                gone.insert(&module.name);
                plan.removals.push(module.name.clone());
            }
            Some(refusal) if is_named || matches!(refusal, Refusal::StrangeReference { .. }) => plan.refusals.push(refusal),
            Some(_) => {}
        }
    }
    plan
}

/// Why a module has to stay because of its referrers, if it has to.
fn staying(module: &Loaded, seen: &HashSet<&str>, gone: &HashSet<&str>) -> Option<Refusal> {
    let strange = module.holders.iter().find(|holder| !seen.contains(holder.as_str()));
    if let Some(holder) = strange {
        return Some(Refusal::StrangeReference { name: module.name.clone(), holder: holder.clone() });
    }
    let holders: Vec<String> = module.holders.iter().filter(|holder| !gone.contains(holder.as_str())).cloned().collect();
    if holders.is_empty() { None } else { Some(Refusal::InUse { name: module.name.clone(), holders }) }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Reach, Refusal, plan};
    use kmod::kernel::Loaded;

    fn list(modules: &[(&str, &[&str])]) -> Vec<Loaded> {
        let loaded = |(name, holders): &(&str, &[&str])| Loaded {
            name: (*name).to_owned(),
            size: 4096,
            refcnt: Some(0),
            holders: holders.iter().map(|holder| (*holder).to_owned()).collect(),
            state: "Live".to_owned(),
            flags: String::new(),
        };
        modules.iter().map(loaded).collect()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn several_names_are_sorted_by_dependency() {
        let modules = list(&[("vfat", &[]), ("fat", &["vfat"])]);
        let made = plan(&modules, &words(&["fat", "vfat"]), Reach::Named);
        assert_eq!(made, Plan { removals: words(&["vfat", "fat"]), refusals: vec![] });
    }

    #[test]
    fn a_stack_goes_with_its_top_unless_something_else_stands_on_it() {
        let modules = list(&[("vfat", &[]), ("fat", &["vfat"])]);
        assert_eq!(plan(&modules, &words(&["vfat"]), Reach::Stack).removals, ["vfat", "fat"]);
        assert_eq!(plan(&modules, &words(&["vfat"]), Reach::Named).removals, ["vfat"]);
        let shared = list(&[("msdos", &[]), ("vfat", &[]), ("fat", &["msdos", "vfat"])]);
        let made = plan(&shared, &words(&["vfat"]), Reach::Stack);
        assert_eq!(made, Plan { removals: words(&["vfat"]), refusals: vec![] });
    }

    #[test]
    fn what_cannot_go_is_refused_with_the_reason() {
        let modules = list(&[("vfat", &[]), ("fat", &["vfat"])]);
        let made = plan(&modules, &words(&["fat", "nfs", "nfs"]), Reach::Named);
        assert!(made.removals.is_empty());
        let wanted = [Refusal::NotLoaded { name: "nfs".into() }, Refusal::InUse { name: "fat".into(), holders: words(&["vfat"]) }];
        assert_eq!(made.refusals, wanted);
        let strange = list(&[("fat", &["vfat"]), ("vfat", &[])]);
        let made = plan(&strange, &words(&["fat"]), Reach::Stack);
        assert_eq!(made.refusals, [Refusal::StrangeReference { name: "fat".into(), holder: "vfat".into() }]);
    }
}
