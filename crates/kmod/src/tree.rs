//! A module tree: the directory of one release with its index files.

mod index;

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use index::{Index, Instead, Problem};

use self::index::{Files, Opened};
use crate::Result;
use crate::index::dep::DepLine;
use crate::index::pending::View;
use crate::index::{TrieWriter, Value, alias, builtin, dep};
use crate::{name, text};

/// The tree of one release, for questions. Indexes are opened when they are first needed.
///
/// Where a `.bin` index is missing or damaged, the text that it was made from is read instead.
#[derive(Debug)]
pub struct Tree {
    directory: PathBuf,
    view: OnceCell<View>,
    dep: Opened,
    alias: Opened,
    symbols: Opened,
    builtin: Opened,
    builtin_alias: Opened,
    problems: RefCell<Vec<Problem>>,
}

impl Tree {
    /// The tree in a directory such as `/lib/modules/6.1.0`. Nothing is opened yet.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            view: OnceCell::new(),
            dep: Opened::default(),
            alias: Opened::default(),
            symbols: Opened::default(),
            builtin: Opened::default(),
            builtin_alias: Opened::default(),
            problems: RefCell::default(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was wrong with index files so far, other than that they are not there.
    pub fn take_problems(&self) -> Vec<Problem> {
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
        self.dep_index().search(module)?.map(|line| DepLine::parse(&line)).transpose()
    }

    /// Every module of the tree with its line, in the order of their names.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn modules(&self) -> Result<Vec<(String, DepLine)>> {
        let mut modules = Vec::new();
        self.dep_index().each(&mut |name, value| modules.extend(DepLine::parse(&value.text).ok().map(|line| (name.to_owned(), line))))?;
        Ok(modules)
    }

    fn dep_index(&self) -> Index<'_> {
        Index::new(self, &self.dep, Files { bin: "modules.dep.bin", text: "modules.dep", read: dep_lines })
    }

    /// The index of aliases.
    #[must_use]
    pub fn aliases(&self) -> Index<'_> {
        Index::new(self, &self.alias, Files { bin: "modules.alias.bin", text: "modules.alias", read: alias_lines })
    }

    /// The index of exported symbols; keys begin with `symbol:`.
    #[must_use]
    pub fn symbols(&self) -> Index<'_> {
        Index::new(self, &self.symbols, Files { bin: "modules.symbols.bin", text: "modules.symbols", read: alias_lines })
    }

    /// The index of aliases of what is built in.
    #[must_use]
    pub fn builtin_aliases(&self) -> Index<'_> {
        Index::new(
            self,
            &self.builtin_alias,
            Files { bin: "modules.builtin.alias.bin", text: "modules.builtin.modinfo", read: builtin_alias_lines },
        )
    }

    fn builtin_index(&self) -> Index<'_> {
        Index::new(self, &self.builtin, Files { bin: "modules.builtin.bin", text: "modules.builtin", read: builtin_lines })
    }

    /// Whether a module is built into the kernel.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn is_builtin(&self, module: &str) -> Result<bool> {
        Ok(self.builtin_index().search(module)?.is_some())
    }

    /// The names of all modules that are built in.
    ///
    /// # Errors
    /// Those of a damaged index.
    pub fn builtin_names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.builtin_index().each(&mut |name, _| names.push(name.to_owned()))?;
        Ok(names)
    }

    /// What `modules.builtin.modinfo` says, module by module; empty if it is not there.
    #[must_use]
    pub fn builtin_infos(&self) -> Vec<builtin::BuiltinInfo> {
        let bytes = fs::read(self.directory.join("modules.builtin.modinfo")).unwrap_or_default();
        builtin::parse_modinfo(&bytes)
    }

    /// The bytes of an index file.
    ///
    /// A set of files that depmod was killed while putting into place is seen as it will be: see [`crate::depmod::Turn::wait`].
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        self.view().read(&self.directory, file)
    }

    fn view(&self) -> &View {
        self.view.get_or_init(|| View::of(&self.directory))
    }
}

fn dep_lines(text: &str, trie: &mut TrieWriter) -> Result<()> {
    for line in dep::parse(text) {
        trie.insert(&name::from_path(&line.path), &line.line(), 0)?;
    }
    Ok(())
}

fn builtin_lines(text: &str, trie: &mut TrieWriter) -> Result<()> {
    for module in builtin::parse(text) {
        trie.insert(&module, "", 0)?;
    }
    Ok(())
}

fn builtin_alias_lines(text: &str, trie: &mut TrieWriter) -> Result<()> {
    for info in builtin::parse_modinfo(&text::to_bytes(text)) {
        for pattern in info.modinfo.values("alias") {
            // A pattern that cannot be a key is not in the index either.
            let _ = name::normalise(&pattern).and_then(|key| trie.insert(&key, &info.module, 0));
        }
    }
    Ok(())
}

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
