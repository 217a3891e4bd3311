//! Plans for unloading.

use std::collections::HashMap;

use super::{Action, Plan, Step, Why};
use crate::config::{Config, Rule};
use crate::index::softdep::Softdep;
use crate::kernel::Loaded;
use crate::lookup::{Match, lookup};
use crate::tree::Tree;
use crate::{Error, Result, name};

/// How a module is to be unloaded.
#[derive(Debug, Clone, Default)]
pub struct RemoveRequest {
    /// Whether modules that use it go first (`--remove-holders`).
    pub holders: bool,
    /// Whether `remove` commands and softdeps are ignored (`-i`).
    pub ignore_commands: bool,
    /// Whether a module that is not there is an error (`--first-time`).
    pub first_time: bool,
    /// Whether a module in use is planned for removal all the same, because the kernel is asked again later (`--wait`) or forced.
    pub in_use: bool,
}

/// Plans the unloading of one module, given what is loaded.
///
/// The module goes after what its softdeps put behind it, and before modules that nothing else uses then.
///
/// # Errors
/// [`Error::InUse`], [`Error::Builtin`]; with `first_time` [`Error::NotLoaded`]; those of damaged indexes.
pub fn remove(tree: &Tree, config: &Config, loaded: &[Loaded], target: &Match, request: &RemoveRequest) -> Result<Plan> {
    let users = loaded.iter().map(|m| (name::from_word(&m.name), m.refcnt.unwrap_or_default())).collect();
    let mut planner = Planner { tree, config, loaded, request, plan: Plan::default(), users };
    let why = Why::Asked { alias: target.alias.clone(), via: target.via.clone() };
    planner.module(&target.module, why, true)?;
    Ok(planner.plan)
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    loaded: &'a [Loaded],
    request: &'a RemoveRequest,
    plan: Plan,
    /// The reference counts of modules that are still there at this point of the plan.
    users: HashMap<String, u64>,
}

impl Planner<'_> {
    fn module(&mut self, module: &str, why: Why, required: bool) -> Result<()> {
        let command = self.config.remove_command(module).filter(|_| !self.request.ignore_commands);
        if command.is_none() && !self.users.contains_key(module) {
            return self.absent(module, required);
        }
        let softdeps = if self.request.ignore_commands { Vec::new() } else { self.config.softdeps_of(module).collect::<Vec<_>>() };
        self.softdeps(module, &softdeps, Side::Post)?;
        if self.request.holders {
            for holder in self.holders(module) {
                self.module(&holder, Why::Holder { of: module.to_owned() }, required)?;
            }
        }
        if let Some(step) = self.plan.steps.iter_mut().find(|s| s.module == module) {
            // Its last holder would have taken it along.
            (step.why, step.required) = (why, required);
            return self.softdeps(module, &softdeps, Side::Pre);
        }
        if command.is_none() && !self.request.in_use && self.users.get(module).is_some_and(|&n| n > 0) {
            return Err(Error::InUse { module: module.to_owned(), holders: self.holders(module) });
        }
        self.gone(module, command, why, required)?;
        self.softdeps(module, &softdeps, Side::Pre)
    }

    /// A module that is not there need not be removed, unless the caller insists; one that is built in cannot be.
    fn absent(&self, module: &str, required: bool) -> Result<()> {
        let module = module.to_owned();
        if required && self.tree.is_builtin(&module)? {
            return Err(Error::Builtin { module });
        }
        if required && self.request.first_time { Err(Error::NotLoaded { module }) } else { Ok(()) }
    }

    /// The step itself, and the dependencies that nothing uses after it.
    fn gone(&mut self, module: &str, command: Option<&Rule<String>>, why: Why, required: bool) -> Result<()> {
        let action = command.map_or(Action::Remove, |rule| Action::RemoveCommand { command: rule.what.clone(), place: rule.place.clone() });
        self.plan.steps.push(Step { module: module.to_owned(), action, options: String::new(), why, required });
        self.forget(module);
        let line = self.tree.dependencies(module)?;
        for listed in line.iter().flat_map(|l| &l.dependencies) {
            let dependency = name::from_path(listed);
            if self.users.get(&dependency) == Some(&0) {
                let why = Why::Unused { after: module.to_owned() };
                let step = Step { module: dependency.clone(), action: Action::Remove, options: String::new(), why, required: false };
                self.plan.steps.push(step);
                self.forget(&dependency);
            }
        }
        Ok(())
    }

    /// Takes a module out of the counts of those that it uses.
    fn forget(&mut self, module: &str) {
        if self.users.remove(module).is_none() {
            return;
        }
        for used in self.loaded.iter().filter(|m| m.holders.iter().any(|h| name::from_word(h) == module)) {
            if let Some(count) = self.users.get_mut(&name::from_word(&used.name)) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// The modules that use this one and are still there.
    fn holders(&self, module: &str) -> Vec<String> {
        let entry = self.loaded.iter().find(|m| name::from_word(&m.name) == module);
        let names = entry.into_iter().flat_map(|m| &m.holders).map(|h| name::from_word(h));
        names.filter(|h| self.users.contains_key(h)).collect()
    }

    /// Softdeps are undone in the reverse of the order in which they were loaded; what is still used stays.
    fn softdeps(&mut self, module: &str, rules: &[&Rule<Softdep>], side: Side) -> Result<()> {
        for rule in rules.iter().rev() {
            let (words, why) = match side {
                Side::Pre => (&rule.what.pre, Why::SoftdepPre { of: module.to_owned(), place: rule.place.clone() }),
                Side::Post => (&rule.what.post, Why::SoftdepPost { of: module.to_owned(), place: rule.place.clone() }),
            };
            for word in words.iter().rev() {
                for found in lookup(self.tree, self.config, word)?.into_iter().rev() {
                    match self.module(&found.module, why.clone(), false) {
                        Err(Error::InUse { .. }) => {}
                        other => other?,
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Pre,
    Post,
}
