//! Files that are replaced as a whole: a reader sees the old one or the new one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes a file beside the one it replaces, makes it durable, and renames it. The folder is made if it is not there. `mode` are the
/// permissions of the file, whatever the umask.
///
/// # Errors
/// What the system says; the old file is then as it was.
pub fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = unique(path);
    let written = write_new(&beside, mode, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Nothing to do about a file that cannot be removed either; it has a name of its own.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // The name is durable once the folder is. Where folders cannot be synchronised the file is there all the same.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A name beside the file that no other process, and no other thread of this one, uses.
fn unique(path: &Path) -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.new", std::process::id()));
    path.with_file_name(name)
}
