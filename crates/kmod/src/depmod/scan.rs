//! Reads what depmod needs of each module, on all cores.

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::facts::{Facts, Module};
use super::find::Found;
use crate::error::IoAction;
use crate::file::{ModuleFile, no_more_files};
use crate::workers::share;
use crate::{Error, Result, name, text};

/// Of packed files larger than this, in bytes, only one is unpacked at a time: it may be the largest of all, and what it
/// takes in memory is bounded so.
const LARGE: i64 = 512 << 10;

/// Scans modules; the answers stand in their order. `facts` gets what they are about.
pub(super) fn scan_all(tree: &Path, modules: &[&Found], facts: &mut Facts, done: &(dyn Fn() + Sync)) -> Vec<Result<Module>> {
    // Names below the tree are shorter ways than whole paths.
    let directory = rustix::fs::open(tree, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let large = OneByOne::default();
    let scan = |(facts, answers): &mut (Facts, Vec<(usize, Result<Module>)>), (number, found, opened): Opened| {
        let path = found.path(tree);
        let file = opened.map(File::from).map_err(|e| Error::io(IoAction::Open, &path, e.into()).in_file(&path));
        answers.push((number, file.and_then(|file| ModuleFile::of_file(path, file)).and_then(|file| facts.scan(file))));
        done();
    };
    let open_and_scan = |state: &mut (Facts, Vec<(usize, Result<Module>)>), number: usize| {
        let Some(&found) = modules.get(number) else { return };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = match &directory {
            Ok(directory) => openat(directory, &*text::to_path(&found.listed), flags, Mode::empty()),
            Err(_) => openat(CWD, found.path(tree), flags, Mode::empty()),
        };
        let packed = name::uncompressed(&found.listed).len() < found.listed.len();
        let is_large = |file: &OwnedFd| fstat(file).is_ok_and(|stat| stat.st_size > LARGE);
        if packed && opened.as_ref().is_ok_and(is_large) {
            large.run((number, found, opened), |piece| scan(state, piece));
        } else {
            scan(state, (number, found, opened));
        }
    };
    let mut answers: Vec<(usize, Result<Module>)> = Vec::with_capacity(modules.len());
    let scanned = share(modules.len(), || (Facts::with_room(modules.len()), Vec::with_capacity(modules.len())), open_and_scan);
    no_more_files();
    for (others, theirs) in scanned {
        let moved = facts.absorb(others);
        answers.extend(theirs.into_iter().map(|(number, answer)| (number, answer.map(|module| moved.module(&module)))));
    }
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A module by its number in the list, and its file.
type Opened<'a> = (usize, &'a Found, rustix::io::Result<OwnedFd>);

/// Work of which no two pieces may be done at once: who comes while another is at it leaves the piece to him, and goes on with
/// something else.
struct OneByOne<T> {
    /// What was left to the one who is at it; `None` while nobody is.
    waiting: Mutex<Option<Vec<T>>>,
}

impl<T> Default for OneByOne<T> {
    fn default() -> Self {
        Self { waiting: Mutex::new(None) }
    }
}

impl<T> OneByOne<T> {
    fn run(&self, piece: T, mut work: impl FnMut(T)) {
        // No work is done under the lock, so a panic poisons nothing.
        let lock = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *lock() {
            Some(waiting) => return waiting.push(piece),
            nobody => *nobody = Some(Vec::new()),
        }
        let mut next = Some(piece);
        while let Some(piece) = next {
            work(piece);
            let mut waiting = lock();
            next = waiting.as_mut().and_then(Vec::pop);
            if next.is_none() {
                *waiting = None;
            }
        }
    }
}
