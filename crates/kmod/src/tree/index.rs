//! An index of a tree: the `.bin` file, or the text that it was made from.

use std::cell::OnceCell;
use std::fmt;
use std::io;

use super::Tree;
use crate::error::IoAction;
use crate::index::{Trie, TrieWriter, Value};
use crate::{Error, Result, text};

/// An index of a tree, for questions. It is opened with the first of them.
///
/// Where the `.bin` file is missing, or turns out to be damaged (kmod's depmod leaves it cut off where the disk is full), the text is
/// read instead, and [`Tree::take_problems`] tells of it.
#[derive(Debug)]
pub struct Index<'a> {
    tree: &'a Tree,
    files: Files,
    opened: &'a Opened,
}

/// The two forms of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    /// Name of the file with the trie.
    pub(super) bin: &'static str,
    /// Name of the text.
    pub(super) text: &'static str,
    /// Turns the text into entries.
    pub(super) read: fn(&str, &mut TrieWriter) -> Result<()>,
}

/// The files of an index that have been opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The `.bin` file; the text where there is none.
    first: OnceCell<Trie>,
    /// The text, where an answer of the first has failed.
    instead: OnceCell<Trie>,
}

/// Something that is wrong with an index file, and what is done about it.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong, with the file's name.
    pub error: Error,
    /// What is read in its place.
    pub instead: Instead,
    /// The release of the tree, for whoever wants to make its indexes anew.
    pub release: String,
}

/// What is read in the place of an index file that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// The text of this name.
    Text(&'static str),
    /// Nothing: there is no such text, or it cannot be read.
    Nothing,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, instead, release } = self;
        write!(f, "{error}")?;
        if let Instead::Text(name) = instead {
            write!(f, "; `{name}` is read instead")?;
        }
        // A file that cannot be opened is not damaged.
        if matches!(error, Error::File { .. }) { write!(f, "; `depmod {release}` makes the indexes anew") } else { Ok(()) }
    }
}

impl<'a> Index<'a> {
    pub(super) fn new(tree: &'a Tree, opened: &'a Opened, files: Files) -> Self {
        Self { tree, files, opened }
    }

    /// See [`Trie::search`].
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn search(&self, key: &str) -> Result<Option<String>> {
        self.ask(&mut |trie| trie.search(key))
    }

    /// See [`Trie::search_wild`].
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn search_wild(&self, text: &str) -> Result<Vec<Value>> {
        self.ask(&mut |trie| trie.search_wild(text))
    }

    /// See [`Trie::each`].
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn each(&self, visit: &mut dyn FnMut(&str, Value)) -> Result<()> {
        // Both files have the entries in one order: what was visited before the damage is not visited again.
        let mut visited = 0_usize;
        self.ask(&mut |trie| {
            let mut known = std::mem::take(&mut visited);
            trie.each(&mut |key, value| {
                visited += 1;
                match known.checked_sub(1) {
                    Some(rest) => known = rest,
                    None => visit(key, value),
                }
            })
        })
    }

    /// Asks the `.bin` file, and where it fails the text.
    fn ask<T>(&self, question: &mut dyn FnMut(&Trie) -> Result<T>) -> Result<T> {
        if let Some(text) = self.opened.instead.get() {
            return question(text);
        }
        match question(self.first()) {
            Err(error) => question(self.opened.instead.get_or_init(|| self.instead_of(error))),
            answer => answer,
        }
    }

    fn first(&self) -> &'a Trie {
        self.opened.first.get_or_init(|| {
            let bin = self.tree.view().first(&self.tree.directory, self.files.bin, is_absent, Trie::open);
            bin.unwrap_or_else(|error| self.instead_of(error))
        })
    }

    /// The text as an index; without it, an index without entries.
    fn instead_of(&self, error: Error) -> Trie {
        let read = self.read_text();
        let instead = if matches!(read, Ok(Some(_))) { Instead::Text(self.files.text) } else { Instead::Nothing };
        self.note(error.in_file(&self.tree.directory.join(self.files.bin)), instead);
        read.unwrap_or_else(|error| {
            self.note(error, Instead::Nothing);
            None
        })
        .unwrap_or_else(Trie::empty)
    }

    /// `None` if there is no text.
    fn read_text(&self) -> Result<Option<Trie>> {
        let bytes = match self.tree.read(self.files.text) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(IoAction::Read, &self.tree.directory.join(self.files.text), e)),
        };
        let mut trie = TrieWriter::default();
        (self.files.read)(&text::of_bytes(&bytes), &mut trie)?;
        Trie::from_bytes(trie.finish()).map(Some)
    }

    fn note(&self, error: Error, instead: Instead) {
        if !is_absent(&error) {
            let release = self.tree.directory.file_name().map(|name| text::of_os(name).into_owned()).unwrap_or_default();
            self.tree.problems.borrow_mut().push(Problem { error, instead, release });
        }
    }
}

/// Whether an index is not there. kmod leaves empty files where it has nothing to write.
fn is_absent(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        Error::File { source, .. } => matches!(**source, Error::Truncated { file_size: 0, .. }),
        _ => false,
    }
}
