//! `modprobe.d`: what the administrator and the distribution want done with modules, and the softdeps that modules bring along.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::cmdline;
use super::lines::{self, Place};
use crate::error::IoAction;
use crate::index::pending::View;
use crate::index::softdep::Softdep;
use crate::{Error, Result, glob, name, text};

/// Who wrote a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file of `modprobe.d`, or the kernel command line.
    Administrator,
    /// The module itself, through an index of its tree.
    Module,
}

/// A line of the configuration: the name or pattern it is about, and what it says of it.
#[derive(Debug, Clone)]
pub struct Rule<T> {
    /// Module name or pattern, normalised.
    pub pattern: String,
    /// What is to be done.
    pub what: T,
    /// Where it is written.
    pub place: Place,
    /// Who wrote it.
    pub origin: Origin,
}

impl<T> Rule<T> {
    /// Whether the rule is about a module of this name.
    #[must_use]
    pub fn covers(&self, module: &str) -> bool {
        glob::matches(&self.pattern, module)
    }
}

/// A line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Where.
    pub place: Place,
    /// Its first word.
    pub word: String,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineFault {
    /// No such command.
    UnknownCommand,
    /// `include` and `config`, which are not obeyed any more.
    Deprecated,
    /// Words are missing, or a bracket is not closed.
    Incomplete,
}

/// The configuration of modprobe. Rules stand in the order in which they were read.
#[derive(Debug, Default)]
pub struct Config {
    /// `alias PATTERN MODULE`: the pattern matches what is asked for.
    pub aliases: Vec<Rule<String>>,
    /// `blacklist MODULE`: aliases do not lead to it.
    pub blacklist: Vec<Rule<()>>,
    /// `options MODULE TEXT`.
    pub options: Vec<Rule<String>>,
    /// `install MODULE COMMAND`: run instead of inserting.
    pub install: Vec<Rule<String>>,
    /// `remove MODULE COMMAND`: run instead of removing.
    pub remove: Vec<Rule<String>>,
    /// `softdep MODULE pre: A post: B`.
    pub softdeps: Vec<Rule<Softdep>>,
    /// `weakdep MODULE A B`.
    pub weakdeps: Vec<Rule<Vec<String>>>,
    /// `forbid PATTERN...`: never loaded, however it is reached.
    pub forbid: Vec<Rule<()>>,
    /// Lines that were not understood.
    pub bad: Vec<BadLine>,
    /// Words behind the end of `alias` and `blacklist` lines, which do nothing.
    pub surplus: Vec<Surplus>,
}

/// Words of a line that nobody heeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surplus {
    /// Where.
    pub place: Place,
    /// The words.
    pub words: String,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Directories and files, best first: see [`super::dirs`].
    pub paths: Vec<PathBuf>,
    /// The directory of the release, for `modules.softdep` and `modules.weakdep`.
    pub tree: Option<PathBuf>,
    /// The text of `/proc/cmdline`.
    pub cmdline: Option<String>,
}

impl Config {
    /// Reads everything. Lines that are not understood are collected in [`Config::bad`], files that vanish are passed over.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that is there and cannot be read.
    pub fn load(sources: &Sources) -> Result<Self> {
        let (config, unread) = Self::load_readable(sources);
        unread.into_iter().next().map_or(Ok(config), Err)
    }

    /// The same, passing over files that are there and cannot be read: what is wrong with each comes along.
    #[must_use]
    pub fn load_readable(sources: &Sources) -> (Self, Vec<Error>) {
        let mut unread = Vec::new();
        let mut config = Self::default();
        let mut files: Vec<_> =
            super::dirs::files(&sources.paths, &[".conf", ".alias"]).into_iter().map(|f| (f, Origin::Administrator)).collect();
        for index in ["modules.softdep", "modules.weakdep"] {
            if let Some(tree) = &sources.tree {
                // They take their place among the files by name: `modprobe -c` shows rules in this order.
                let at = files.iter().position(|(f, _)| f.file_name() > Some(index.as_ref())).unwrap_or(files.len());
                files.insert(at, (tree.join(index), Origin::Module));
            }
        }
        let view = sources.tree.as_deref().map(View::of).unwrap_or_default();
        for (file, origin) in files {
            let bytes = match (origin, file.parent(), file.file_name().and_then(|name| name.to_str())) {
                (Origin::Module, Some(tree), Some(index)) => view.read(tree, index),
                _ => std::fs::read(&file),
            };
            match bytes {
                Ok(bytes) => config.parse(&file, &text::of_bytes(&bytes), origin),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => unread.push(Error::io(IoAction::Read, &file, e)),
            }
        }
        if let Some(cmdline) = &sources.cmdline {
            config.parse_cmdline(cmdline);
        }
        (config, unread)
    }

    /// Adds the lines of one file.
    pub fn parse(&mut self, file: &Path, lines: &str, origin: Origin) {
        let file: Arc<Path> = file.into();
        for (line, content) in lines::logical(lines) {
            let place = Place { file: Arc::clone(&file), line };
            let Some((command, rest)) = lines::word(&content) else { continue };
            if let Err(fault) = self.line(command, rest, &place, origin) {
                self.bad.push(BadLine { place, word: command.to_owned(), fault });
            }
        }
    }

    /// Adds what the kernel command line says.
    pub fn parse_cmdline(&mut self, text: &str) {
        let place = Place::whole(PathBuf::from("/proc/cmdline"));
        for word in cmdline::parse(text) {
            match word {
                cmdline::Word::Blacklist { module } => {
                    if let Ok(rule) = rule(&module, (), &place, Origin::Administrator) {
                        self.blacklist.push(rule);
                    }
                }
                cmdline::Word::Option { module, option } => {
                    if let Ok(rule) = rule(&module, option, &place, Origin::Administrator) {
                        self.options.push(rule);
                    }
                }
            }
        }
    }

    fn line(&mut self, command: &str, rest: &str, place: &Place, origin: Origin) -> std::result::Result<(), LineFault> {
        let subject = || lines::word(rest).ok_or(LineFault::Incomplete);
        // A rule about a module and a text, which must be there.
        let with_text = || -> std::result::Result<_, LineFault> {
            let (module, text) = lines::word_and_text(rest).ok_or(LineFault::Incomplete)?;
            if text.is_empty() {
                return Err(LineFault::Incomplete);
            }
            rule(module, text.to_owned(), place, origin)
        };
        let with_words = || with_text().and_then(|rule| if rule.what.trim().is_empty() { Err(LineFault::Incomplete) } else { Ok(rule) });
        match command {
            "alias" => {
                let (pattern, target) = subject()?;
                let (target, behind) = lines::word(target).ok_or(LineFault::Incomplete)?;
                let target = name::normalise(target).map_err(|_| LineFault::Incomplete)?;
                self.aliases.push(rule(pattern, target, place, origin)?);
                self.unheeded(behind, place);
            }
            "blacklist" => {
                let (module, behind) = subject()?;
                self.blacklist.push(rule(module, (), place, origin)?);
                self.unheeded(behind, place);
            }
            // A line that seems to forbid something does so: all its words count.
            "forbid" => {
                subject()?;
                let patterns = rest.split_ascii_whitespace().take_while(|word| !word.starts_with('#'));
                let rules = patterns.map(|pattern| rule(pattern, (), place, origin)).collect::<std::result::Result<Vec<_>, _>>()?;
                self.forbid.extend(rules);
            }
            "options" => {
                let mut options = with_text()?;
                options.what = options.what.replace('\t', " ");
                self.options.push(options);
            }
            "install" => self.install.push(with_text()?),
            "remove" => self.remove.push(with_text()?),
            "softdep" => {
                let line = with_words()?;
                let what = Softdep::parse(&line.what);
                self.softdeps.push(Rule { what, pattern: line.pattern, place: line.place, origin });
            }
            "weakdep" => {
                let line = with_words()?;
                let what = line.what.split_ascii_whitespace().map(str::to_owned).collect();
                self.weakdeps.push(Rule { what, pattern: line.pattern, place: line.place, origin });
            }
            "include" | "config" => return Err(LineFault::Deprecated),
            _ => return Err(LineFault::UnknownCommand),
        }
        Ok(())
    }

    fn unheeded(&mut self, words: &str, place: &Place) {
        let words = words.trim_end();
        // A remark may stand there.
        self.surplus
            .extend((!words.is_empty() && !words.starts_with('#')).then(|| Surplus { place: place.clone(), words: words.to_owned() }));
    }

    /// The command to run instead of inserting the module: that of the first rule about it.
    #[must_use]
    pub fn install_command(&self, module: &str) -> Option<&Rule<String>> {
        self.install.iter().find(|r| r.covers(module))
    }

    /// The command to run instead of removing the module: that of the first rule about it.
    #[must_use]
    pub fn remove_command(&self, module: &str) -> Option<&Rule<String>> {
        self.remove.iter().find(|r| r.covers(module))
    }

    /// All softdep rules about a module: the administrator's before the module's own.
    pub fn softdeps_of(&self, module: &str) -> impl Iterator<Item = &Rule<Softdep>> {
        by_origin(&self.softdeps, module)
    }

    /// All weakdep rules about a module: the administrator's before the module's own.
    pub fn weakdeps_of(&self, module: &str) -> impl Iterator<Item = &Rule<Vec<String>>> {
        by_origin(&self.weakdeps, module)
    }

    /// The options of a module that was asked for by `alias`, each with a blank behind it; empty if there are none.
    #[must_use]
    pub fn options_of(&self, module: &str, alias: Option<&str>) -> String {
        let about = |r: &&Rule<String>| r.pattern == module || alias == Some(r.pattern.as_str());
        self.options.iter().filter(about).map(|r| format!("{} ", r.what)).collect()
    }

    /// The rule that blacklists a module.
    #[must_use]
    pub fn blacklisted(&self, module: &str) -> Option<&Rule<()>> {
        self.blacklist.iter().find(|r| r.pattern == module)
    }

    /// The rule that forbids a module, or one of the names that it was asked for by.
    #[must_use]
    pub fn forbidden(&self, names: &[&str]) -> Option<&Rule<()>> {
        self.forbid.iter().find(|r| names.iter().any(|n| r.covers(n)))
    }
}

fn by_origin<'a, T>(rules: &'a [Rule<T>], module: &str) -> impl Iterator<Item = &'a Rule<T>> {
    let of = |origin| rules.iter().filter(move |r| r.origin == origin && r.covers(module));
    of(Origin::Administrator).chain(of(Origin::Module))
}

fn rule<T>(pattern: &str, what: T, place: &Place, origin: Origin) -> std::result::Result<Rule<T>, LineFault> {
    let pattern = name::normalise(pattern).map_err(|_| LineFault::Incomplete)?;
    Ok(Rule { pattern, what, place: place.clone(), origin })
}
