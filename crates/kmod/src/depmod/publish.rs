//! Puts the files of a set into place so that no failure leaves a damaged or half-written one.
//!
//! Every file is first written in full to an unnamed file of the same directory (`O_TMPFILE`, which leaves nothing behind however the
//! process ends), flushed to the disk and compared in length; only when all of them stand does the first get its name. Signals that
//! would end the process wait until the last one has. A file whose contents did not change only gets a new time.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::output::Output;
use crate::error::IoAction;
use crate::linux::SignalsHeld;
use crate::{Error, Result};

/// What the name of a file begins with between getting a name and getting its own. Leftovers of a killed run are removed by the next.
const STAGE: &str = ".depmod-stage-";

/// A finished file that has yet to get its name.
struct Staged<'a> {
    output: &'a Output,
    file: File,
    /// Its name if the file system has no unnamed files; removed when dropped.
    named: Option<Named>,
}

struct Named(PathBuf);

impl Drop for Named {
    fn drop(&mut self) {
        // After the renaming there is nothing to remove; before it, failing to remove is all that could be reported.
        let _ = fs::remove_file(&self.0);
    }
}

/// Publishes a set of files in `directory`, and removes the files named in `obsolete`.
///
/// # Errors
/// [`Error::Io`]; the old set is then as it was.
pub(super) fn publish(directory: &Path, outputs: &[Output], obsolete: &[&str]) -> Result<()> {
    let _held = SignalsHeld::hold();
    remove_leftovers(directory);
    let changed = outputs.iter().filter(|o| !same(&directory.join(o.name), &o.contents));
    let changed: Vec<&Output> = changed.collect();
    let staged = changed.iter().map(|o| stage(directory, o)).collect::<Result<Vec<_>>>()?;
    for file in staged {
        put_in_place(directory, file)?;
    }
    for name in obsolete {
        match fs::remove_file(directory.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(IoAction::Remove, &directory.join(name), e)),
            _ => {}
        }
    }
    let now = FileTimes::new().set_modified(SystemTime::now());
    for kept in outputs.iter().filter(|o| !changed.iter().any(|c| c.name == o.name)) {
        let path = directory.join(kept.name);
        let touched = OpenOptions::new().append(true).open(&path).and_then(|f| f.set_times(now));
        touched.map_err(|e| Error::io(IoAction::Write, &path, e))?;
    }
    File::open(directory).and_then(|d| d.sync_all()).map_err(|e| Error::io(IoAction::Sync, directory, e))
}

fn same(path: &Path, contents: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == contents.len() as u64) && fs::read(path).is_ok_and(|old| old == contents)
}

/// Writes a file in full and makes it durable, without giving it a name that anybody looks for.
fn stage<'a>(directory: &Path, output: &'a Output) -> Result<Staged<'a>> {
    let path = directory.join(output.name);
    let (mut file, named) = match OpenOptions::new().write(true).mode(0o644).custom_flags(libc::O_TMPFILE).open(directory) {
        Ok(file) => (file, None),
        Err(_) => named_file(directory, output.name).map_err(|e| Error::io(IoAction::Write, &path, e))?,
    };
    let staged = file.write_all(&output.contents).and_then(|()| file.sync_data()).and_then(|()| file.metadata());
    let length = staged.map_err(|e| Error::io(IoAction::Write, &path, e))?.len();
    if length != output.contents.len() as u64 {
        return Err(Error::io(IoAction::Write, &path, io::ErrorKind::WriteZero.into()));
    }
    Ok(Staged { output, file, named })
}

fn named_file(directory: &Path, name: &str) -> io::Result<(File, Option<Named>)> {
    let path = stage_path(directory, name);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
    Ok((file, Some(Named(path))))
}

fn stage_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{STAGE}{}-{name}", std::process::id()))
}

fn put_in_place(directory: &Path, staged: Staged<'_>) -> Result<()> {
    let named = match staged.named {
        Some(named) => named,
        None => {
            let path = stage_path(directory, staged.output.name);
            // An unnamed file gets its first name through its entry in /proc (open(2), O_TMPFILE).
            let source = format!("/proc/self/fd/{}", staged.file.as_raw_fd());
            rustix::fs::linkat(rustix::fs::CWD, source, rustix::fs::CWD, &path, rustix::fs::AtFlags::SYMLINK_FOLLOW)
                .map_err(|e| Error::io(IoAction::Write, &path, e.into()))?;
            Named(path)
        }
    };
    let target = directory.join(staged.output.name);
    fs::rename(&named.0, &target).map_err(|e| Error::io(IoAction::Rename, &target, e))
}

fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGE) {
            // Somebody else's leftover that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}
