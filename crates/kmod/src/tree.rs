//! A module tree: the directory of one release with its index files.

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::IoAction;
use crate::index::dep::DepLine;
use crate::index::pending::View;
use crate::index::{Trie, TrieWriter, Value, alias, builtin, dep};
use crate::{Error, Result, name, text};

/// The tree of one release, for questions. Indexes are opened when they are first needed.
///
/// Where a `.bin` index is missing or damaged, the text that it was made from is read instead.
#[derive(Debug)]
pub struct Tree {
    directory: PathBuf,
    view: OnceCell<View>,
    dep: OnceCell<Trie>,
    alias: OnceCell<Trie>,
    symbols: OnceCell<Trie>,
    builtin: OnceCell<Trie>,
    builtin_alias: OnceCell<Trie>,
    problems: RefCell<Vec<Error>>,
}

impl Tree {
    /// The tree in a directory such as `/lib/modules/6.1.0`. Nothing is opened yet.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            view: OnceCell::new(),
            dep: OnceCell::new(),
            alias: OnceCell::new(),
            symbols: OnceCell::new(),
            builtin: OnceCell::new(),
            builtin_alias: OnceCell::new(),
            problems: RefCell::default(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was wrong with index files so far, other than that they are not there.
    pub fn take_problems(&self) -> Vec<Error> {
        self.problems.take()
    }

    /// The file of a path as `modules.dep` gives it.
    #[must_use]
    pub fn file(&self, listed: &str) -> PathBuf {
        self.directory.join(text::to_path(listed))
    }

    /// The line of `modules.dep` about a module.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn dependencies(&self, module: &str) -> Result<Option<DepLine>> {
        let trie = self.index(&self.dep, "modules.dep", &|text, trie| {
            for line in dep::parse(text) {
                trie.insert(&name::from_path(&line.path), &line.line(), 0)?;
            }
            Ok(())
        });
        trie.search(module)?.map(|line| DepLine::parse(&line)).transpose()
    }

    /// Every module of the tree with its line, in the order of their names.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn modules(&self) -> Result<Vec<(String, DepLine)>> {
        // Opens the index; the answer does not matter.
        self.dependencies("")?;
        let mut modules = Vec::new();
        if let Some(trie) = self.dep.get() {
            trie.each(&mut |name, value| modules.extend(DepLine::parse(&value.text).ok().map(|line| (name.to_owned(), line))))?;
        }
        Ok(modules)
    }

    /// The index of aliases.
    pub fn aliases(&self) -> &Trie {
        self.index(&self.alias, "modules.alias", &alias_lines)
    }

    /// The index of exported symbols; keys begin with `symbol:`.
    pub fn symbols(&self) -> &Trie {
        self.index(&self.symbols, "modules.symbols", &alias_lines)
    }

    /// The index of aliases of what is built in.
    pub fn builtin_aliases(&self) -> &Trie {
        self.index(&self.builtin_alias, "modules.builtin.alias", &|_, trie| {
            for info in self.builtin_infos() {
                for pattern in info.modinfo.values("alias") {
                    // A pattern that cannot be a key is not in the index either.
                    let _ = name::normalise(&pattern).and_then(|key| trie.insert(&key, &info.module, 0));
                }
            }
            Ok(())
        })
    }

    /// Whether a module is built into the kernel.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn is_builtin(&self, module: &str) -> Result<bool> {
        let trie = self.index(&self.builtin, "modules.builtin", &|text, trie| {
            for module in builtin::parse(text) {
                trie.insert(&module, "", 0)?;
            }
            Ok(())
        });
        Ok(trie.search(module)?.is_some())
    }

    /// The names of all modules that are built in.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn builtin_names(&self) -> Result<Vec<String>> {
        // Opens the index; the answer does not matter.
        self.is_builtin("")?;
        let mut names = Vec::new();
        if let Some(trie) = self.builtin.get() {
            trie.each(&mut |name, _| names.push(name.to_owned()))?;
        }
        Ok(names)
    }

    /// What `modules.builtin.modinfo` says, module by module; empty if it is not there.
    #[must_use]
    pub fn builtin_infos(&self) -> Vec<builtin::BuiltinInfo> {
        let bytes = fs::read(self.directory.join("modules.builtin.modinfo")).unwrap_or_default();
        builtin::parse_modinfo(&bytes)
    }

    /// Opens an index at its first use: the `.bin` file, else the text, else nothing.
    fn index<'a>(&self, cell: &'a OnceCell<Trie>, file: &str, read: &ReadText<'_>) -> &'a Trie {
        cell.get_or_init(|| {
            let bin = self.view().first(&self.directory, &format!("{file}.bin"), is_absent, Trie::open);
            bin.or_else(|error| {
                self.note(error);
                self.read_text(file, read)
            })
            .unwrap_or_else(|error| {
                self.note(error);
                Trie::empty()
            })
        })
    }

    fn read_text(&self, file: &str, read: &ReadText<'_>) -> Result<Trie> {
        let lines = match self.read(file) {
            Ok(bytes) => text::of_bytes(&bytes).into_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io(IoAction::Read, &self.directory.join(file), e)),
        };
        let mut trie = TrieWriter::default();
        read(&lines, &mut trie)?;
        Trie::from_bytes(trie.finish())
    }

    /// The bytes of an index file.
    ///
    /// A set of files that depmod was killed while putting into place is seen as it will be: see [`crate::depmod::mend`].
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        self.view().read(&self.directory, file)
    }

    fn view(&self) -> &View {
        self.view.get_or_init(|| View::of(&self.directory))
    }

    fn note(&self, error: Error) {
        if !is_absent(&error) {
            self.problems.borrow_mut().push(error);
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

/// Turns the text form of an index into entries.
type ReadText<'a> = dyn Fn(&str, &mut TrieWriter) -> Result<()> + 'a;

fn alias_lines(text: &str, trie: &mut TrieWriter) -> Result<()> {
    for (rank, (pattern, module)) in (0u32..).zip(alias::parse(text)) {
        if let Ok(key) = name::normalise(pattern) {
            trie.insert(&key, module, rank)?;
        }
    }
    Ok(())
}

/// The module names of values, in their order.
pub(crate) fn names(values: Vec<Value>) -> impl Iterator<Item = String> {
    values.into_iter().map(|v| v.text)
}
