//! From a name to plans: what the name stands for in the tree, and what modprobe.d says about it. Nothing is decided here.

use std::path::PathBuf;

use kmod::config::{Config, Sources, dirs};
use kmod::lookup::{Match, lookup};
use kmod::plan::{self, InsertRequest, Step, Why};
use kmod::tree::Tree;
use kmod::{Error, name};

use crate::{Paths, RequestName};

/// The tree of a release with the configuration that goes with it.
#[derive(Debug)]
pub struct Resolver {
    tree: Tree,
    config: Config,
}

/// What a name stands for; no target if no module has the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// A name of a device can stand for several modules, and each is loaded by itself.
    pub targets: Vec<Target>,
}

impl Resolved {
    /// Nothing can be said of a name, because the tree or the configuration cannot be read: the request ends with that error.
    #[must_use]
    pub fn faulty(name: &RequestName, error: &Error) -> Self {
        Self { targets: vec![Target { module: name.to_string(), way: faulty(error) }] }
    }
}

/// A module that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The module.
    pub module: String,
    /// How it would be loaded.
    pub way: Way,
}

/// How a module would be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By these steps, in this order.
    Plan {
        /// The steps.
        steps: Vec<Planned>,
        /// What softdeps want and a line of modprobe.d keeps out.
        left_out: Vec<String>,
    },
    /// Not at all: a line of modprobe.d keeps it out, or a module that it needs.
    Stopped {
        /// The command of that line.
        rule: &'static str,
        /// The module that the line is about.
        module: String,
        /// Where it stands.
        place: String,
    },
    /// No plan can be made: the tree is damaged.
    Faulty {
        /// The nearest number of `errno(3)`.
        errno: i32,
        /// What is wrong.
        text: String,
    },
}

/// A step with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// All modules that have to be there before it: what modules.dep lists.
    pub needs: Vec<String>,
}

impl Resolver {
    /// Reads the configuration of a system; its tree is opened when it is first asked.
    ///
    /// # Errors
    /// [`Error::Io`] for a file of the configuration that is there and cannot be read.
    pub fn open(paths: &Paths, release: &str) -> Result<Self, Error> {
        let directory = Self::directory(paths, release);
        let sources =
            Sources { paths: dirs::standard(paths.root(), "modprobe.d"), tree: Some(directory.clone()), cmdline: command_line(paths) };
        Ok(Self { tree: Tree::new(directory), config: Config::load(&sources)? })
    }

    /// The directory of a release.
    #[must_use]
    pub fn directory(paths: &Paths, release: &str) -> PathBuf {
        paths.file("/lib/modules").join(release)
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What a name stands for. A damaged index is a target that says so: the caller has to answer something.
    #[must_use]
    pub fn resolve(&self, name: &RequestName) -> Resolved {
        match lookup(&self.tree, &self.config, name.as_str()) {
            Ok(found) => Resolved { targets: found.iter().map(|found| self.target(found, name)).collect() },
            Err(error) => Resolved::faulty(name, &error),
        }
    }

    fn target(&self, found: &Match, name: &RequestName) -> Target {
        let way = match plan::insert(&self.tree, &self.config, found, &InsertRequest::default()) {
            Err(Error::Forbidden { module, place, .. }) => Way::Stopped { rule: "forbid", module, place },
            Err(error) => faulty(&error),
            Ok(plan) => match plan.left_out.iter().find(|_| plan.steps.is_empty()) {
                Some(left) => Way::Stopped { rule: left.rule, module: left.module.clone(), place: left.place.to_string() },
                None => {
                    let left_out = plan.left_out.iter().map(|left| left.module.clone()).collect();
                    self.planned(plan.steps, name).map_or_else(|error| faulty(&error), |steps| Way::Plan { steps, left_out })
                }
            },
        };
        Target { module: found.module.clone(), way }
    }

    /// The steps with what they need. The look-up has normalised the name; records and people have it as the kernel asked.
    fn planned(&self, steps: Vec<Step>, name: &RequestName) -> Result<Vec<Planned>, Error> {
        let planned = |mut step: Step| {
            if let Why::Asked { alias: Some(alias), .. } = &mut step.why {
                name.as_str().clone_into(alias);
            }
            Ok(Planned { needs: self.needs(&step.module)?, step })
        };
        steps.into_iter().map(planned).collect()
    }

    fn needs(&self, module: &str) -> Result<Vec<String>, Error> {
        let line = self.tree.dependencies(module)?;
        Ok(line.iter().flat_map(|line| &line.dependencies).map(|path| name::from_path(path)).collect())
    }
}

/// The command line of the kernel, where the files of the running system are meant.
fn command_line(paths: &Paths) -> Option<String> {
    std::fs::read(paths.file("/proc/cmdline")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn faulty(error: &Error) -> Way {
    Way::Faulty { errno: error.errno(), text: error.to_string() }
}

/// The steps that stay when some modules are left out: none that needs a module that is left out, no softdep of one that does not
/// stay, no dependency that nothing that stays needs.
#[must_use]
pub fn without(steps: &[Planned], left_out: &[String]) -> Vec<Planned> {
    let mut kept: Vec<&Planned> = steps.iter().collect();
    if left_out.is_empty() {
        return steps.to_vec();
    }
    loop {
        let stays = |planned: &&&Planned| {
            let out = |module: &String| left_out.contains(module);
            let there = |module: &String| kept.iter().any(|other| other.step.module == *module);
            let wanted = match &planned.step.why {
                Why::SoftdepPre { of, .. } | Why::SoftdepPost { of, .. } => there(of),
                Why::Dependency { .. } => kept.iter().any(|other| is_root(&other.step.why) && other.needs.contains(&planned.step.module)),
                Why::Asked { .. } | Why::Holder { .. } | Why::Unused { .. } => true,
            };
            wanted && !out(&planned.step.module) && !planned.needs.iter().any(out)
        };
        let next: Vec<&Planned> = kept.iter().filter(stays).copied().collect();
        if next.len() == kept.len() {
            return next.into_iter().cloned().collect();
        }
        kept = next;
    }
}

/// Whether a step is there for its own sake, and not because another needs it.
fn is_root(why: &Why) -> bool {
    !matches!(why, Why::Dependency { .. })
}

/// The modules without which the request would not be served: those that were asked for, and all that these need.
#[must_use]
pub fn is_required(steps: &[Planned], module: &str) -> bool {
    let asked = |planned: &&Planned| matches!(planned.step.why, Why::Asked { .. });
    steps.iter().filter(asked).any(|planned| planned.step.module == module || planned.needs.iter().any(|need| need == module))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kmod::config::Place;
    use kmod::lookup::Via;
    use kmod::plan::Action;

    use super::*;

    fn planned(module: &str, why: Why, needs: &[&str]) -> Planned {
        let step = Step { module: module.to_owned(), action: Action::Missing, options: String::new(), why, required: true, builtin: false };
        Planned { step, needs: needs.iter().map(|&need| need.to_owned()).collect() }
    }

    fn plan() -> Vec<Planned> {
        let asked = Why::Asked { alias: None, via: Via::Name };
        let soft = |of: &str| Why::SoftdepPre { of: of.to_owned(), place: Place::whole("x".into()) };
        let needed = |of: &str| Why::Dependency { of: of.to_owned() };
        vec![
            planned("base", needed("main"), &[]),
            planned("shared", needed("soft"), &[]),
            planned("own", needed("soft"), &[]),
            planned("soft", soft("main"), &["own", "shared"]),
            planned("softer", soft("soft"), &[]),
            planned("main", asked, &["base", "shared"]),
        ]
    }

    fn names(steps: &[Planned]) -> Vec<&str> {
        steps.iter().map(|planned| planned.step.module.as_str()).collect()
    }

    #[test]
    fn what_only_a_left_out_module_needs_is_left_out_too() {
        for (out, kept) in [
            (vec![], vec!["base", "shared", "own", "soft", "softer", "main"]),
            (vec!["soft"], vec!["base", "shared", "main"]),
            (vec!["own"], vec!["base", "shared", "main"]),
            (vec!["softer"], vec!["base", "shared", "own", "soft", "main"]),
        ] {
            let out: Vec<String> = out.into_iter().map(str::to_owned).collect();
            assert_eq!(names(&without(&plan(), &out)), kept, "without {out:?}");
        }
    }

    #[test]
    fn what_the_asked_module_needs_is_required_even_where_a_softdep_brought_it_first() {
        let required: Vec<bool> = plan().iter().map(|step| is_required(&plan(), &step.step.module)).collect();
        assert_eq!(required, [true, true, false, false, false, true]);
    }

    #[test]
    fn a_tree_that_is_not_there_knows_no_name() {
        let resolver = Resolver::open(&Paths::under(Path::new("/nonexistent")), "0").unwrap();
        let name = RequestName::new(b"fs-vfat", crate::Origin::Helper).unwrap();
        assert_eq!(resolver.resolve(&name), Resolved::default());
    }
}
