//! Plans for loading.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Action, LeftOut, Plan, Step, Why};
use crate::config::{Config, Rule};
use crate::file::ModuleFile;
use crate::index::softdep::Softdep;
use crate::lookup::{Match, Via, lookup};
use crate::tree::Tree;
use crate::{Error, Result, name, text};

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
    let mut planner = Planner { tree, config, request, plan: Plan::default(), visited: Visited::default() };
    let asked = Why::Asked { alias: target.alias.clone().filter(|_| target.via != Via::Path), via: target.via.clone() };
    let stopped = (target.alias.is_some() || request.blacklist_names).then(|| config.blacklisted(&target.module)).flatten();
    if let Some(rule) = stopped {
        planner.leave_out(&target.module, asked, "blacklist", rule);
        return Ok(planner.plan);
    }
    planner.run(Task::Module { module: target.clone(), why: asked, need: Need::Required })?;
    Ok(planner.plan)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// What is still to be planned. Softdeps may lead from one to the next as far as the configuration has lines, so that this is a list of
/// tasks and no recursion.
enum Task {
    /// A module with its dependencies and softdeps.
    Module { module: Match, why: Why, need: Need },
    /// A module whose dependencies are seen to, with its softdeps.
    WithSoftdeps { module: Match, path: Option<PathBuf>, why: Why, need: Need },
    /// The module alone.
    Step { module: Match, path: Option<PathBuf>, why: Why, need: Need },
    /// What a word of a softdep stands for.
    Word { word: String, why: Why },
    /// One of the modules that it stands for.
    Wish { module: Match, why: Why },
    /// The end of such a wish, which began here.
    WishEnd { module: String, why: Why, begin: Mark },
}

/// How far the plan was.
#[derive(Debug, Clone, Copy)]
struct Mark {
    steps: usize,
    left_out: usize,
    visited: usize,
}

/// Modules whose dependencies and softdeps are in the plan, by name and the alias that led to them.
#[derive(Default)]
struct Visited {
    known: HashSet<(String, Option<String>)>,
    order: Vec<(String, Option<String>)>,
}

impl Visited {
    /// Whether it is new.
    fn insert(&mut self, module: &Match) -> bool {
        let key = (module.module.clone(), module.alias.clone());
        let new = self.known.insert(key.clone());
        self.order.extend(new.then_some(key));
        new
    }

    /// Forgets all but the first ones.
    fn truncate(&mut self, length: usize) {
        for key in self.order.drain(length.min(self.order.len())..) {
            self.known.remove(&key);
        }
    }
}

/// The name that the module in a file has for the kernel, whatever the file is called.
fn own_name(path: &str) -> Option<String> {
    let modinfo = ModuleFile::open(&text::to_path(path)).and_then(|file| file.modinfo()).ok()?;
    modinfo.value("name").map(|name| name::from_word(&name))
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    request: &'a InsertRequest,
    plan: Plan,
    visited: Visited,
}

impl Planner<'_> {
    fn run(&mut self, first: Task) -> Result<()> {
        let mut waiting = vec![first];
        while let Some(task) = waiting.pop() {
            // What comes of a task is done in its order, and before what waits already.
            let from = waiting.len();
            match self.task(task, &mut waiting) {
                Err(Error::Forbidden { module, pattern, place }) => {
                    // A softdep is a wish: if a rule forbids part of it, nothing of it is done, and what it shares with others is still
                    // to be done for them.
                    let end = waiting.iter().rposition(|task| matches!(task, Task::WishEnd { .. }));
                    let Some(Task::WishEnd { module, why, begin }) = end.and_then(|end| waiting.drain(end..).next()) else {
                        return Err(Error::Forbidden { module, pattern, place });
                    };
                    self.back_to(begin);
                    self.forbidden_softdep(&module, &why);
                }
                other => other?,
            }
            if let Some(new) = waiting.get_mut(from..) {
                new.reverse();
            }
        }
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark { steps: self.plan.steps.len(), left_out: self.plan.left_out.len(), visited: self.visited.order.len() }
    }

    fn back_to(&mut self, mark: Mark) {
        self.plan.steps.truncate(mark.steps);
        self.plan.left_out.truncate(mark.left_out);
        self.visited.truncate(mark.visited);
    }

    fn task(&mut self, task: Task, next: &mut Vec<Task>) -> Result<()> {
        match task {
            Task::Module { module, why, need } => self.module(module, why, need, next)?,
            Task::WithSoftdeps { module, path, why, need } => self.with_softdeps(module, path, why, need, next),
            Task::Step { module, path, why, need } => self.step(&module, path, why, need)?,
            Task::Word { word, why } => {
                let found = lookup(self.tree, self.config, &word)?;
                next.extend(found.into_iter().map(|module| Task::Wish { module, why: why.clone() }));
            }
            Task::Wish { module, why } => {
                let end = Task::WishEnd { module: module.module.clone(), why: why.clone(), begin: self.mark() };
                next.extend([Task::Module { module, why, need: Need::Optional }, end]);
            }
            Task::WishEnd { .. } => {}
        }
        Ok(())
    }

    /// The dependencies of a module, each with its softdeps, and then the module with its own.
    fn module(&mut self, module: Match, why: Why, need: Need, next: &mut Vec<Task>) -> Result<()> {
        if !self.visited.insert(&module) {
            return Ok(());
        }
        let line = self.tree.dependencies(&module.module)?;
        // The line names users first, so that loading goes from its end.
        for listed in line.iter().flat_map(|l| l.dependencies.iter().rev()) {
            let dependency = Match::dependency(listed);
            let path = Some(self.tree.file(listed));
            next.push(Task::WithSoftdeps { module: dependency, path, why: Why::Dependency { of: module.module.clone() }, need });
        }
        let path = match (&module.via, &module.alias) {
            (Via::Path, Some(path)) => Some(text::to_path(path).into_owned()),
            _ => line.map(|l| self.tree.file(&l.path)),
        };
        next.push(if need == Need::Required && self.request.commands == Commands::Ignore {
            Task::Step { module, path, why, need }
        } else {
            Task::WithSoftdeps { module, path, why, need }
        });
        Ok(())
    }

    /// A module between the modules that its softdeps want before and after it.
    fn with_softdeps(&self, module: Match, path: Option<PathBuf>, why: Why, need: Need, next: &mut Vec<Task>) {
        let rules: Vec<&Rule<Softdep>> = self.config.softdeps_of(&module.module).collect();
        let of = module.module.clone();
        for rule in &rules {
            let why = Why::SoftdepPre { of: of.clone(), place: rule.place.clone() };
            next.extend(rule.what.pre.iter().map(|word| Task::Word { word: word.clone(), why: why.clone() }));
        }
        next.push(Task::Step { module, path, why, need });
        for rule in &rules {
            let why = Why::SoftdepPost { of: of.clone(), place: rule.place.clone() };
            next.extend(rule.what.post.iter().map(|word| Task::Word { word: word.clone(), why: why.clone() }));
        }
    }

    fn step(&mut self, module: &Match, path: Option<PathBuf>, why: Why, need: Need) -> Result<()> {
        if let Some((module, rule)) = self.forbidding(module) {
            return Err(Error::Forbidden { module, pattern: rule.pattern.clone(), place: rule.place.to_string() });
        }
        let asked = matches!(why, Why::Asked { .. });
        let ignore = asked && self.request.commands == Commands::Ignore;
        let command = self.config.install_command(&module.module).filter(|_| !ignore);
        // Of a module that has a file and no command nobody needs to know it.
        let builtin = (command.is_some() || path.is_none()) && self.tree.is_builtin(&module.module)?;
        let action = match (command, path) {
            (Some(rule), _) => Action::Install { command: rule.what.clone(), place: rule.place.clone() },
            (None, Some(path)) => Action::Insert { path },
            (None, None) if builtin => Action::Builtin,
            (None, None) => Action::Missing,
        };
        let own = self.config.options_of(&module.module, module.alias.as_deref());
        let options = if asked { own + &self.request.options } else { own };
        let required = need == Need::Required;
        self.plan.steps.push(Step { module: module.module.clone(), action, options, why, required, builtin });
        Ok(())
    }

    /// The rule that forbids a module, with the name that it forbids: that of a file may be another one than the module's own.
    fn forbidding(&self, module: &Match) -> Option<(String, &Rule<()>)> {
        if self.request.ignore_forbid {
            return None;
        }
        let name = &module.module;
        if module.via != Via::Path {
            return self.config.forbidden(&module.names()).map(|rule| (name.clone(), rule));
        }
        let of_file = self.config.forbidden(&[name]).map(|rule| (name.clone(), rule));
        of_file.or_else(|| {
            let own = module.alias.as_deref().filter(|_| !self.config.forbid.is_empty()).and_then(own_name)?;
            self.config.forbidden(&[&own]).map(|rule| (own.clone(), rule))
        })
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
