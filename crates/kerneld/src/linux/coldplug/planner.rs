//! From a modalias to a plan: the tree and the configuration are opened once for all devices.

use std::path::PathBuf;

use demand::Paths;
use kmod::config::dirs;
use kmod::config::modprobe::{Config, Sources};
use kmod::plan::{InsertRequest, Plan, insert};
use kmod::tree::Tree;
use kmod::{Error, Result, linux, lookup, name};

/// Where the trees of modules are, the usual place first.
const TREES: &[&str] = &["/lib/modules", "/usr/lib/modules"];

/// A module tree and the configuration for it.
#[derive(Debug)]
pub(in crate::linux) struct Planner {
    tree: Tree,
    config: Config,
}

/// What a name stands for.
#[derive(Debug)]
pub(in crate::linux) enum Planned {
    /// No module.
    Nothing,
    /// These steps; none, if blacklists keep all of its modules out.
    Steps(Plan),
    /// A `forbid` line is about a module that cannot be left out.
    Forbidden(Error),
}

impl Planner {
    /// Opens the tree of a release.
    ///
    /// # Errors
    /// Where the configuration cannot be read.
    pub(in crate::linux) fn open(paths: &Paths, release: &str) -> Result<Self> {
        let of = |tree: &&str| paths.file(tree).join(release);
        let directory = TREES.iter().map(|tree| of(&tree)).find(|path| path.is_dir()).unwrap_or_else(|| of(&TREES[0]));
        let own = paths.root() == std::path::Path::new("/");
        let sources = Sources {
            paths: dirs::standard(paths.root(), "modprobe.d"),
            tree: Some(directory.clone()),
            cmdline: if own { linux::command_line() } else { None },
        };
        Ok(Self { tree: Tree::new(directory), config: Config::load(&sources)? })
    }

    /// The folder of the release.
    pub(in crate::linux) fn directory(&self) -> PathBuf {
        self.tree.directory().to_owned()
    }

    /// The tree itself.
    pub(in crate::linux) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What is to be done for a name, as `modprobe -b` would.
    ///
    /// # Errors
    /// Those of damaged indexes.
    pub(in crate::linux) fn plan(&self, word: &str) -> Result<Planned> {
        let found = match lookup::lookup(&self.tree, &self.config, word) {
            Ok(found) => found,
            // No index has a name with such a bracket.
            Err(Error::UnmatchedBracket { .. }) => return Ok(Planned::Nothing),
            Err(error) => return Err(error),
        };
        if found.is_empty() {
            return Ok(Planned::Nothing);
        }
        let request = InsertRequest { blacklist_names: true, ..InsertRequest::default() };
        let mut whole = Plan::default();
        let mut forbidden = None;
        for module in &found {
            match insert(&self.tree, &self.config, module, &request) {
                Ok(plan) => {
                    whole.steps.extend(plan.steps);
                    whole.left_out.extend(plan.left_out);
                }
                Err(error @ Error::Forbidden { .. }) => forbidden = Some(error),
                Err(error) => return Err(error),
            }
        }
        match forbidden {
            Some(error) if whole.steps.is_empty() => Ok(Planned::Forbidden(error)),
            _ => Ok(Planned::Steps(whole)),
        }
    }

    /// The modules that a module uses, all of them; nothing for one that is not in the tree.
    pub(in crate::linux) fn dependencies(&self, module: &str) -> Vec<String> {
        let line = self.tree.dependencies(module).ok().flatten();
        line.iter().flat_map(|line| &line.dependencies).map(|path| name::from_path(path)).collect()
    }
}
