//! Plans for loading.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Action, LeftOut, Plan, Step, Why};
use crate::config::{Config, Rule};
use crate::index::softdep::Softdep;
use crate::lookup::{Match, Via, lookup};
use crate::tree::Tree;
use crate::{Error, Result, name};

/// Whether `install` commands and softdeps of the module that was asked for are obeyed (`-i` ignores them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commands {
    /// Yes.
    #[default]
    Obey,
    /// No: the file is loaded. Those of its dependencies still count.
    Ignore,
}

/// How a module is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct InsertRequest {
    /// Options from the caller, behind those of the configuration.
    pub options: String,
    /// Whether commands are obeyed.
    pub commands: Commands,
    /// Whether a `blacklist` line also stops a module that was named itself (`-b`). Aliases are always stopped.
    pub blacklist_names: bool,
    /// Whether `forbid` lines are obeyed; the default is that they are not ignored.
    pub ignore_forbid: bool,
}

/// Plans the loading of one module that [`lookup`] found. Whether modules are already in the kernel is not looked at: that may change
/// until the plan is carried out.
///
/// # Errors
/// [`Error::Forbidden`] if a rule forbids the module or one that it needs; those of damaged indexes.
pub fn insert(tree: &Tree, config: &Config, target: &Match, request: &InsertRequest) -> Result<Plan> {
    let mut planner = Planner { tree, config, request, plan: Plan::default(), visited: HashSet::new() };
    let asked = Why::Asked { alias: target.alias.clone().filter(|_| target.via != Via::Path), via: target.via.clone() };
    let stopped = (target.alias.is_some() || request.blacklist_names).then(|| config.blacklisted(&target.module)).flatten();
    if let Some(rule) = stopped {
        planner.leave_out(&target.module, asked, "blacklist", rule);
        return Ok(planner.plan);
    }
    planner.with_dependencies(target, asked, Need::Required)?;
    Ok(planner.plan)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    request: &'a InsertRequest,
    plan: Plan,
    /// Modules whose dependencies and softdeps are in the plan, by name and the alias that led to them.
    visited: HashSet<(String, Option<String>)>,
}

impl Planner<'_> {
    /// The dependencies of a module, each with its softdeps, and then the module with its own.
    fn with_dependencies(&mut self, module: &Match, why: Why, need: Need) -> Result<()> {
        if !self.visited.insert((module.module.clone(), module.alias.clone())) {
            return Ok(());
        }
        let line = self.tree.dependencies(&module.module)?;
        // The line names users first, so that loading goes from its end.
        for listed in line.iter().flat_map(|l| l.dependencies.iter().rev()) {
            let dependency = Match { module: name::from_path(listed), alias: None, via: Via::Name };
            let path = self.tree.file(listed);
            self.with_softdeps(&dependency, Some(path), Why::Dependency { of: module.module.clone() }, need)?;
        }
        let path = match (&module.via, &module.alias) {
            (Via::Path, Some(path)) => Some(PathBuf::from(path)),
            _ => line.map(|l| self.tree.file(&l.path)),
        };
        if need == Need::Required && self.request.commands == Commands::Ignore {
            return self.step(module, path, why, need);
        }
        self.with_softdeps(module, path, why, need)
    }

    /// A module between the modules that its softdeps want before and after it.
    fn with_softdeps(&mut self, module: &Match, path: Option<PathBuf>, why: Why, need: Need) -> Result<()> {
        let rules: Vec<&Rule<Softdep>> = self.config.softdeps_of(&module.module).collect();
        for rule in &rules {
            let why = Why::SoftdepPre { of: module.module.clone(), place: rule.place.clone() };
            self.softdeps(&rule.what.pre, &why)?;
        }
        self.step(module, path, why, need)?;
        for rule in &rules {
            let why = Why::SoftdepPost { of: module.module.clone(), place: rule.place.clone() };
            self.softdeps(&rule.what.post, &why)?;
        }
        Ok(())
    }

    fn softdeps(&mut self, words: &[String], why: &Why) -> Result<()> {
        for word in words {
            for found in lookup(self.tree, self.config, word)? {
                let (steps, left_out) = (self.plan.steps.len(), self.plan.left_out.len());
                let visited = self.visited.clone();
                match self.with_dependencies(&found, why.clone(), Need::Optional) {
                    // A softdep is a wish: if a rule forbids part of it, nothing of it is done, and what it shares with others is
                    // still to be done for them.
                    Err(Error::Forbidden { .. }) => {
                        self.plan.steps.truncate(steps);
                        self.plan.left_out.truncate(left_out);
                        self.visited = visited;
                        self.forbidden_softdep(&found.module, why);
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, module: &Match, path: Option<PathBuf>, why: Why, need: Need) -> Result<()> {
        if let Some(rule) = self.forbidding(module) {
            let (pattern, place) = (rule.pattern.clone(), rule.place.to_string());
            return Err(Error::Forbidden { module: module.module.clone(), pattern, place });
        }
        let asked = matches!(why, Why::Asked { .. });
        let ignore = asked && self.request.commands == Commands::Ignore;
        let command = self.config.install_command(&module.module).filter(|_| !ignore);
        let action = match (command, path) {
            (Some(rule), _) => Action::Install { command: rule.what.clone(), place: rule.place.clone() },
            (None, Some(path)) => Action::Insert { path },
            (None, None) if self.tree.is_builtin(&module.module)? => Action::Builtin,
            (None, None) => Action::Missing,
        };
        let own = self.config.options_of(&module.module, module.alias.as_deref());
        let options = if asked { own + &self.request.options } else { own };
        self.plan.steps.push(Step { module: module.module.clone(), action, options, why, required: need == Need::Required });
        Ok(())
    }

    fn forbidding(&self, module: &Match) -> Option<&Rule<()>> {
        if self.request.ignore_forbid {
            return None;
        }
        let mut names = vec![module.module.as_str()];
        names.extend(module.alias.as_deref().filter(|_| module.via != Via::Path));
        self.config.forbidden(&names)
    }

    fn forbidden_softdep(&mut self, module: &str, why: &Why) {
        let config = self.config;
        if let Some(rule) = config.forbidden(&[module]) {
            self.leave_out(module, why.clone(), "forbid", rule);
        }
    }

    fn leave_out(&mut self, module: &str, why: Why, rule: &'static str, line: &Rule<()>) {
        self.plan.left_out.push(LeftOut { module: module.to_owned(), why, rule, place: line.place.clone() });
    }
}
