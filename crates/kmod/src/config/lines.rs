//! Lines of a configuration file: a `\` at the end of a line joins it with the next; `#` begins a comment line.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, or `/proc/cmdline`.
    pub file: Arc<Path>,
    /// Line number, from 1; of a joined line the first.
    pub line: u32,
}

impl Place {
    /// A place that has no line: the kernel command line.
    #[must_use]
    pub fn whole(file: PathBuf) -> Self {
        Self { file: file.into(), line: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", crate::text::of_path(&self.file), self.line)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The joined lines of a file with the numbers of their first lines. Comments and empty lines are left out. A line ends at a zero byte,
/// since neither the kernel nor a command could be given one.
pub(super) fn logical(text: &str) -> impl Iterator<Item = (u32, Cow<'_, str>)> {
    let mut lines = text.lines().map(|line| line.split('\0').next().unwrap_or(line)).zip(1u32..);
    std::iter::from_fn(move || {
        let (first, number) = lines.next()?;
        if !first.ends_with('\\') {
            return Some((number, Cow::Borrowed(first)));
        }
        let mut joined = String::new();
        let mut piece = first;
        while let Some(continued) = piece.strip_suffix('\\') {
            joined.push_str(continued);
            piece = lines.next().map_or("", |(next, _)| next);
        }
        joined.push_str(piece);
        Some((number, Cow::Owned(joined)))
    })
    .filter(|(_, line)| !matches!(line.trim_start().as_bytes().first(), None | Some(b'#')))
}

/// Splits off the first word; the rest begins with its first character that is not blank.
pub(super) fn word(line: &str) -> Option<(&str, &str)> {
    word_and_text(line).map(|(word, text)| (word, text.trim_start_matches(BLANKS)))
}

/// Splits off the first word and one blank behind it: further blanks belong to the text.
pub(super) fn word_and_text(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(BLANKS);
    if line.is_empty() { None } else { Some(line.split_once(BLANKS).unwrap_or((line, ""))) }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Splits options, or the command line of a kernel, at blanks that do not stand in double quotes, which stay: the kernel takes them off.
#[must_use]
pub fn words(options: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in options.chars() {
        quoted ^= c == '"';
        if c.is_ascii_whitespace() && !quoted {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|w| !w.is_empty());
    words
}
