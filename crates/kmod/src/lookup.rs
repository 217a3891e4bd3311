//! From a name to modules: configuration, then the tree, each source only if those before it know nothing.

use serde::Serialize;

use crate::config::{Config, Place};
use crate::index::symbols;
use crate::tree::{Tree, names};
use crate::{Error, Result, glob, name};

/// A module that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The word that was looked up, normalised.
    pub word: String,
    /// The module's name.
    pub module: String,
    /// The alias that led to it, `None` if it was named itself. Options and blacklists of an alias apply too.
    pub alias: Option<String>,
    /// Which source knew it.
    pub via: Via,
}

/// A source of module names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum Via {
    /// An `alias` line of the configuration.
    ConfigAlias {
        /// The pattern of the line.
        pattern: String,
        /// Where it stands.
        place: Place,
    },
    /// The name of a module of the tree.
    Name,
    /// An exported symbol.
    Symbol,
    /// An `install` line for a name that is no module.
    InstallLine {
        /// Where it stands.
        place: Place,
    },
    /// A `remove` line for a name that is no module.
    RemoveLine {
        /// Where it stands.
        place: Place,
    },
    /// An alias that the module itself gives.
    ModuleAlias,
    /// The name of a module that is built in.
    Builtin,
    /// An alias of a module that is built in.
    BuiltinAlias,
    /// The path of a file.
    Path,
}

/// Finds the modules that a word stands for; empty if there are none.
///
/// # Errors
/// Those of damaged indexes.
pub fn lookup(tree: &Tree, config: &Config, word: &str) -> Result<Vec<Match>> {
    // Nothing can be called so.
    let Ok(word) = name::normalise(word) else { return Ok(Vec::new()) };
    let plain = |module: String, via| Match { word: module.clone(), module, alias: None, via };
    let aliased = |via: Via| {
        let word = word.clone();
        move |module| Match { word: word.clone(), module, alias: Some(word.clone()), via: via.clone() }
    };
    let by_config: Vec<Match> =
        config.aliases.iter().filter(|a| glob::matches(&a.pattern, &word)).map(|rule| from_config(&word, rule)).collect();
    if !by_config.is_empty() {
        return Ok(by_config);
    }
    // Module names hold no colon; most words that do are aliases of devices.
    if !word.contains(':') && tree.dependencies(&word)?.is_some() {
        return Ok(vec![plain(word, Via::Name)]);
    }
    if word.starts_with(symbols::PREFIX) {
        let found: Vec<Match> = names(tree.symbols().search_wild(&word)?).map(aliased(Via::Symbol)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if let Some(line) = config.install.iter().find(|r| r.pattern == word) {
        return Ok(vec![plain(word, Via::InstallLine { place: line.place.clone() })]);
    }
    if let Some(line) = config.remove.iter().find(|r| r.pattern == word) {
        return Ok(vec![plain(word, Via::RemoveLine { place: line.place.clone() })]);
    }
    let found: Vec<Match> = names(tree.aliases().search_wild(&word)?).map(aliased(Via::ModuleAlias)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if tree.is_builtin(&word)? {
        return Ok(vec![plain(word, Via::Builtin)]);
    }
    Ok(names(tree.builtin_aliases().search_wild(&word)?).map(aliased(Via::BuiltinAlias)).collect())
}

/// [`lookup`], where finding nothing is an error.
///
/// # Errors
/// [`Error::NotFound`], and those of [`lookup`].
pub fn find(tree: &Tree, config: &Config, word: &str) -> Result<Vec<Match>> {
    let found = lookup(tree, config, word)?;
    if found.is_empty() {
        return Err(Error::NotFound { name: word.to_owned(), directory: tree.directory().to_path_buf() });
    }
    Ok(found)
}

fn from_config(word: &str, rule: &crate::config::Rule<String>) -> Match {
    let via = Via::ConfigAlias { pattern: rule.pattern.clone(), place: rule.place.clone() };
    Match { word: word.to_owned(), module: rule.what.clone(), alias: Some(rule.pattern.clone()), via }
}
