//! `modprobe --lint`: which lines of the configuration have an effect on this tree, and why others have none.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use serde::Serialize;

use crate::config::{Config, LineFault, Origin, Place, Rule};
use crate::file::ModuleFile;
use crate::info::Info;
use crate::lookup::lookup;
use crate::tree::Tree;
use crate::{Result, glob, name};

/// What is said of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Where the line stands.
    pub place: Place,
    /// Its first word.
    pub command: String,
    /// The name or pattern that it is about.
    pub subject: String,
    /// Whether it does anything.
    pub effect: Effect,
    /// Why; empty for a line that simply works.
    pub reasons: Vec<Cause>,
}

/// Whether a line does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What it says.
    Full,
    /// Less than it seems to say.
    Partial,
    /// Nothing.
    None,
}

/// Why a line does less than it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
#[non_exhaustive]
pub enum Cause {
    /// The line was not understood.
    NotUnderstood {
        /// What is wrong with it.
        fault: LineFault,
    },
    /// No module of the tree, and no alias, has the name.
    NoModule,
    /// The module is built in: nothing can stop or replace it.
    Builtin,
    /// The module is built in: options belong on the kernel command line, as `MODULE.PARAMETER=VALUE`.
    BuiltinOptions,
    /// No alias leads to the module, and a blacklist stops only aliases.
    NoAlias,
    /// A blacklist stops only aliases: these modules still bring it as a dependency.
    StillNeeded {
        /// The first few of them.
        by: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// The rule is about aliases: their modules can still be loaded by name.
    AliasOnly,
    /// Another line about the same modules stands before this one.
    Beaten {
        /// Where.
        by: Place,
    },
    /// The module has no parameter of this name.
    NoParameter {
        /// The name.
        parameter: String,
    },
    /// A word of the line stands for nothing.
    UnknownWord {
        /// The word.
        word: String,
    },
    /// No module and no alias has the name: the command is run only for who asks for this very name.
    NameOnly,
    /// The line names no module that is wanted.
    NothingNamed,
    /// Words that nobody heeds.
    Surplus {
        /// The words.
        words: String,
    },
    /// The alias has the name of a module, which cannot be loaded by that name any more.
    HidesModule,
    /// The alias leads to a name that no module has.
    NoTarget {
        /// The name.
        target: String,
    },
}

/// The most module names that a remark lists.
const LISTED: usize = 5;

/// Looks at every line of the administrator's configuration.
///
/// # Errors
/// Those of damaged indexes.
pub fn lint(tree: &Tree, config: &Config) -> Result<Vec<Remark>> {
    let linter = Linter::new(tree, config)?;
    let mut remarks: Vec<Remark> = config.bad.iter().map(not_understood).collect();
    let mut add = |command: &str, place: &Place, subject: &str, mut found: Vec<(Effect, Cause)>| {
        let surplus = config.surplus.iter().filter(|s| s.place == *place);
        found.extend(surplus.map(|s| (Effect::Partial, Cause::Surplus { words: s.words.clone() })));
        let effect = found.iter().map(|(e, _)| *e).max().unwrap_or(Effect::Full);
        let reasons = found.into_iter().map(|(_, cause)| cause).collect();
        remarks.push(Remark { place: place.clone(), command: command.to_owned(), subject: subject.to_owned(), effect, reasons });
    };
    for rule in &config.aliases {
        add("alias", &rule.place, &rule.pattern, linter.alias(rule)?);
    }
    for rule in &config.blacklist {
        add("blacklist", &rule.place, &rule.pattern, linter.blacklist(rule));
    }
    for rule in &config.forbid {
        add("forbid", &rule.place, &rule.pattern, linter.forbid(rule)?);
    }
    for rule in &config.options {
        add("options", &rule.place, &rule.pattern, linter.options(rule)?);
    }
    for (command, rules) in [("install", &config.install), ("remove", &config.remove)] {
        for (index, rule) in rules.iter().enumerate() {
            add(command, &rule.place, &rule.pattern, linter.command(rule, rules.get(..index).unwrap_or_default())?);
        }
    }
    for rule in config.softdeps.iter().filter(|r| r.origin == Origin::Administrator) {
        let words = rule.what.pre.iter().chain(&rule.what.post);
        add("softdep", &rule.place, &rule.pattern, linter.wishes(&rule.pattern, words)?);
    }
    for rule in config.weakdeps.iter().filter(|r| r.origin == Origin::Administrator) {
        add("weakdep", &rule.place, &rule.pattern, linter.wishes(&rule.pattern, rule.what.iter())?);
    }
    remarks.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    Ok(remarks)
}

fn not_understood(bad: &crate::config::BadLine) -> Remark {
    let reasons = vec![Cause::NotUnderstood { fault: bad.fault }];
    Remark { place: bad.place.clone(), command: bad.word.clone(), subject: String::new(), effect: Effect::None, reasons }
}

/// Commands that only keep a module out.
const REFUSALS: [&str; 6] = ["/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false", "true", "false"];

struct Linter<'a> {
    tree: &'a Tree,
    config: &'a Config,
    modules: BTreeSet<String>,
    builtin: HashSet<String>,
    /// Modules that an alias of the tree or of the configuration leads to.
    aliased: HashSet<String>,
    /// For each module those that need it.
    users: BTreeMap<String, Vec<String>>,
}

impl<'a> Linter<'a> {
    fn new(tree: &'a Tree, config: &'a Config) -> Result<Self> {
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut modules = BTreeSet::new();
        for (module, line) in tree.modules()? {
            for dependency in &line.dependencies {
                users.entry(name::from_path(dependency)).or_default().push(module.clone());
            }
            modules.insert(module);
        }
        let mut aliased: HashSet<String> = config.aliases.iter().map(|r| r.what.clone()).collect();
        tree.aliases().each(&mut |_, value| {
            aliased.insert(value.text);
        })?;
        let builtin = tree.builtin_names()?.into_iter().collect();
        Ok(Self { tree, config, modules, builtin, aliased, users })
    }

    fn covered(&self, pattern: &str) -> Vec<&str> {
        self.modules.iter().map(String::as_str).filter(|m| glob::matches(pattern, m)).collect()
    }

    fn covers_builtin(&self, pattern: &str) -> bool {
        self.builtin.iter().any(|m| glob::matches(pattern, m))
    }

    /// For a rule about no module of the tree: why.
    fn no_module(&self, pattern: &str, builtin: Cause) -> Vec<(Effect, Cause)> {
        vec![(Effect::None, if self.covers_builtin(pattern) { builtin } else { Cause::NoModule })]
    }

    fn alias(&self, rule: &Rule<String>) -> Result<Vec<(Effect, Cause)>> {
        let mut found = Vec::new();
        if self.modules.contains(&rule.pattern) && rule.pattern != rule.what {
            found.push((Effect::Full, Cause::HidesModule));
        }
        let target = self.modules.contains(&rule.what) || self.builtin.contains(&rule.what);
        let command = self.config.install_command(&rule.what).is_some();
        if !target && !command {
            found.push((Effect::Partial, Cause::NoTarget { target: rule.what.clone() }));
        }
        Ok(found)
    }

    fn blacklist(&self, rule: &Rule<()>) -> Vec<(Effect, Cause)> {
        if !self.modules.contains(&rule.pattern) {
            let exactly = self.builtin.contains(&rule.pattern);
            return vec![(Effect::None, if exactly { Cause::Builtin } else { Cause::NoModule })];
        }
        let mut found = Vec::new();
        if !self.aliased.contains(&rule.pattern) {
            found.push((Effect::None, Cause::NoAlias));
        }
        if let Some(users) = self.users.get(&rule.pattern) {
            let by = users.iter().take(LISTED).cloned().collect();
            found.push((Effect::Partial, Cause::StillNeeded { by, count: users.len() }));
        }
        found
    }

    fn forbid(&self, rule: &Rule<()>) -> Result<Vec<(Effect, Cause)>> {
        let modules = !self.covered(&rule.pattern).is_empty();
        Ok(match (modules, self.covers_builtin(&rule.pattern)) {
            (true, false) => Vec::new(),
            (true, true) => vec![(Effect::Partial, Cause::Builtin)],
            (false, true) => vec![(Effect::None, Cause::Builtin)],
            (false, false) if self.covers_alias(&rule.pattern)? => vec![(Effect::Full, Cause::AliasOnly)],
            (false, false) => vec![(Effect::None, Cause::NoModule)],
        })
    }

    /// Whether a word that a pattern covers is an alias of the tree or of the configuration.
    fn covers_alias(&self, pattern: &str) -> Result<bool> {
        let overlaps = |alias: &str| glob::matches(pattern, alias) || (!glob::is_pattern(pattern) && glob::matches(alias, pattern));
        let mut covers = self.config.aliases.iter().any(|rule| overlaps(&rule.pattern));
        self.tree.aliases().each(&mut |alias, _| covers |= overlaps(alias))?;
        Ok(covers)
    }

    fn options(&self, rule: &Rule<String>) -> Result<Vec<(Effect, Cause)>> {
        if self.modules.contains(&rule.pattern) {
            return Ok(self.parameters(&rule.pattern, &rule.what));
        }
        if rule.place.file.starts_with("/proc") {
            // What is on the command line and is no module's, the kernel has taken itself: not all of its parts are in a list.
            return Ok(Vec::new());
        }
        if self.builtin.contains(&rule.pattern) {
            return Ok(vec![(Effect::None, Cause::BuiltinOptions)]);
        }
        let alias = self.config.aliases.iter().any(|a| a.pattern == rule.pattern);
        let alias = alias || !lookup(self.tree, self.config, &rule.pattern)?.is_empty();
        Ok(if alias { Vec::new() } else { vec![(Effect::None, Cause::NoModule)] })
    }

    /// Parameters that the module does not have. The kernel takes the module nevertheless and ignores them.
    fn parameters(&self, module: &str, options: &str) -> Vec<(Effect, Cause)> {
        let line = self.tree.dependencies(module).ok().flatten();
        let info = line.and_then(|l| Info::of_file(&ModuleFile::open(&self.tree.file(&l.path)).ok()?).ok());
        let Some(info) = info else { return Vec::new() };
        let known = |parameter: &str| {
            let same = |p: &str| p.replace('-', "_") == parameter.replace('-', "_");
            ["dyndbg", "async_probe"].contains(&parameter) || info.parameters.iter().any(|p| same(&p.name))
        };
        let words = crate::config::words(options);
        let given: Vec<&str> = words.iter().map(|w| w.split('=').next().unwrap_or_default()).collect();
        let unknown: Vec<&str> = given.iter().copied().filter(|p| !known(p)).collect();
        let effect = if unknown.len() == given.len() { Effect::None } else { Effect::Partial };
        unknown.into_iter().map(|p| (effect, Cause::NoParameter { parameter: p.to_owned() })).collect()
    }

    fn command(&self, rule: &Rule<String>, earlier: &[Rule<String>]) -> Result<Vec<(Effect, Cause)>> {
        let covered = self.covered(&rule.pattern);
        if covered.is_empty() {
            if let Some(first) = earlier.iter().find(|e| e.pattern == rule.pattern) {
                return Ok(vec![(Effect::None, Cause::Beaten { by: first.place.clone() })]);
            }
            return if glob::is_pattern(&rule.pattern) || self.covers_builtin(&rule.pattern) {
                Ok(self.no_module(&rule.pattern, Cause::Builtin))
            } else {
                self.command_of_a_name(rule)
            };
        }
        let beaten = |module: &&str| earlier.iter().find(|e| e.covers(module));
        let winners: Vec<&Rule<String>> = covered.iter().filter_map(beaten).collect();
        let Some(first) = winners.first() else { return Ok(Vec::new()) };
        let effect = if winners.len() == covered.len() { Effect::None } else { Effect::Partial };
        Ok(vec![(effect, Cause::Beaten { by: first.place.clone() })])
    }

    /// A command for a name that no module has. It may be an alias, or lead to a module that is made of other modules.
    fn command_of_a_name(&self, rule: &Rule<String>) -> Result<Vec<(Effect, Cause)>> {
        let name = &rule.pattern;
        let targets = self.config.aliases.iter().map(|r| &r.what);
        let wishes = self.config.softdeps.iter().flat_map(|r| r.what.pre.iter().chain(&r.what.post));
        let led_to = targets.chain(wishes).any(|word| name::from_word(word) == *name);
        if led_to || self.covers_alias(name)? {
            return Ok(Vec::new());
        }
        let refusal = REFUSALS.contains(&rule.what.trim());
        Ok(vec![if refusal { (Effect::None, Cause::NoModule) } else { (Effect::Partial, Cause::NameOnly) }])
    }

    fn wishes<'w>(&self, pattern: &str, words: impl Iterator<Item = &'w String>) -> Result<Vec<(Effect, Cause)>> {
        if self.covered(pattern).is_empty() {
            return Ok(self.no_module(pattern, Cause::Builtin));
        }
        let words: Vec<&String> = words.collect();
        if words.is_empty() {
            return Ok(vec![(Effect::None, Cause::NothingNamed)]);
        }
        let mut found = Vec::new();
        for word in &words {
            if lookup(self.tree, self.config, word)?.is_empty() {
                found.push((Effect::Partial, Cause::UnknownWord { word: (*word).clone() }));
            }
        }
        if found.len() == words.len() {
            found.iter_mut().for_each(|(effect, _)| *effect = Effect::None);
        }
        Ok(found)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Full => "works",
            Effect::Partial => "works in part",
            Effect::None => "has no effect",
        };
        let line = format!("{} {}", self.command, self.subject);
        write!(f, "{}: `{}` {effect}", self.place, line.trim_end())?;
        for (index, reason) in self.reasons.iter().enumerate() {
            write!(f, "{} {reason}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnderstood { fault } => f.write_str(match fault {
                LineFault::UnknownCommand => "there is no such command",
                LineFault::Deprecated => "the command is not obeyed any more",
                LineFault::Incomplete => "words are missing, or a bracket is not closed",
            }),
            Self::NoModule => f.write_str("no module of this tree has the name"),
            Self::Builtin => f.write_str("it is built into the kernel, and nothing can stop or replace it"),
            Self::BuiltinOptions => f.write_str("it is built into the kernel: put `MODULE.PARAMETER=VALUE` on the kernel command line"),
            Self::NoAlias => f.write_str("a blacklist stops only aliases, and no alias leads to it; `forbid` stops it"),
            Self::StillNeeded { by, count } => {
                let more = if *count > by.len() { format!(" and {} more", count - by.len()) } else { String::new() };
                write!(f, "a blacklist stops only aliases, but {}{more} still bring it as a dependency; `forbid` stops it", by.join(" "))
            }
            Self::AliasOnly => f.write_str("it stops aliases; their modules can still be loaded by name"),
            Self::Beaten { by } => write!(f, "{by} stands before it and is about the same modules"),
            Self::NoParameter { parameter } => write!(f, "the module has no parameter `{parameter}`"),
            Self::UnknownWord { word } => write!(f, "`{word}` stands for nothing"),
            Self::NameOnly => f.write_str("no module and no alias of this tree has the name: the command is run only for who asks for it"),
            Self::NothingNamed => f.write_str("it names no module that is wanted"),
            Self::Surplus { words } => write!(f, "nobody heeds the words `{words}`"),
            Self::HidesModule => f.write_str("a module of this name cannot be loaded by its name any more"),
            Self::NoTarget { target } => write!(f, "no module is named `{target}`: the alias only stops others"),
        }
    }
}
