//! `modules.dep`: `path: dependency dependency ...`, all of them, users before what they use, so that loading goes right to left.
//!
//! Paths are relative to the directory of the release, or absolute for modules that live elsewhere. In `modules.dep.bin` the key is
//! the module's name and the value is this line.

use crate::error::Part;
use crate::{Error, Result};

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepLine {
    /// The module's file.
    pub path: String,
    /// The files that it depends on, as they stand in the line.
    pub dependencies: Vec<String>,
}

impl DepLine {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Error::NotText`] with [`Part::DepLine`] if there is no colon.
    pub fn parse(line: &str) -> Result<Self> {
        let (path, rest) = line.split_once(':').ok_or(Error::NotText { part: Part::DepLine })?;
        Ok(Self { path: path.to_owned(), dependencies: rest.split_ascii_whitespace().map(str::to_owned).collect() })
    }

    /// The line, without its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}:", self.path);
        for dependency in &self.dependencies {
            line.push(' ');
            line.push_str(dependency);
        }
        line
    }
}

/// All lines of the text form; those without a colon are skipped.
pub fn parse(text: &str) -> impl Iterator<Item = DepLine> {
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| DepLine::parse(l).ok())
}
