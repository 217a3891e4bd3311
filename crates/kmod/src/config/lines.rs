//! Lines of a configuration file: a `\` joins a line with the next, and before any other character it is dropped, so that `\\` stands for
//! one; `#` begins a comment line.

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
        if !first.contains('\\') {
            return Some((number, Cow::Borrowed(first)));
        }
        let mut joined = String::new();
        let mut piece = Some(first);
        while let Some(line) = piece {
            piece = match append(line, &mut joined) {
                End::Line => None,
                End::Joint => lines.next().map(|(next, _)| next),
            };
        }
        Some((number, Cow::Owned(joined)))
    })
    .filter(|(_, line)| !matches!(line.trim_start().as_bytes().first(), None | Some(b'#')))
}

/// What the end of a line is.
enum End {
    Line,
    Joint,
}

/// Appends a line without its `\`.
fn append(line: &str, to: &mut String) -> End {
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, characters.as_str()) {
            ('\\', "") => return End::Joint,
            ('\\', _) => to.extend(characters.next()),
            _ => to.push(character),
        }
    }
    End::Line
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

#[cfg(test)]
mod tests {
    use super::logical;

    #[test]
    fn a_backslash_joins_lines_and_keeps_the_next_character() {
        let read = |text: &'static str| logical(text).map(|(number, line)| (number, line.into_owned())).collect::<Vec<_>>();
        for (text, wanted) in [
            ("a \\\n b\nc", &[(1, "a  b"), (3, "c")][..]),
            ("a \\\r\n b", &[(1, "a  b")]),
            ("a \\\\\nb", &[(1, "a \\"), (2, "b")]),
            ("a \\\\\\\nb", &[(1, "a \\b")]),
            ("a \\\"b\\\" \\é", &[(1, "a \"b\" é")]),
            ("a \\", &[(1, "a ")]),
            ("a \\\n\\\n\\", &[(1, "a ")]),
            ("# a \\\nb\nc", &[(3, "c")]),
            ("\\# a", &[]),
        ] {
            let found = read(text);
            assert_eq!(found.iter().map(|(number, line)| (*number, line.as_str())).collect::<Vec<_>>(), wanted, "{text:?}");
        }
    }
}
