//! Plans for unloading.

use std::collections::{HashMap, HashSet};

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
    let mut planner = Planner { tree, config, loaded, request, plan: Plan::default(), users, begun: HashSet::new() };
    let why = Why::Asked { alias: target.alias.clone(), via: target.via.clone() };
    planner.run(Task::Module { module: target.module.clone(), why, required: true })?;
    Ok(planner.plan)
}

/// What is still to be planned. Softdeps may lead in circles, and as far as the configuration has lines, so that this is a list of tasks
/// and no recursion.
enum Task {
    /// A module, with what has to go before it and what goes with it.
    Module { module: String, why: Why, required: bool },
    /// The modules that use it.
    Holders { of: String, required: bool },
    /// The module alone, now that those are gone.
    Step { module: String, why: Why, required: bool },
    /// What a word of a softdep stands for.
    Word { word: String, why: Why },
    /// The end of the plan for one of those: if it is in use, it stays, and the plan goes on from here.
    WishEnd,
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    loaded: &'a [Loaded],
    request: &'a RemoveRequest,
    plan: Plan,
    /// The reference counts of modules that are still there at this point of the plan.
    users: HashMap<String, u64>,
    /// Modules that are in the plan, or will be when what goes before them is.
    begun: HashSet<String>,
}

impl Planner<'_> {
    fn run(&mut self, first: Task) -> Result<()> {
        let mut waiting = vec![first];
        while let Some(task) = waiting.pop() {
            // What comes of a task is done in its order, and before what waits already.
            let from = waiting.len();
            match self.task(task, &mut waiting) {
                Err(Error::InUse { module, holders }) => {
                    let Some(end) = waiting.iter().rposition(|task| matches!(task, Task::WishEnd)) else {
                        return Err(Error::InUse { module, holders });
                    };
                    waiting.truncate(end);
                    self.begun.remove(&module);
                }
                other => other?,
            }
            if let Some(new) = waiting.get_mut(from..) {
                new.reverse();
            }
        }
        Ok(())
    }

    fn task(&mut self, task: Task, next: &mut Vec<Task>) -> Result<()> {
        match task {
            Task::Module { module, why, required } => self.module(module, why, required, next),
            Task::Holders { of, required } => {
                let why = Why::Holder { of: of.clone() };
                next.extend(self.holders(&of).into_iter().map(|module| Task::Module { module, why: why.clone(), required }));
                Ok(())
            }
            Task::Step { module, why, required } => self.step(module, why, required),
            Task::Word { word, why } => {
                for found in lookup(self.tree, self.config, &word)?.into_iter().rev() {
                    next.extend([Task::Module { module: found.module, why: why.clone(), required: false }, Task::WishEnd]);
                }
                Ok(())
            }
            Task::WishEnd => Ok(()),
        }
    }

    fn command(&self, module: &str) -> Option<&Rule<String>> {
        self.config.remove_command(module).filter(|_| !self.request.ignore_commands)
    }

    fn module(&mut self, module: String, why: Why, required: bool, next: &mut Vec<Task>) -> Result<()> {
        if self.begun.contains(&module) {
            return Ok(());
        }
        if self.command(&module).is_none() && !self.users.contains_key(&module) {
            return self.absent(&module, required);
        }
        self.begun.insert(module.clone());
        let rules = if self.request.ignore_commands { Vec::new() } else { self.config.softdeps_of(&module).collect::<Vec<_>>() };
        next.extend(softdeps(&module, &rules, Side::Post));
        if self.request.holders {
            next.push(Task::Holders { of: module.clone(), required });
        }
        next.push(Task::Step { module: module.clone(), why, required });
        next.extend(softdeps(&module, &rules, Side::Pre));
        Ok(())
    }

    fn step(&mut self, module: String, why: Why, required: bool) -> Result<()> {
        if let Some(step) = self.plan.steps.iter_mut().find(|s| s.module == module) {
            // Its last holder would have taken it along.
            (step.why, step.required) = (why, required);
            return Ok(());
        }
        let command = self.command(&module).cloned();
        if command.is_none() && !self.request.in_use && self.users.get(&module).is_some_and(|&n| n > 0) {
            let holders = self.holders(&module);
            return Err(Error::InUse { module, holders });
        }
        self.gone(&module, command.as_ref(), why, required)
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
        self.plan.steps.push(removal(module, action, why, required));
        self.forget(module);
        let line = self.tree.dependencies(module)?;
        for listed in line.iter().flat_map(|l| &l.dependencies) {
            let dependency = name::from_path(listed);
            if self.users.get(&dependency) == Some(&0) {
                let why = Why::Unused { after: module.to_owned() };
                self.plan.steps.push(removal(&dependency, Action::Remove, why, false));
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
}

fn removal(module: &str, action: Action, why: Why, required: bool) -> Step {
    Step { module: module.to_owned(), action, options: String::new(), why, required, builtin: false }
}

/// Softdeps are undone in the reverse of the order in which they were loaded; what is still used stays.
fn softdeps(module: &str, rules: &[&Rule<Softdep>], side: Side) -> Vec<Task> {
    let words = |rule: &&Rule<Softdep>| {
        let (of, place) = (module.to_owned(), rule.place.clone());
        let (words, why) = match side {
            Side::Pre => (&rule.what.pre, Why::SoftdepPre { of, place }),
            Side::Post => (&rule.what.post, Why::SoftdepPost { of, place }),
        };
        words.iter().rev().map(|word| Task::Word { word: word.clone(), why: why.clone() }).collect::<Vec<_>>()
    };
    rules.iter().rev().flat_map(words).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Pre,
    Post,
}
