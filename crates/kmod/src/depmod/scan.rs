//! Reads what depmod needs of each module, on all cores.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::facts::{Facts, Module};
use super::find::Found;
use crate::error::IoAction;
use crate::file::{ModuleFile, no_more_files};
use crate::workers::share;
use crate::{Error, Result, name, text};

/// Of packed files larger than this, in bytes, only one is unpacked at a time.
const LARGE: i64 = 512 << 10;

/// Scans modules; the answers stand in their order. `facts` gets what they are about.
pub(super) fn scan_all(tree: &Path, modules: &[&Found], facts: &mut Facts, done: &(dyn Fn() + Sync)) -> Vec<Result<Module>> {
    // Names below the tree are shorter ways than whole paths.
    let directory = rustix::fs::open(tree, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let alone = Mutex::new(());
    let scan = |(facts, answers): &mut (Facts, Vec<(usize, Result<Module>)>), number: usize| {
        let Some(found) = modules.get(number) else { return };
        let path = found.path(tree);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = match &directory {
            Ok(directory) => openat(directory, &*text::to_path(&found.listed), flags, Mode::empty()),
            Err(_) => openat(CWD, &path, flags, Mode::empty()),
        };
        // A packed file that is large itself may be the largest of all: one in memory at a time is enough.
        let large = |file: &OwnedFd| fstat(file).is_ok_and(|stat| stat.st_size > LARGE);
        let packed = name::uncompressed(&found.listed).len() < found.listed.len();
        let _alone = (packed && opened.as_ref().is_ok_and(large)).then(|| alone.lock());
        let file = opened.map(File::from).map_err(|e| Error::io(IoAction::Open, &path, e.into()).in_file(&path));
        answers.push((number, file.and_then(|file| ModuleFile::of_file(path, file)).and_then(|file| facts.scan(file))));
        done();
    };
    let mut answers: Vec<(usize, Result<Module>)> = Vec::with_capacity(modules.len());
    let scanned = share(modules.len(), || (Facts::with_room(modules.len()), Vec::with_capacity(modules.len())), scan);
    no_more_files();
    for (others, theirs) in scanned {
        let moved = facts.absorb(others);
        answers.extend(theirs.into_iter().map(|(number, answer)| (number, answer.map(|module| moved.module(&module)))));
    }
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
