//! Module trees of Debian's kernels, as packaged and packed anew.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, FetchError};

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
        let (ending, program, options): (&str, &str, &[&str]) = match packing {
            Packing::AsPackaged => return Ok(self.clone()),
            Packing::Xz => ("xz", "xz", &["--check=crc32", "--lzma2=dict=1MiB", "-c"]),
            Packing::Zst => ("zst", "zstd", &["-q", "-c"]),
            Packing::Gz => ("gz", "gzip", &["-c"]),
        };
        let directory = debian::cache().join(format!("packed-{ending}")).join(&self.release);
        if !directory.is_dir() {
            let unfinished = directory.with_extension("unfinished");
            pack(&self.directory, &unfinished, &|from, to| {
                filter(program, options, from, &PathBuf::from(format!("{}.{ending}", to.display())))
            })?;
            fs::rename(&unfinished, &directory)?;
        }
        Ok(Self { name: format!("{} ({ending})", self.release), directory, release: self.release.clone() })
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

/// Copies a folder; modules go through `packer`.
fn pack(from: &Path, to: &Path, packer: &dyn Fn(&Path, &Path) -> std::io::Result<()>) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            pack(&entry.path(), &target, packer)?;
        } else if entry.path().extension().is_some_and(|e| e == "ko") {
            packer(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn filter(program: &str, options: &[&str], from: &Path, to: &Path) -> std::io::Result<()> {
    let done = Command::new(program).args(options).arg(from).stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(std::io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&done.stderr))));
    }
    fs::File::create(to)?.write_all(&done.stdout)
}
