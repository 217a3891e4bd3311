//! An initramfs: a cpio archive in the "newc" form that the kernel unpacks (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What an entry is, with its permissions (`st_mode`).
const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const REGULAR: u32 = 0o100_000;

/// An archive that is being written. Everything in it belongs to root.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: std::collections::BTreeSet<String>,
}

impl Archive {
    /// Adds a folder and those above it, once.
    pub fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let above = &path[..at];
            if !above.is_empty() && self.folders.insert(above.to_owned()) {
                self.entry(above, DIRECTORY, &[]);
            }
        }
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.above(path);
        self.entry(path.trim_matches('/'), LINK, target.as_bytes());
    }

    /// Adds a file with these bytes and permissions.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.above(path);
        self.entry(path.trim_matches('/'), REGULAR | (permissions & 0o777), content);
    }

    /// Adds a file, link or folder of this machine, a folder with all that is below it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn copy(&mut self, source: &Path, path: &str) -> std::io::Result<()> {
        let about = std::fs::symlink_metadata(source)?;
        if about.is_symlink() {
            self.link(path, &std::fs::read_link(source)?.to_string_lossy());
        } else if about.is_dir() {
            self.folder(path);
            let mut names: Vec<_> = std::fs::read_dir(source)?.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
            names.sort();
            for name in names {
                self.copy(&source.join(&name), &format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy()))?;
            }
        } else {
            self.file(path, about.permissions().mode(), &std::fs::read(source)?);
        }
        Ok(())
    }

    /// The finished archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn above(&mut self, path: &str) {
        if let Some((folder, _)) = path.trim_matches('/').rsplit_once('/') {
            self.folder(folder);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = 1;
        let fields = [self.entries, mode, 0, 0, links, 0, length(content.len()), 0, 0, 0, 0, length(name.len() + 1), 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A length as the archive has it.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("test files are under 4 GiB")
}
