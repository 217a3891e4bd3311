//! Module trees of Debian's kernels, as packaged and packed anew.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::debian::{self, FetchError};

/// Held while a tree is packed.
static PACKING: Mutex<()> = Mutex::new(());

/// A module tree below some root.
#[derive(Debug, Clone)]
pub struct Tree {
    name: String,
    /// The directory of the release.
    directory: PathBuf,
    release: String,
}

/// How the modules of a tree are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As in the package.
    AsPackaged,
    /// Not at all.
    Plain,
    /// By `xz --check=crc32 --lzma2=dict=1MiB`, which the kernel can undo.
    Xz,
    /// By `zstd`.
    Zst,
    /// By `gzip`.
    Gz,
}

impl Tree {
    /// The tree of a kernel package, which is fetched if need be.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn of_package(package: &str) -> Result<Self, FetchError> {
        let root = debian::package(package)?;
        let failed = |reason: String| FetchError { package: package.to_owned(), reason };
        // Since Debian 13 the modules lie below /usr.
        let parents = ["lib/modules", "usr/lib/modules"].map(|p| root.join(p));
        let parent = parents.iter().find(|p| p.is_dir()).ok_or_else(|| failed("it holds no modules".to_owned()))?;
        let entry = fs::read_dir(parent).ok().and_then(|mut entries| entries.next()?.ok());
        let directory = entry.ok_or_else(|| failed("it holds no release".to_owned()))?.path();
        let release = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name: release.clone(), directory, release })
    }

    /// A copy of a tree with each module packed; it is kept beside the packages.
    ///
    /// # Errors
    /// What the file system or the packer says.
    pub fn packed(&self, packing: Packing) -> std::io::Result<Self> {
        let (ending, packer): (&str, &[&str]) = match packing {
            Packing::AsPackaged => return Ok(self.clone()),
            Packing::Plain => ("plain", &["cat"]),
            Packing::Xz => ("xz", &["xz", "--check=crc32", "--lzma2=dict=1MiB", "-c"]),
            Packing::Zst => ("zst", &["zstd", "-q", "-c"]),
            Packing::Gz => ("gz", &["gzip", "-n", "-c"]),
        };
        let directory = debian::cache().join(format!("packed-{ending}")).join(&self.release);
        let _one = PACKING.lock().unwrap_or_else(PoisonError::into_inner);
        if !directory.is_dir() {
            let unfinished = directory.with_file_name(format!("{}.unfinished{}", self.release, std::process::id()));
            let suffix = if packing == Packing::Plain { String::new() } else { format!(".{ending}") };
            pack(&self.directory, &unfinished, &suffix, packer)?;
            fs::rename(&unfinished, &directory)?;
        }
        Ok(Self { name: format!("{} ({ending})", self.release), directory, release: self.release.clone() })
    }

    /// The tree with its modules uncompressed: itself, where the package has them so.
    ///
    /// # Errors
    /// As [`packed`](Self::packed).
    pub fn plain(&self) -> std::io::Result<Self> {
        let order = fs::read_to_string(self.directory.join("modules.order"))?;
        let first = order.lines().next().unwrap_or_default();
        self.packed(if self.directory.join(first).exists() { Packing::AsPackaged } else { Packing::Plain })
    }

    /// A name for reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The directory of the release, which nothing may write to.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lays the tree out below `root` as `lib/modules/RELEASE`: links to the folders of modules, copies of the lists.
    ///
    /// # Errors
    /// What the file system says.
    pub fn lay_out(&self, root: &Path) -> std::io::Result<()> {
        let to = root.join("lib/modules").join(&self.release);
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let name = entry.file_name();
            let kept = ["modules.order", "modules.builtin", "modules.builtin.modinfo"].iter().any(|k| name == *k);
            if entry.file_type()?.is_dir() {
                std::os::unix::fs::symlink(entry.path(), to.join(name))?;
            } else if kept {
                fs::copy(entry.path(), to.join(name))?;
            }
        }
        Ok(())
    }
}

/// Copies a folder; modules go through the program `packer` and get names that end with `suffix`.
fn pack(from: &Path, to: &Path, suffix: &str, packer: &[&str]) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let plain = name.strip_suffix(".xz").unwrap_or(&name);
        if entry.file_type()?.is_dir() {
            pack(&path, &to.join(&name), suffix, packer)?;
        } else if plain.ends_with(".ko") {
            let content = if plain == name { fs::read(&path)? } else { filter(&["xz", "-dc"], fs::read(&path)?)? };
            fs::write(to.join(format!("{plain}{suffix}")), filter(packer, content)?)?;
        } else {
            fs::copy(path, to.join(&name))?;
        }
    }
    Ok(())
}

/// What a program makes of bytes.
fn filter(program: &[&str], content: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut command = Command::new(program.first().copied().unwrap_or("cat"));
    let mut child = command.args(&program[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take();
    let writer = std::thread::spawn(move || input.as_mut().map_or(Ok(()), |pipe| pipe.write_all(&content)));
    let done = child.wait_with_output()?;
    let written = writer.join().unwrap_or_else(|_| Err(std::io::Error::other("the writer ended early")));
    if !done.status.success() {
        return Err(std::io::Error::other(format!("{command:?}: {}", done.status)));
    }
    written.map(|()| done.stdout)
}
