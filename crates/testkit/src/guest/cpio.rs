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
    merged: bool,
}

/// The folders that are links into `/usr` on today's systems.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];

impl Archive {
    /// An archive in which `/bin`, `/sbin`, `/lib` and `/lib64` are links into `/usr`: what is added below them goes there.
    #[must_use]
    pub fn merged() -> Self {
        let mut archive = Self::default();
        for folder in MERGED {
            archive.folder(&format!("usr/{folder}"));
            archive.entry(folder, LINK, format!("usr/{folder}").as_bytes());
        }
        archive.merged = true;
        archive
    }

    /// Adds a folder and those above it, once.
    pub fn folder(&mut self, path: &str) {
        let path = &self.place(path);
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let above = &path[..at];
            if !above.is_empty() && self.folders.insert(above.to_owned()) {
                self.entry(above, DIRECTORY, &[]);
            }
        }
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        let path = self.above(path);
        self.entry(&path, LINK, target.as_bytes());
    }

    /// Adds a file with these bytes and permissions.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        let path = self.above(path);
        self.entry(&path, REGULAR | (permissions & 0o777), content);
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

    /// Adds the folders above something; answers where that lies in the archive.
    fn above(&mut self, path: &str) -> String {
        let path = self.place(path);
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        path
    }

    /// The path in the archive. The kernel, unpacking a folder where it finds a link, would put the folder in its place.
    fn place(&self, path: &str) -> String {
        let path = path.trim_matches('/');
        let first = path.split('/').next().unwrap_or(path);
        if self.merged && MERGED.contains(&first) { format!("usr/{path}") } else { path.to_owned() }
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
