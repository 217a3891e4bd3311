//! Finds the modules of a tree, and decides which of several files of one name counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::{Mode, Notice, Request};
use crate::config::DepmodConfig;
use crate::config::depmod::Search;
use crate::error::IoAction;
use crate::{Error, Result, index, name};

/// A module file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Module name.
    pub(super) name: String,
    /// The path as `modules.dep` gives it: relative to the release's directory, or absolute.
    pub(super) listed: String,
    /// Where the file is.
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// What tells whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// Seconds and nanoseconds of the last modification.
    pub(super) modified: (i64, i64),
    pub(super) inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()), inode: metadata.ino() }
    }
}

/// All modules that count, ranked: in the order of `modules.order`, the others behind them by path.
pub(super) fn find(request: &Request, config: &DepmodConfig, notices: &mut Vec<Notice>) -> Result<Vec<Found>> {
    let tree = request.tree();
    let mut all = Vec::new();
    let mut walk = Walk { config, notices, found: &mut all, mode: request.mode, above: Vec::new() };
    if request.files.is_empty() {
        walk.directory(&tree, "")?;
        for external in config.externals.iter().filter(|e| release_matches(&e.release, &request.release)) {
            walk.directory(Path::new(&external.directory), &external.directory)?;
        }
    } else {
        for file in &request.files {
            walk.single(file, &tree)?;
        }
    }
    // The same files give the same choice, in whatever order the file system lists them.
    all.sort_by(|a, b| a.listed.cmp(&b.listed));
    let mut chosen = choose(all, request, config, notices);
    let order = fs::read_to_string(tree.join("modules.order")).unwrap_or_else(|_| {
        notices.push(Notice::MissingInput { file: "modules.order", directory: tree.clone() });
        String::new()
    });
    let ranks = index::order::parse(&order);
    chosen.sort_by_cached_key(|f| ranks.get(name::uncompressed(&f.listed)).copied().unwrap_or(usize::MAX));
    Ok(chosen)
}

struct Walk<'a> {
    config: &'a DepmodConfig,
    notices: &'a mut Vec<Notice>,
    found: &'a mut Vec<Found>,
    /// Only an incremental run looks at sizes and times.
    mode: Mode,
    /// Device and inode of the directories that lead here: a link back to one of them is not followed.
    above: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, listed: &str) -> Result<()> {
        let io = |e| Error::io(IoAction::Open, directory, e);
        let here = fs::metadata(directory).map_err(io)?;
        let identity = (here.dev(), here.ino());
        if self.above.contains(&identity) {
            return Ok(());
        }
        self.above.push(identity);
        for entry in fs::read_dir(directory).map_err(io)? {
            let entry = entry.map_err(io)?;
            let file_name = entry.file_name();
            let Some(text) = file_name.to_str().filter(|n| !self.config.excludes(n)) else { continue };
            let path = entry.path();
            let listed = if listed.is_empty() { text.to_owned() } else { format!("{listed}/{text}") };
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() {
                self.directory(&path, &listed)?;
            } else if kind.is_file() && name::is_module_file(text) {
                let stamp = match self.mode {
                    Mode::Full => Stamp::default(),
                    Mode::Incremental => Stamp::of(&entry.metadata().map_err(io)?),
                };
                self.push(path, listed, stamp);
            } else if kind.is_symlink() {
                self.link(path, text, listed)?;
            }
        }
        self.above.pop();
        Ok(())
    }

    fn link(&mut self, path: PathBuf, text: &str, listed: String) -> Result<()> {
        match fs::metadata(&path) {
            Ok(target) if target.is_dir() => self.directory(&path, &listed)?,
            Ok(target) if name::is_module_file(text) => self.push(path, listed, Stamp::of(&target)),
            Err(_) if name::is_module_file(text) => self.notices.push(Notice::DanglingLink { path }),
            _ => {}
        }
        Ok(())
    }

    /// A file of the command line.
    fn single(&mut self, file: &Path, tree: &Path) -> Result<()> {
        let metadata = fs::metadata(file).map_err(|e| Error::io(IoAction::Open, file, e))?;
        let listed = file.strip_prefix(tree).unwrap_or(file).to_string_lossy().into_owned();
        self.push(file.to_path_buf(), listed, Stamp::of(&metadata));
        Ok(())
    }

    fn push(&mut self, path: PathBuf, listed: String, stamp: Stamp) {
        self.found.push(Found { name: name::from_path(&listed), listed, path, stamp });
    }
}

/// Keeps one file of each name: an overridden one, else the one that the search order puts first, else the first by path.
fn choose(all: Vec<Found>, request: &Request, config: &DepmodConfig, notices: &mut Vec<Notice>) -> Vec<Found> {
    let search = config.search_order();
    let rank = |f: &Found| (!overridden(f, request, config), position(f, &search));
    let mut best: HashMap<String, usize> = HashMap::new();
    let mut chosen: Vec<Found> = Vec::with_capacity(all.len());
    for found in all {
        let Some(&at) = best.get(&found.name) else {
            best.insert(found.name.clone(), chosen.len());
            chosen.push(found);
            continue;
        };
        let Some(held) = chosen.get_mut(at) else { continue };
        let loser = if rank(&found) < rank(held) { std::mem::replace(held, found) } else { found };
        notices.push(Notice::Duplicate { module: loser.name, kept: held.listed.clone(), ignored: loser.listed });
    }
    chosen
}

fn overridden(found: &Found, request: &Request, config: &DepmodConfig) -> bool {
    let stem = |path: &str| name::uncompressed(path).rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned();
    let applies = |o: &&crate::config::depmod::Override| release_matches(&o.release, &request.release);
    config.overrides.iter().filter(applies).any(|o| format!("{}/{}", o.directory, o.module) == stem(&found.listed))
}

/// Where in the search order a file stands; lower is better. Files that no word covers stand where `built-in` does.
fn position(found: &Found, search: &[Search]) -> usize {
    let external = found.listed.starts_with('/');
    let own = search.iter().position(|s| match s {
        Search::Builtin => false,
        Search::External => external,
        Search::Directory(d) => found.listed.strip_prefix(d.as_str()).is_some_and(|rest| rest.starts_with('/')),
    });
    own.or_else(|| search.iter().position(|s| *s == Search::Builtin)).unwrap_or(search.len())
}

/// Whether a release is meant: `*` is every one, anything else a regular expression that may match any part of it.
fn release_matches(pattern: &str, release: &str) -> bool {
    pattern == "*" || regex_lite::Regex::new(pattern).is_ok_and(|r| r.is_match(release))
}
