//! `depmod.d`: which directories are searched and which of several modules of one name counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lines::{self, Place};
use super::modprobe::{BadLine, LineFault};
use crate::error::IoAction;
use crate::{Error, Result, text};

/// A place in the search order, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// `built-in`: what no other word covers.
    Builtin,
    /// `external`: the directories of `external` lines.
    External,
    /// A directory below that of the release.
    Directory(String),
}

/// Modules that live outside the directory of their release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// For which releases: `*` or an extended regular expression.
    pub release: String,
    /// The directory, absolute.
    pub directory: String,
}

/// `override MODULE RELEASE DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The module's file name without ending, as written.
    pub module: String,
    /// For which releases: `*` or an extended regular expression.
    pub release: String,
    /// Directory below that of the release.
    pub directory: String,
}

/// The configuration of depmod.
#[derive(Debug, Default)]
pub struct DepmodConfig {
    /// `search` words, best first; without any, `updates` before the rest.
    pub search: Vec<Search>,
    /// `override` lines.
    pub overrides: Vec<Override>,
    /// `external` lines.
    pub externals: Vec<External>,
    /// `exclude` names: files and directories of these names are passed over.
    pub excludes: Vec<String>,
    /// Lines that were not understood.
    pub bad: Vec<BadLine>,
}

/// Directories that are always passed over: links to the sources that a module was built from.
pub const ALWAYS_EXCLUDED: [&str; 2] = ["build", "source"];

impl DepmodConfig {
    /// Reads the files under the given paths: see [`super::dirs`].
    ///
    /// # Errors
    /// [`Error::Io`] for a file that is there and cannot be read.
    pub fn load(paths: &[PathBuf]) -> Result<Self> {
        let mut config = Self::default();
        for file in super::dirs::files(paths, &[".conf"]) {
            match std::fs::read(&file) {
                Ok(bytes) => config.parse(&file, &text::of_bytes(&bytes)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io(IoAction::Read, &file, e)),
            }
        }
        Ok(config)
    }

    /// Adds the lines of one file.
    pub fn parse(&mut self, file: &Path, text: &str) {
        let file: Arc<Path> = file.into();
        for (line, content) in lines::logical(text) {
            let mut words = content.split_ascii_whitespace();
            let Some(command) = words.next() else { continue };
            let rest: Vec<&str> = words.collect();
            if let Err(fault) = self.line(command, &rest) {
                self.bad.push(BadLine { place: Place { file: Arc::clone(&file), line }, word: command.to_owned(), fault });
            }
        }
    }

    fn line(&mut self, command: &str, rest: &[&str]) -> std::result::Result<(), LineFault> {
        match (command, rest) {
            ("search", words) => self.search.extend(words.iter().map(|&w| match w {
                "built-in" => Search::Builtin,
                "external" => Search::External,
                directory => Search::Directory(directory.trim_end_matches('/').to_owned()),
            })),
            ("override", &[module, release, directory, ..]) => {
                let (module, release, directory) = (module.to_owned(), release.to_owned(), directory.to_owned());
                self.overrides.push(Override { module, release, directory });
            }
            ("external", &[release, directory, ..]) => {
                self.externals.push(External { release: release.to_owned(), directory: directory.to_owned() });
            }
            ("exclude", names) => self.excludes.extend(names.iter().map(|&n| n.to_owned())),
            // Commands of old versions, which say nothing about the index files of today.
            ("include" | "make_map_files", _) => {}
            ("override" | "external", _) => return Err(LineFault::Incomplete),
            _ => return Err(LineFault::UnknownCommand),
        }
        Ok(())
    }

    /// The search order in force.
    #[must_use]
    pub fn search_order(&self) -> Vec<Search> {
        if self.search.is_empty() { vec![Search::Directory("updates".to_owned())] } else { self.search.clone() }
    }

    /// Whether a file or directory of this name is passed over.
    #[must_use]
    pub fn excludes(&self, file_name: &str) -> bool {
        ALWAYS_EXCLUDED.contains(&file_name) || self.excludes.iter().any(|e| e == file_name)
    }
}
