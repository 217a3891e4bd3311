//! Where insmod looks for a module, and for what a module needs.

use std::path::{Path, PathBuf};

use kmod::tree::Tree;

/// Directories of a module tree, in the order of modutils 2.1; the last one is the tree's own top.
const CATEGORIES: [&str; 12] = ["fs", "net", "scsi", "block", "cdrom", "ipv4", "ipv6", "sound", "fc4", "video", "misc", ""];

/// What a name may lack at its end.
const ENDINGS: [&str; 3] = ["", ".o", ".ko"];

/// The places to look in.
pub(super) struct Search {
    root: PathBuf,
    modpath: Option<String>,
}

impl Search {
    /// Of a root; `MODPATH` in the environment replaces the built-in list.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), modpath: std::env::var("MODPATH").ok().filter(|path| !path.is_empty()) }
    }

    /// The file that an argument means: the argument itself if it has a `/` or a `.`, else the first file of that name, or of
    /// that name with an ending, in the search path.
    pub(super) fn find(&self, argument: &Path, release: &str) -> Option<PathBuf> {
        let name = argument.to_string_lossy();
        if name.contains(['/', '.']) {
            return Some(argument.to_owned());
        }
        let candidates = self.directories(release).into_iter();
        let mut candidates = candidates.flat_map(|dir| ENDINGS.map(|ending| dir.join(format!("{name}{ending}"))));
        candidates.find(|path| path.is_file())
    }

    /// The search path. `%s` in `MODPATH` is the release.
    fn directories(&self, release: &str) -> Vec<PathBuf> {
        if let Some(path) = &self.modpath {
            return path.split(':').filter(|dir| !dir.is_empty()).map(|dir| PathBuf::from(dir.replace("%s", release))).collect();
        }
        let modules = self.root.join("lib/modules");
        let trees = [modules.join(release), modules.join("default"), modules];
        let here = [PathBuf::from("."), self.root.join("linux/modules")];
        here.into_iter().chain(trees.iter().flat_map(|tree| CATEGORIES.map(|category| tree.join(category)))).collect()
    }

    /// Modules of the tree that export a symbol, as depmod's `modules.symbols` says.
    pub(super) fn providers(&self, symbol: &str, release: &str) -> Vec<String> {
        let tree = Tree::new(self.root.join("lib/modules").join(release));
        let found = tree.symbols().search_wild(&format!("symbol:{symbol}")).unwrap_or_default();
        found.into_iter().map(|value| value.text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Search;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn touch(root: &Path, name: &str) -> PathBuf {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn the_tree_of_the_release_comes_before_the_default_one() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search { root: dir.path().to_owned(), modpath: None };
        let last = touch(dir.path(), "lib/modules/misc/x.o");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(last));
        let default = touch(dir.path(), "lib/modules/default/fs/x.o");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(default));
        let release = touch(dir.path(), "lib/modules/2.0.40/misc/x.ko");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(release));
        let earlier = touch(dir.path(), "lib/modules/2.0.40/net/x.o");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(earlier));
        assert_eq!(search.find(Path::new("y"), "2.0.40"), None);
    }

    #[test]
    fn modpath_replaces_the_list_and_paths_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let modpath = format!("{0}/one:{0}/%s/two", root.display());
        let search = Search { root: root.to_owned(), modpath: Some(modpath) };
        touch(root, "lib/modules/2.0.40/fs/x.o");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), None);
        let second = touch(root, "2.0.40/two/x.o");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(second));
        let first = touch(root, "one/x");
        assert_eq!(search.find(Path::new("x"), "2.0.40"), Some(first));
        for path in ["./x", "x.o", "/nosuch/x"] {
            assert_eq!(search.find(Path::new(path), "2.0.40"), Some(PathBuf::from(path)));
        }
    }

    #[test]
    fn providers_come_from_the_symbol_index() {
        let dir = tempfile::tempdir().unwrap();
        let index = touch(dir.path(), "lib/modules/2.0.40/modules.symbols");
        fs::write(index, "# Aliases for symbols, used by symbol_request().\nalias symbol:fat_read fat\nalias symbol:fat_re x\n").unwrap();
        let search = Search { root: dir.path().to_owned(), modpath: None };
        assert_eq!(search.providers("fat_read", "2.0.40"), ["fat"]);
        assert!(search.providers("fat", "2.0.40").is_empty() && search.providers("fat_read", "2.2").is_empty());
    }
}
