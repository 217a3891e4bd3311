//! Who needs whom, as a graph: of modules of a tree, of a plan, or of what is loaded; drawn as a text tree, for Graphviz, or as a
//! picture.

mod dot;
mod plan;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Place};
use crate::kernel::Loaded;
use crate::lookup::{Match, lookup};
use crate::tree::Tree;
use crate::{Result, name};

pub use plan::Role;

/// A graph of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The modules from which it was made.
    pub roots: Vec<String>,
    /// For each module what it needs, or in the graph of a plan what it brings along.
    pub edges: BTreeMap<String, BTreeSet<Edge>>,
    /// In the graph of a plan, what it does with each module; else empty.
    pub roles: BTreeMap<String, Role>,
}

/// What a module needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The module that is needed.
    pub to: String,
    /// How.
    pub kind: EdgeKind,
}

/// How a module is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// Its symbols.
    Symbols,
    /// A softdep wants it first.
    SoftdepPre {
        /// Where the softdep stands.
        place: Place,
    },
    /// A softdep wants it afterwards.
    SoftdepPost {
        /// Where the softdep stands.
        place: Place,
    },
    /// It uses the module, and so is removed before it.
    Holder,
    /// Nothing uses it once the module is removed.
    Unused,
}

impl EdgeKind {
    /// What it is called, without a place.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Symbols => "dependency",
            Self::SoftdepPre { .. } => "softdep pre",
            Self::SoftdepPost { .. } => "softdep post",
            Self::Holder => "holder",
            Self::Unused => "unused then",
        }
    }

    /// Whether the edge is a wish, without which the module works too.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        matches!(self, Self::SoftdepPre { .. } | Self::SoftdepPost { .. })
    }
}

/// With the words that stand at an edge of a plan.
impl std::fmt::Display for EdgeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SoftdepPre { place } | Self::SoftdepPost { place } => write!(f, "{} ({place})", self.word()),
            _ => f.write_str(self.word()),
        }
    }
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// A tree of lines, for a terminal.
    Tree,
    /// The language of Graphviz.
    Dot,
    /// A picture.
    Svg,
}

impl Graph {
    /// The graph of some modules of a tree, with all that they need.
    ///
    /// # Errors
    /// Those of damaged indexes.
    pub fn of_tree(tree: &Tree, config: &Config, modules: &[Match]) -> Result<Self> {
        let mut graph = Self { roots: modules.iter().map(|m| m.module.clone()).collect(), ..Self::default() };
        let mut waiting: Vec<String> = graph.roots.clone();
        while let Some(module) = waiting.pop() {
            if graph.edges.contains_key(&module) {
                continue;
            }
            let mut edges = BTreeSet::new();
            for to in direct(tree, &module)? {
                edges.insert(Edge { to, kind: EdgeKind::Symbols });
            }
            for rule in config.softdeps_of(&module) {
                let pre = EdgeKind::SoftdepPre { place: rule.place.clone() };
                let post = EdgeKind::SoftdepPost { place: rule.place.clone() };
                for (words, kind) in [(&rule.what.pre, pre), (&rule.what.post, post)] {
                    for word in words {
                        let found = lookup(tree, config, word)?;
                        edges.extend(found.into_iter().map(|m| Edge { to: m.module, kind: kind.clone() }));
                    }
                }
            }
            waiting.extend(edges.iter().map(|e| e.to.clone()));
            graph.edges.insert(module, edges);
        }
        Ok(graph)
    }

    /// The graph of loaded modules.
    #[must_use]
    pub fn of_loaded(loaded: &[Loaded]) -> Self {
        let mut edges: BTreeMap<String, BTreeSet<Edge>> = loaded.iter().map(|m| (m.name.clone(), BTreeSet::new())).collect();
        for module in loaded {
            for holder in &module.holders {
                let edge = Edge { to: module.name.clone(), kind: EdgeKind::Symbols };
                edges.entry(holder.clone()).or_default().insert(edge);
            }
        }
        let used: BTreeSet<&str> = edges.values().flatten().map(|e| e.to.as_str()).collect();
        let roots = edges.keys().filter(|m| !used.contains(m.as_str())).cloned().collect();
        Self { roots, edges, roles: BTreeMap::new() }
    }

    /// Draws it.
    #[must_use]
    pub fn draw(&self, drawing: Drawing) -> String {
        match drawing {
            Drawing::Tree => text::draw(self),
            Drawing::Dot => dot::draw(self),
            Drawing::Svg => svg::draw(self),
        }
    }

    fn needs(&self, module: &str) -> impl Iterator<Item = &Edge> {
        self.edges.get(module).into_iter().flatten()
    }
}

/// What a module needs directly: `modules.dep` lists everything, so what another dependency needs anyway is left out.
fn direct(tree: &Tree, module: &str) -> Result<Vec<String>> {
    let Some(line) = tree.dependencies(module)? else { return Ok(Vec::new()) };
    let all: Vec<String> = line.dependencies.iter().map(|d| name::from_path(d)).collect();
    let mut indirect = BTreeSet::new();
    for dependency in &all {
        if let Some(line) = tree.dependencies(dependency)? {
            indirect.extend(line.dependencies.iter().map(|d| name::from_path(d)));
        }
    }
    Ok(all.into_iter().filter(|d| !indirect.contains(d)).collect())
}
