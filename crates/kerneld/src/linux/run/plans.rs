//! What names stand for, remembered: a flood of one name looks nothing up. Dropped whenever the tree or the configuration changes.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use demand::resolve::{Resolved, Resolver};
use demand::{Paths, RequestName, lock};
use kmod::config::dirs;

/// Most names that are remembered. Anyone can invent names; then all are forgotten and looked up anew.
const MOST_NAMES: usize = 4096;

/// How old the last look at the files may be before they are looked at again.
const FRESH: Duration = Duration::from_millis(500);

/// Files and folders whose change makes everything new.
const TREE_FILES: &[&str] = &[
    "modules.dep.bin",
    "modules.dep",
    "modules.alias.bin",
    "modules.alias",
    "modules.softdep",
    "modules.builtin.bin",
    "modules.symbols.bin",
];

/// A file or folder as it was seen.
type Seen = (PathBuf, Option<(u64, u64, i64, i64, u64)>);

/// The memory.
#[derive(Debug)]
pub(crate) struct Plans {
    paths: Paths,
    release: String,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    resolver: Result<Resolver, kmod::Error>,
    seen: Vec<Seen>,
    looked: Instant,
    known: HashMap<RequestName, Arc<Resolved>>,
}

impl Plans {
    pub(crate) fn new(paths: Paths, release: String) -> Self {
        Self { paths, release, state: Mutex::new(None) }
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        *lock(&self.state) = None;
    }

    /// What a name stands for.
    pub(crate) fn resolve(&self, name: &RequestName) -> Arc<Resolved> {
        let mut guard = lock(&self.state);
        if guard.as_mut().is_some_and(|state| !state.is_current(&self.paths, &self.release)) {
            *guard = None;
        }
        let state = guard.get_or_insert_with(|| State::open(&self.paths, &self.release));
        if let Some(known) = state.known.get(name) {
            return known.clone();
        }
        let resolved = Arc::new(match &state.resolver {
            Ok(resolver) => resolver.resolve(name),
            Err(error) => Resolved::faulty(name, error),
        });
        if state.known.len() >= MOST_NAMES {
            state.known.clear();
        }
        state.known.insert(name.clone(), resolved.clone());
        resolved
    }
}

impl State {
    fn open(paths: &Paths, release: &str) -> Self {
        // Looked at before anything is read: what changes meanwhile is seen next time.
        let seen = look(paths, release);
        let resolver = Resolver::open(paths, release);
        Self { resolver, seen, looked: Instant::now(), known: HashMap::new() }
    }

    fn is_current(&mut self, paths: &Paths, release: &str) -> bool {
        if self.looked.elapsed() < FRESH {
            return true;
        }
        self.looked = Instant::now();
        self.seen == look(paths, release)
    }
}

/// All files that plans are made from.
fn look(paths: &Paths, release: &str) -> Vec<Seen> {
    let tree = Resolver::directory(paths, release);
    let folders = dirs::standard(paths.root(), "modprobe.d");
    let files = dirs::files(&folders, &[".conf", ".alias"]);
    let all = TREE_FILES.iter().map(|file| tree.join(file)).chain(folders).chain(files).chain([tree.clone()]);
    all.map(|path| (identity(&path), path)).map(|(identity, path)| (path, identity)).collect()
}

fn identity(path: &Path) -> Option<(u64, u64, i64, i64, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino(), about.mtime(), about.mtime_nsec(), about.size()))
}

#[cfg(test)]
mod tests {
    use demand::Origin;

    use super::*;

    fn resolve(plans: &Plans, name: &str) -> usize {
        plans.resolve(&RequestName::new(name.as_bytes(), Origin::Helper).unwrap()).targets.len()
    }

    #[test]
    fn a_changed_tree_is_seen_and_invented_names_do_not_pile_up() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("lib/modules/1.0");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("modules.dep"), "kernel/a.ko:\n").unwrap();
        let plans = Plans::new(Paths::under(root.path()), "1.0".to_owned());
        assert_eq!((resolve(&plans, "a"), resolve(&plans, "b")), (1, 0));
        std::fs::write(tree.join("modules.dep"), "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\n").unwrap();
        std::thread::sleep(FRESH + Duration::from_millis(20));
        assert_eq!(resolve(&plans, "b"), 1);
        for number in 0..MOST_NAMES + 10 {
            resolve(&plans, &format!("netdev-{number}"));
        }
        assert!(plans.state.lock().unwrap().as_ref().unwrap().known.len() <= MOST_NAMES);
    }
}
