//! Puts a set of files into place so that neither a failure nor the end of the process or the machine leaves a damaged file or a mixed
//! set that nobody mends.
//!
//! 1. Every file is written in full to an unnamed file of the same directory (`O_TMPFILE`, which leaves nothing behind however the
//!    process ends), and so is the [record](crate::index::pending) of what is going to happen. All are flushed to the disk together.
//! 2. The record gets its name, then each file gets a name of its own beside its place. The directory is flushed. Until here the old set
//!    is untouched; from here on the new one is decided.
//! 3. Each file takes its place by a rename, `modules.dep.bin` first: whoever reads between two renames, and does not know of the
//!    record, finds modules where they are now, and at worst an alias that is not yet or no longer known. Obsolete files go, the directory
//!    is flushed, the record goes.
//!
//! Signals that would end the process wait during the last two. What a killed run or a power failure leaves there is finished, or
//! taken back if it was not decided, by [`mend`]; readers of this crate see the decided set meanwhile. A file whose contents did not
//! change stays and only gets a new time. Where a file system has no unnamed files, the files have their names beside their places from
//! the start; signals wait from there on, and what a kill leaves is removed by the next run.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, Builder};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat};

use super::output::Output;
use crate::error::IoAction;
use crate::index::pending::{self, Change, Pending, STAGE, Stamp, State};
use crate::linux::SignalsHeld;
use crate::{Error, Result};

/// The order in which files take their places; the others follow.
const FIRST: [&str; 2] = ["modules.dep.bin", "modules.dep"];

/// A finished file that has yet to take its place.
struct Staged<'a> {
    name: &'a str,
    file: File,
    naming: Naming,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// It has no name.
    None,
    /// It has its name beside its place.
    Given,
}

/// A directory that no other depmod publishes in meanwhile.
#[derive(Debug)]
pub(super) struct Locked {
    directory: PathBuf,
    handle: File,
}

impl Locked {
    /// Waits until nobody else has it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn directory(directory: &Path) -> Result<Self> {
        let handle = File::open(directory).map_err(|e| Error::io(IoAction::Open, directory, e))?;
        // The lock goes with the process. Where there are no locks, two runs at a time are still whole, each for itself.
        let _ = flock(&handle, FlockOperation::LockExclusive);
        Ok(Self { directory: directory.to_path_buf(), handle })
    }

    /// Publishes a set of files, and removes the files named in `obsolete`.
    ///
    /// # Errors
    /// [`Error::Io`]; the old set is then as it was, unless the error came from a rename: the next run finishes the set then.
    pub(super) fn publish(&self, outputs: &[Output], obsolete: &[&str]) -> Result<()> {
        let changed: Vec<&Output> = outputs.iter().filter(|o| !same(&self.directory.join(o.name), &o.contents)).collect();
        let goes: Vec<&str> = obsolete.iter().copied().filter(|name| Stamp::at(&self.directory.join(name)).is_some()).collect();
        if !changed.is_empty() || !goes.is_empty() {
            self.replace(&changed, &goes)?;
        }
        let now = FileTimes::new().set_modified(SystemTime::now());
        for kept in outputs.iter().filter(|o| !changed.iter().any(|c| c.name == o.name)) {
            let path = self.directory.join(kept.name);
            let touched = OpenOptions::new().append(true).open(&path).and_then(|f| f.set_times(now));
            touched.map_err(|e| Error::io(IoAction::Write, &path, e))?;
        }
        Ok(())
    }

    /// Puts a file into place that nobody needs: it is not flushed, and for a moment it may not be there at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn put(&self, output: &Output) -> Result<()> {
        let path = self.directory.join(output.name);
        let failed = |e| Error::io(IoAction::Write, &path, e);
        let staged = self.stage(output.name, &output.contents)?;
        if let Naming::Given = staged.naming {
            return fs::rename(pending::staged(&self.directory, output.name), &path).map_err(failed);
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(e)),
            _ => link(&staged.file, &path).map_err(failed),
        }
    }

    /// Finishes what an interrupted run left, or takes it back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn mend(&self) -> Result<()> {
        if let Some(pending) = Pending::read(&self.directory) {
            let _held = SignalsHeld::hold();
            if pending.is_decided(&self.directory) {
                return self.finish(&pending);
            }
            self.remove_stages();
            return self.remove(pending::FILE);
        }
        self.remove_stages();
        Ok(())
    }

    fn replace(&self, changed: &[&Output], goes: &[&str]) -> Result<()> {
        let mut held = None;
        let done = self.prepare(changed, goes, &mut held).and_then(|pending| {
            self.sync()?;
            Ok(pending)
        });
        match done {
            Ok(pending) => self.finish(&pending),
            Err(error) => {
                self.remove_stages();
                // If it cannot be removed, it is as good as none without the files that it tells of.
                let _ = self.remove(pending::FILE);
                Err(error)
            }
        }
    }

    /// Writes everything and gives it names.
    fn prepare(&self, changed: &[&Output], goes: &[&str], held: &mut Option<SignalsHeld>) -> Result<Pending> {
        let mut staged = Vec::with_capacity(changed.len() + 1);
        for output in changed {
            let file = self.stage(output.name, &output.contents)?;
            if file.naming == Naming::Given {
                held.get_or_insert_with(SignalsHeld::hold);
            }
            staged.push(file);
        }
        let pending = self.record(&staged, goes)?;
        let record = self.stage(pending::FILE, pending.text().as_bytes())?;
        staged.push(record);
        self.flush(&staged)?;
        held.get_or_insert_with(SignalsHeld::hold);
        // The record first.
        for file in staged.iter().rev() {
            let name =
                if file.name == pending::FILE { self.directory.join(file.name) } else { pending::staged(&self.directory, file.name) };
            let named = match file.naming {
                Naming::None => link(&file.file, &name),
                Naming::Given if file.name == pending::FILE => fs::rename(pending::staged(&self.directory, file.name), &name),
                Naming::Given => Ok(()),
            };
            named.map_err(|e| Error::io(IoAction::Write, &name, e))?;
        }
        Ok(pending)
    }

    /// Writes a file in full, without giving it a name that anybody looks for.
    fn stage<'n>(&self, name: &'n str, contents: &[u8]) -> Result<Staged<'n>> {
        let path = self.directory.join(name);
        let failed = |e| Error::io(IoAction::Write, &path, e);
        let mut options = OpenOptions::new();
        options.write(true).mode(0o644);
        let (mut file, naming) = match options.clone().custom_flags(libc::O_TMPFILE).open(&self.directory) {
            Ok(file) => (file, Naming::None),
            Err(_) => (options.create_new(true).open(pending::staged(&self.directory, name)).map_err(failed)?, Naming::Given),
        };
        file.write_all(contents).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length != contents.len() as u64 {
            return Err(failed(io::ErrorKind::WriteZero.into()));
        }
        Ok(Staged { name, file, naming })
    }

    fn record(&self, staged: &[Staged<'_>], goes: &[&str]) -> Result<Pending> {
        let old = |name: &str| Stamp::at(&self.directory.join(name));
        let replaced = staged.iter().map(|file| {
            let metadata = file.file.metadata().map_err(|e| Error::io(IoAction::Read, &self.directory.join(file.name), e))?;
            Ok(Change { name: file.name.to_owned(), new: Some(Stamp::of(&metadata)), old: old(file.name) })
        });
        let mut changes = replaced.collect::<Result<Vec<_>>>()?;
        changes.extend(goes.iter().map(|name| Change { name: (*name).to_owned(), new: None, old: old(name) }));
        changes.sort_by_key(|change| FIRST.iter().position(|first| *first == change.name).unwrap_or(FIRST.len()));
        Ok(Pending { changes })
    }

    /// Makes files durable, all at the same time: they wait for the disk together, and a journal is written once for all.
    fn flush(&self, staged: &[Staged<'_>]) -> Result<()> {
        let flush = |file: &Staged<'_>| file.file.sync_all().map_err(|e| Error::io(IoAction::Sync, &self.directory.join(file.name), e));
        thread::scope(|scope| {
            let helper = |file| {
                std::mem::forget(SignalsHeld::hold());
                flush(file)
            };
            let threads: Vec<_> = staged.iter().map(|file| (file, Builder::new().spawn_scoped(scope, move || helper(file)))).collect();
            let end = |(file, thread): (&Staged<'_>, io::Result<thread::ScopedJoinHandle<'_, Result<()>>>)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => flush(file),
            };
            threads.into_iter().map(end).fold(Ok(()), Result::and)
        })
    }

    /// Does what is left to do of a decided set.
    fn finish(&self, pending: &Pending) -> Result<()> {
        // As long as somebody holds a file that is replaced, its blocks need not be freed: that takes longer than the renames, and can
        // wait until they are done.
        let hold =
            |change: &Change| rustix::fs::open(self.directory.join(&change.name), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
        let _replaced: Vec<OwnedFd> = pending.changes.iter().filter_map(hold).collect();
        for change in pending.changes.iter().filter(|change| change.state(&self.directory) == State::Ready) {
            let target = self.directory.join(&change.name);
            match change.new {
                Some(_) => fs::rename(change.staged(&self.directory), &target).map_err(|e| Error::io(IoAction::Rename, &target, e))?,
                None => self.remove(&change.name)?,
            }
        }
        self.sync()?;
        self.remove(pending::FILE)
    }

    fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(|e| Error::io(IoAction::Sync, &self.directory, e))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(IoAction::Remove, &path, e)),
            _ => Ok(()),
        }
    }

    fn remove_stages(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(STAGE) {
                // A leftover that cannot be removed does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Gives an unnamed file its name, through its entry in `/proc` (open(2), `O_TMPFILE`), or without `/proc` by the right to do so.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let entry = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(CWD, entry, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Err(rustix::io::Errno::NOENT) => Ok(linkat(file, "", CWD, path, AtFlags::EMPTY_PATH)?),
        other => Ok(other?),
    }
}

/// Whether a file says this already.
fn same(path: &Path, contents: &[u8]) -> bool {
    let size = contents.len() as u64;
    // A pipe would keep whoever opens it waiting.
    let Ok(mut file) = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) else { return false };
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() == size) {
        return false;
    }
    let mut buffer = vec![0; contents.len().min(128 << 10)];
    contents.chunks(buffer.len().max(1)).all(|part| {
        let read = buffer.get_mut(..part.len()).map(|buffer| file.read_exact(buffer).map(|()| *buffer == *part));
        matches!(read, Some(Ok(true)))
    })
}
