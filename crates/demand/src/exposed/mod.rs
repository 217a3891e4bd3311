//! What any user can have loaded and few machines need, with the holes that were found in it: a data file that is part of the program.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::Class;
use crate::policy::Glob;

/// The data file.
pub const TEXT: &str = include_str!("exposed.toml");

/// A way into the kernel that few machines need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// The class of most of its requests.
    pub class: Class,
    /// Patterns of the names that the kernel asks for.
    pub requests: Vec<String>,
    /// Patterns of modules.
    pub modules: Vec<String>,
    /// What a program does to have them loaded.
    pub trigger: String,
    /// Who would miss them.
    pub needed_by: String,
    /// Holes.
    #[serde(default, rename(deserialize = "cve"))]
    pub cves: Vec<Cve>,
}

/// A hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cve {
    /// Its number.
    pub id: String,
    /// What it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The modules that had it.
    pub modules: Vec<String>,
    /// Written down from general knowledge: to be looked up before it is quoted.
    #[serde(default)]
    pub confirm: bool,
}

#[derive(Deserialize)]
struct File {
    group: Vec<Group>,
}

/// All groups.
#[must_use]
pub fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    // The file is part of the program, and a test reads it.
    GROUPS.get_or_init(|| toml::from_str::<File>(TEXT).map(|file| file.group).unwrap_or_default())
}

/// The groups that a module is in.
pub fn of_module(module: &str) -> impl Iterator<Item = &'static Group> {
    let name = Glob::name(module);
    groups().iter().filter(move |group| any(&group.modules, &name))
}

/// The holes that a module had.
pub fn cves_of(module: &str) -> impl Iterator<Item = &'static Cve> {
    let name = Glob::name(module);
    groups().iter().flat_map(|group| &group.cves).filter(move |cve| any(&cve.modules, &name))
}

impl Group {
    /// Whether a request goes this way.
    #[must_use]
    pub fn has_request(&self, name: &str) -> bool {
        any(&self.requests, &Glob::name(name))
    }

    /// Whether a module is of this group.
    #[must_use]
    pub fn has_module(&self, module: &str) -> bool {
        any(&self.modules, &Glob::name(module))
    }
}

fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().filter_map(|pattern| Glob::new(pattern)).any(|glob| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_file_is_read_and_makes_sense() {
        let file: File = toml::from_str(TEXT).expect("the data file");
        assert_eq!(file.group.len(), groups().len());
        assert!(groups().len() >= 15);
        let names: BTreeSet<_> = groups().iter().map(|group| &group.name).collect();
        assert_eq!(names.len(), groups().len(), "names are unique");
        for group in groups() {
            assert!(group.requests.iter().chain(&group.modules).all(|pattern| Glob::new(pattern).is_some()), "{}", group.name);
            let own = group.requests.iter().any(|request| Class::of(request) == group.class);
            assert!(own, "{}: no request is of class {}", group.name, group.class);
            for cve in &group.cves {
                let digits = cve.id.strip_prefix("CVE-").and_then(|id| id.split_once('-')).expect("a number");
                assert!(digits.0.len() == 4 && digits.0.parse::<u32>().is_ok() && digits.1.parse::<u32>().is_ok(), "{}", cve.id);
                assert!(!cve.modules.is_empty() && cve.modules.iter().all(|module| group.has_module(module)), "{}", cve.id);
            }
        }
    }

    #[test]
    fn modules_are_found_by_either_spelling() {
        let ids: Vec<_> = cves_of("algif-aead").map(|cve| cve.id.as_str()).collect();
        assert_eq!(ids, ["CVE-2026-31431"]);
        assert_eq!(of_module("nft_compat").map(|group| group.name.as_str()).collect::<Vec<_>>(), ["nf-tables"]);
        assert!(of_module("vfat").next().is_none());
        let esp = groups().iter().find(|group| group.name == "ipsec").unwrap();
        assert!(esp.has_request("xfrm-type-10-50") && !esp.has_request("fs-ext4"));
    }
}
