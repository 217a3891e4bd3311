//! Everything that an initramfs needs for some modules: their dependencies, what softdeps and weakdeps name, and firmware.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::file::ModuleFile;
use crate::lookup::{Match, find, lookup};
use crate::tree::Tree;
use crate::{Result, name, text};

/// What some modules need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Closure {
    /// The modules with files, in the order in which they were reached.
    pub modules: Vec<Member>,
    /// Modules that are needed but built in.
    pub builtin: BTreeSet<String>,
    /// Names in softdeps and weakdeps that stand for nothing in this tree.
    pub unknown: BTreeSet<String>,
}

/// A module of a closure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub module: String,
    /// Its file.
    #[serde(serialize_with = "text::serialize_path")]
    pub path: PathBuf,
    /// Why it is there.
    pub because: Because,
    /// The module that wants it, if no one asked for it.
    pub of: Option<String>,
    /// The firmware files that it may ask for.
    pub firmware: Vec<String>,
}

/// Why a module is in a closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It was asked for.
    Asked,
    /// Symbols.
    Dependency,
    /// A softdep.
    Softdep,
    /// A weakdep.
    Weakdep,
}

/// Collects what the modules that `words` stand for need, theirs and all others'. Softdeps and weakdeps are those of `config`: also those
/// that modules bring along, if it was loaded with [`crate::config::Sources::tree`].
///
/// # Errors
/// [`crate::Error::NotFound`] for a word that stands for nothing; those of damaged indexes and files.
pub fn closure(tree: &Tree, config: &Config, words: &[String]) -> Result<Closure> {
    let mut collector = Collector { tree, closure: Closure::default(), seen: BTreeSet::new(), waiting: VecDeque::new() };
    for word in words {
        for found in find(tree, config, word)? {
            collector.want(found.module, Because::Asked, None);
        }
    }
    while let Some((module, because, of)) = collector.waiting.pop_front() {
        collector.add(config, &module, because, of)?;
    }
    Ok(collector.closure)
}

struct Collector<'a> {
    tree: &'a Tree,
    closure: Closure,
    seen: BTreeSet<String>,
    waiting: VecDeque<(String, Because, Option<String>)>,
}

impl Collector<'_> {
    fn want(&mut self, module: String, because: Because, of: Option<String>) {
        if self.seen.insert(module.clone()) {
            self.waiting.push_back((module, because, of));
        }
    }

    fn add(&mut self, config: &Config, module: &str, because: Because, of: Option<String>) -> Result<()> {
        let Some(line) = self.tree.dependencies(module)? else {
            let known = self.tree.is_builtin(module)?;
            if known { &mut self.closure.builtin } else { &mut self.closure.unknown }.insert(module.to_owned());
            return Ok(());
        };
        let path = self.tree.file(&line.path);
        let modinfo = ModuleFile::open(&path)?.modinfo()?;
        let firmware = modinfo.values("firmware").map(|f| f.into_owned()).collect();
        self.closure.modules.push(Member { module: module.to_owned(), path, because, of, firmware });
        for dependency in line.dependencies.iter().rev() {
            self.want(name::from_path(dependency), Because::Dependency, Some(module.to_owned()));
        }
        let softdeps = config.softdeps_of(module).flat_map(|r| r.what.pre.iter().chain(&r.what.post));
        let weakdeps = config.weakdeps_of(module).flat_map(|r| &r.what);
        for (words, because) in [(softdeps.collect::<Vec<_>>(), Because::Softdep), (weakdeps.collect::<Vec<_>>(), Because::Weakdep)] {
            for word in words {
                let found: Vec<Match> = lookup(self.tree, config, word)?;
                if found.is_empty() {
                    self.closure.unknown.insert(word.clone());
                }
                found.into_iter().for_each(|f| self.want(f.module, because, Some(module.to_owned())));
            }
        }
        Ok(())
    }
}
