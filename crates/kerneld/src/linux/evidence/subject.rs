//! A module and what it brings into the kernel, as its file says: the aliases it answers to and the functions it calls.

use std::collections::BTreeSet;
use std::path::PathBuf;

use demand::Paths;
use kmod::file::ModuleFile;
use kmod::tree::Tree;

/// A module that is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its name, with underscores.
    pub name: String,
    /// Its aliases.
    pub aliases: Vec<String>,
    /// The functions of the kernel that it calls; `None` where its file cannot be read: then it may call any.
    pub imports: Option<BTreeSet<String>>,
}

impl Subject {
    /// Reads the file of a module, of this release, in the tree below `paths`.
    #[must_use]
    pub fn of(paths: &Paths, release: &str, module: &str) -> Self {
        let tree = Tree::new(paths.file("/lib/modules").join(release));
        Self::from_tree(&tree, module)
    }

    /// Reads the file of a module of a tree.
    #[must_use]
    pub fn from_tree(tree: &Tree, module: &str) -> Self {
        let name = kmod::name::from_word(module);
        let file = || -> Option<(Vec<String>, BTreeSet<String>)> {
            let path: PathBuf = tree.file(&tree.dependencies(&name).ok()??.path);
            let file = ModuleFile::open(&path).ok()?;
            let aliases = file.modinfo().ok()?.values("alias").map(|alias| alias.into_owned()).collect();
            Some((aliases, file.imports().ok()?.into_iter().map(|import| import.name).collect()))
        };
        match file() {
            Some((aliases, imports)) => Self { name, aliases, imports: Some(imports) },
            None => Self { name, aliases: Vec::new(), imports: None },
        }
    }

    /// What follows `prefix` in its aliases: `fs-` gives its file systems.
    pub(super) fn provides<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.aliases.iter().filter_map(move |alias| alias.strip_prefix(prefix))
    }

    /// Whether it calls one of these functions, or may. A name that ends in `*` stands for all that begin so.
    pub(super) fn calls(&self, functions: &[&str]) -> bool {
        self.imports.is_none() || self.first_call(functions).is_some()
    }

    /// The first of its functions that is one of these.
    pub(super) fn first_call(&self, functions: &[&str]) -> Option<&str> {
        let fits = |name: &str| {
            functions.iter().any(|function| match function.strip_suffix('*') {
                Some(begin) => name.starts_with(begin),
                None => name == *function,
            })
        };
        self.imports.as_ref()?.iter().find(|name| fits(name)).map(String::as_str)
    }
}
