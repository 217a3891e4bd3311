//! The graph of a plan: what it does with each module, and which module brought which along, and why.

use std::collections::BTreeSet;
use std::fmt;

use super::{Edge, EdgeKind, Graph, direct};
use crate::config::Place;
use crate::kernel::Loaded;
use crate::plan::{Action, Plan, Step, Why};
use crate::tree::Tree;
use crate::{Result, name};

/// What a plan does with a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A step of the plan.
    Step {
        /// Its number, from 1.
        number: usize,
        /// What is done.
        action: Action,
        /// Options for the module, without blanks around them.
        options: String,
        /// The alias that was asked for and stands for it, if one was.
        alias: Option<String>,
    },
    /// Nothing: it is loaded already.
    Loaded,
    /// Nothing: it is built in.
    Builtin,
    /// Nothing: a rule keeps it out.
    LeftOut {
        /// The rule: `blacklist` or `forbid`.
        rule: &'static str,
        /// Where the rule stands.
        place: Place,
    },
}

impl Role {
    /// Whether something is done with the module.
    #[must_use]
    pub fn is_step(&self) -> bool {
        matches!(self, Self::Step { .. })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Step { number, action, options, alias } = self else {
            return match self {
                Self::LeftOut { rule, place } => write!(f, "left out by {rule} ({place})"),
                Self::Builtin => f.write_str("built in"),
                _ => f.write_str("already loaded"),
            };
        };
        write!(f, "step {number}")?;
        match action {
            Action::Insert { .. } | Action::Remove | Action::Builtin => {}
            Action::Install { command, place } | Action::RemoveCommand { command, place } => write!(f, " runs `{command}` ({place})")?,
            Action::Missing => f.write_str(" fails, no module has this name")?,
        }
        if !options.is_empty() {
            write!(f, " with `{options}`")?;
        }
        alias.iter().try_for_each(|alias| write!(f, ", asked for as `{alias}`"))
    }
}

impl Graph {
    /// The graph of a plan: an edge leads from each module to those that it brings along, with the reason. Modules that are `loaded`
    /// are no steps of a plan to load; to see the whole of it, give none.
    ///
    /// A plan names for a dependency the module whose line of modules.dep lists it; the graph shows who uses it directly.
    ///
    /// # Errors
    /// Those of damaged indexes.
    pub fn of_plan(tree: &Tree, plan: &Plan, loaded: &[Loaded]) -> Result<Self> {
        let mut graph = Self::default();
        let mut number = 0;
        for step in &plan.steps {
            if matches!(step.why, Why::Asked { .. }) {
                graph.roots.push(step.module.clone());
            }
            graph.edges.entry(step.module.clone()).or_default();
            if !graph.roles.contains_key(&step.module) {
                let role = role(step, loaded, number + 1);
                number += usize::from(role.is_step());
                graph.roles.insert(step.module.clone(), role);
            }
        }
        for left in &plan.left_out {
            if matches!(left.why, Why::Asked { .. }) {
                graph.roots.push(left.module.clone());
            }
            graph.edges.entry(left.module.clone()).or_default();
            let role = Role::LeftOut { rule: left.rule, place: left.place.clone() };
            graph.roles.entry(left.module.clone()).or_insert(role);
            graph.bring(&left.why, &left.module);
        }
        graph.dependencies(tree)?;
        let needed: BTreeSet<String> = graph.edges.values().flatten().map(|edge| edge.to.clone()).collect();
        for step in &plan.steps {
            let drawn = matches!(step.why, Why::Dependency { .. }) && needed.contains(&step.module);
            if !drawn {
                graph.bring(&step.why, &step.module);
            }
        }
        Ok(graph)
    }

    /// An edge to a module from the one that a reason names.
    fn bring(&mut self, why: &Why, module: &str) {
        let (from, kind) = match why {
            Why::Asked { .. } => return,
            Why::Dependency { of } => (of, EdgeKind::Symbols),
            Why::SoftdepPre { of, place } => (of, EdgeKind::SoftdepPre { place: place.clone() }),
            Why::SoftdepPost { of, place } => (of, EdgeKind::SoftdepPost { place: place.clone() }),
            Why::Holder { of } => (of, EdgeKind::Holder),
            Why::Unused { after } => (after, EdgeKind::Unused),
        };
        self.edges.entry(from.clone()).or_default().insert(Edge { to: module.to_owned(), kind });
    }

    /// Edges for the symbols that steps of a plan to load use of one another.
    fn dependencies(&mut self, tree: &Tree) -> Result<()> {
        let removes = |role: &Role| matches!(role, Role::Step { action: Action::Remove | Action::RemoveCommand { .. }, .. });
        if self.roles.values().any(removes) {
            return Ok(());
        }
        let there = self.roles.iter().filter(|(_, role)| matches!(role, Role::Step { .. } | Role::Loaded));
        let known: BTreeSet<String> = there.map(|(module, _)| module.clone()).collect();
        for (module, edges) in self.edges.iter_mut().filter(|(module, _)| known.contains(*module)) {
            let needed = direct(tree, module)?.into_iter().filter(|to| known.contains(to));
            edges.extend(needed.map(|to| Edge { to, kind: EdgeKind::Symbols }));
        }
        Ok(())
    }
}

fn role(step: &Step, loaded: &[Loaded], number: usize) -> Role {
    let is_there = || loaded.iter().any(|module| name::from_word(&module.name) == step.module);
    match &step.action {
        Action::Builtin => Role::Builtin,
        Action::Insert { .. } | Action::Install { .. } if is_there() => Role::Loaded,
        action => {
            let alias = if let Why::Asked { alias, .. } = &step.why { alias.clone() } else { None };
            Role::Step { number, action: action.clone(), options: step.options.trim().to_owned(), alias }
        }
    }
}
