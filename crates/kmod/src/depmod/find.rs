//! Finds the modules of a tree, and decides which of several files of one name counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode as FileMode, OFlags, RawDir, Stat, openat, statat};

use super::{Mode, Notice, Request};
use crate::config::DepmodConfig;
use crate::config::depmod::Search;
use crate::error::IoAction;
use crate::index::pending::Stamp;
use crate::{Error, Result, index, name, text};

/// A module file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Module name.
    pub(super) name: String,
    /// The path as `modules.dep` gives it: relative to the release's directory, or absolute.
    pub(super) listed: String,
    /// What tells whether it is still the file that was read.
    pub(super) stamp: Stamp,
}

impl Found {
    /// Where the file is, in a tree.
    pub(super) fn path(&self, tree: &Path) -> PathBuf {
        tree.join(text::to_path(&self.listed))
    }
}

fn stamp(stat: &Stat) -> Stamp {
    Stamp { inode: stat.st_ino, size: stat.st_size.cast_unsigned(), modified: (stat.st_mtime, stat.st_mtime_nsec) }
}

/// All modules that count, ranked: in the order of `modules.order`, the others behind them by path.
pub(super) fn find(request: &Request, config: &DepmodConfig, notices: &mut Vec<Notice>) -> Result<Vec<Found>> {
    let tree = request.tree();
    let mut all = Vec::with_capacity(4096);
    if request.files.is_empty() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(&tree, flags, FileMode::empty()).map_err(|e| Error::io(IoAction::Open, &tree, e.into()))?;
        let mut walk = Walk {
            config,
            notices,
            found: &mut all,
            mode: request.mode,
            tree: &tree,
            top,
            above: Vec::new(),
            buffer: Vec::with_capacity(ENTRIES),
        };
        walk.directory("", "")?;
        for external in config.externals.iter().filter(|e| release_matches(&e.release, &request.release)) {
            match walk.directory(&external.directory, &external.directory) {
                // The same line serves machines that have such modules and others that have none.
                Err(Error::Io { path, source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    walk.above.clear();
                    walk.notices.push(Notice::MissingDirectory { directory: path });
                }
                other => other?,
            }
        }
    } else {
        for file in &request.files {
            all.push(single(file, &tree)?);
        }
    }
    // The same files give the same choice, in whatever order the file system lists them; those of the tree itself stand before others.
    all.sort_unstable_by(|a, b| (is_external(a), &a.listed).cmp(&(is_external(b), &b.listed)));
    let mut chosen = choose(all, request, config, notices);
    let order = fs::read(tree.join("modules.order")).unwrap_or_else(|_| {
        notices.push(Notice::MissingInput { file: "modules.order", directory: tree.clone() });
        Vec::new()
    });
    let order = text::of_bytes(&order);
    let ranks = index::order::parse(&order);
    chosen.sort_by_cached_key(|f| ranks.get(name::uncompressed(&f.listed)).copied().unwrap_or(usize::MAX));
    Ok(chosen)
}

/// A file of the command line.
fn single(file: &Path, tree: &Path) -> Result<Found> {
    let metadata = fs::metadata(file).map_err(|e| Error::io(IoAction::Open, file, e))?;
    let listed = text::of_path(file.strip_prefix(tree).unwrap_or(file)).into_owned();
    Ok(Found { name: name::from_path(&listed), listed, stamp: Stamp::of(&metadata) })
}

/// Room for the entries of a directory, in bytes: nearly every one of a module tree is read at once.
const ENTRIES: usize = 32 << 10;

struct Walk<'a> {
    config: &'a DepmodConfig,
    notices: &'a mut Vec<Notice>,
    found: &'a mut Vec<Found>,
    /// Only an incremental run looks at sizes and times.
    mode: Mode,
    tree: &'a Path,
    /// The tree, open.
    top: OwnedFd,
    /// Device and inode of the directories that lead here, if a symbolic link is among them: one that leads back is not followed.
    above: Vec<(u64, u64)>,
    buffer: Vec<u8>,
}

/// Directories below another one that are still to be looked at, and symbolic links.
#[derive(Default)]
struct Below {
    directories: Vec<String>,
    links: Vec<String>,
}

impl Walk<'_> {
    /// Looks through a directory, which belongs to the walk that began at `start`. Both are relative to the tree, or absolute.
    fn directory(&mut self, start: &str, listed: &str) -> Result<()> {
        let depth = self.above.len();
        if depth > 0 {
            let here = self.identity(listed)?;
            if self.above.contains(&here) {
                return Ok(());
            }
            self.above.push(here);
        }
        let below = self.entries(listed).map_err(|e| self.failed(listed, e))?;
        for directory in &below.directories {
            self.directory(start, directory)?;
        }
        for link in &below.links {
            self.link(start, link)?;
        }
        self.above.truncate(depth);
        Ok(())
    }

    /// Takes down the modules of a directory; answers what else it has.
    fn entries(&mut self, listed: &str) -> io::Result<Below> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.top, &*text::to_path(if listed.is_empty() { "." } else { listed }), flags, FileMode::empty())?;
        let mut below = Below::default();
        let mut entries = RawDir::new(directory.as_fd(), self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let file = text::of_bytes(entry.file_name().to_bytes());
            if file == "." || file == ".." || self.config.excludes(&file) {
                continue;
            }
            let path = || if listed.is_empty() { file.clone().into_owned() } else { [listed, "/", &file].concat() };
            let kind = match entry.file_type() {
                FileType::Unknown => FileType::from_raw_mode(statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
                known => known,
            };
            match kind {
                FileType::Directory => below.directories.push(path()),
                FileType::Symlink => below.links.push(path()),
                FileType::RegularFile if name::is_module_file(&file) => {
                    let seen = match self.mode {
                        Mode::Full => Stamp::default(),
                        Mode::Incremental => stamp(&statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?),
                    };
                    self.found.push(Found { name: name::from_word(&file), listed: path(), stamp: seen });
                }
                _ => {}
            }
        }
        Ok(below)
    }

    fn link(&mut self, start: &str, listed: &str) -> Result<()> {
        let is_module = name::is_module_file(listed.rsplit('/').next().unwrap_or(listed));
        match statat(&self.top, &*text::to_path(listed), AtFlags::empty()) {
            Ok(target) if FileType::from_raw_mode(target.st_mode) == FileType::Directory => {
                let depth = self.above.len();
                if depth == 0 {
                    let inner = listed.strip_prefix(start).unwrap_or(listed);
                    let ends = inner.match_indices('/').map(|(at, _)| start.len() + at);
                    let parents = ends.filter_map(|end| listed.get(..end)).filter(|parent| parent.len() > start.len());
                    let parents: Vec<String> = [start].into_iter().chain(parents).map(str::to_owned).collect();
                    self.above = parents.iter().map(|parent| self.identity(parent)).collect::<Result<_>>()?;
                }
                self.directory(start, listed)?;
                self.above.truncate(depth);
            }
            Ok(target) if is_module => {
                self.found.push(Found { name: name::from_path(listed), listed: listed.to_owned(), stamp: stamp(&target) });
            }
            Err(_) if is_module => self.notices.push(Notice::DanglingLink { path: self.tree.join(text::to_path(listed)) }),
            _ => {}
        }
        Ok(())
    }

    fn identity(&self, listed: &str) -> Result<(u64, u64)> {
        let path = if listed.is_empty() { "." } else { listed };
        let stat = statat(&self.top, &*text::to_path(path), AtFlags::empty()).map_err(|e| self.failed(listed, e.into()))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    fn failed(&self, listed: &str, source: io::Error) -> Error {
        Error::io(IoAction::Open, &self.tree.join(text::to_path(listed)), source)
    }
}

/// Keeps one file of each name: an overridden one, else the one that the search order puts first, else the first by path.
fn choose(mut all: Vec<Found>, request: &Request, config: &DepmodConfig, notices: &mut Vec<Notice>) -> Vec<Found> {
    let search = config.search_order();
    let rank = |f: &Found| (!overridden(f, request, config), position(f, &search));
    let mut best: HashMap<&str, usize> = HashMap::with_capacity(all.len());
    let mut losers = vec![false; all.len()];
    for (number, found) in all.iter().enumerate() {
        let held = *best.entry(found.name.as_str()).or_insert(number);
        let Some(other) = all.get(held).filter(|_| held != number) else { continue };
        let (winner, loser) = if rank(found) < rank(other) { (number, held) } else { (held, number) };
        best.insert(found.name.as_str(), winner);
        losers[loser] = true;
        let (kept, ignored) = if winner == held { (other, found) } else { (found, other) };
        let (kept, ignored) = (kept.listed.clone(), ignored.listed.clone());
        notices.push(Notice::Duplicate { module: found.name.clone(), kept, ignored });
    }
    drop(best);
    let mut losers = losers.into_iter();
    all.retain(|_| losers.next() != Some(true));
    all
}

fn overridden(found: &Found, request: &Request, config: &DepmodConfig) -> bool {
    let stem = |path: &str| name::uncompressed(path).rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned();
    let applies = |o: &&crate::config::depmod::Override| release_matches(&o.release, &request.release);
    config.overrides.iter().filter(applies).any(|o| format!("{}/{}", o.directory, o.module) == stem(&found.listed))
}

/// Whether a file lies outside the tree.
fn is_external(found: &Found) -> bool {
    found.listed.starts_with('/')
}

/// Where in the search order a file stands; lower is better. Files that no word covers stand where `built-in` does.
fn position(found: &Found, search: &[Search]) -> usize {
    let own = search.iter().position(|s| match s {
        Search::Builtin => false,
        Search::External => is_external(found),
        Search::Directory(d) => found.listed.strip_prefix(d.as_str()).is_some_and(|rest| rest.starts_with('/')),
    });
    own.or_else(|| search.iter().position(|s| *s == Search::Builtin)).unwrap_or(search.len())
}

/// Whether a release is meant: `*` is every one, anything else a regular expression that may match any part of it.
fn release_matches(pattern: &str, release: &str) -> bool {
    pattern == "*" || regex_lite::Regex::new(pattern).is_ok_and(|r| r.is_match(release))
}
