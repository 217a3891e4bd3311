//! Module trees of Debian's kernel below `target/bench/trees`: as packaged and packed anew. The package itself is never written to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::compare::Tree;
use testkit::debian;

use super::programs::refused;
use crate::error::{Error, Result};
use crate::report;

/// The meta-package behind which the full kernel stands.
const META: &str = "linux-image-amd64";

/// What depmod reads beside the modules.
const LISTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];

/// A program that packs one module, and what its files are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packer {
    pub(super) ending: &'static str,
    program: &'static str,
    options: &'static [&'static str],
}

/// By zstd at its usual level.
pub(super) const ZST: Packer = Packer { ending: "zst", program: "zstd", options: &["-q", "-c"] };
/// By xz as Linux's own decoder needs it.
pub(super) const XZ: Packer = Packer { ending: "xz", program: "xz", options: &["--check=crc32", "--lzma2=dict=1MiB", "-c"] };
/// By gzip.
pub(super) const GZ: Packer = Packer { ending: "gz", program: "gzip", options: &["-c"] };

/// The kernel's tree as packaged.
pub(super) struct Package {
    /// `RELEASE` of `lib/modules/RELEASE`.
    pub(super) release: String,
    directory: PathBuf,
    /// Modules, relative to the directory, in order.
    pub(super) modules: Vec<PathBuf>,
}

impl Package {
    pub(super) fn fetched() -> Result<Self> {
        let name = debian::behind(META, "linux-image-").map_err(refused)?;
        let tree = Tree::of_package(&name).map_err(refused)?;
        let mut modules = Vec::new();
        walk(tree.directory(), Path::new(""), &mut modules)?;
        modules.sort();
        Ok(Self { release: tree.release().to_owned(), directory: tree.directory().to_owned(), modules })
    }

    /// A module file of the package.
    pub(super) fn path(&self, module: &Path) -> PathBuf {
        self.directory.join(module)
    }

    /// A root for one subject, with the modules as packaged.
    pub(super) fn root(&self, subject: &str) -> Result<PathBuf> {
        self.laid_out(&format!("plain-{subject}"), &self.directory)
    }

    /// A root for one subject with every `step`th module packed. Packing goes on where an earlier run was stopped.
    pub(super) fn packed_root(&self, packer: Packer, step: usize, subject: &str) -> Result<PathBuf> {
        let part = if step > 1 { format!("{}-{step}", packer.ending) } else { packer.ending.to_owned() };
        let directory = folder().join(format!("packed-{part}"));
        let modules: Vec<&PathBuf> = self.modules.iter().step_by(step.max(1)).collect();
        let next = AtomicUsize::new(0);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let work = || -> Result<()> {
            while let Some(module) = modules.get(next.fetch_add(1, Ordering::Relaxed)) {
                pack(packer, &self.path(module), &directory.join(format!("{}.{}", module.display(), packer.ending)))?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            running.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })?;
        for list in LISTS {
            copy(&self.directory.join(list), &directory.join(list))?;
        }
        self.laid_out(&format!("{part}-{subject}"), &directory)
    }

    /// A fresh root: hard links of the modules in folders of its own (busybox follows no symbolic links to folders), copies of the
    /// lists that depmod reads. Nothing writes into a module's file.
    fn laid_out(&self, name: &str, from: &Path) -> Result<PathBuf> {
        let root = folder().join(name);
        let to = root.join("lib/modules").join(&self.release);
        if root.exists() {
            fs::remove_dir_all(&root).map_err(at(&root))?;
        }
        fs::create_dir_all(&to).map_err(at(&to))?;
        link(from, &to)?;
        for list in LISTS {
            copy(&from.join(list), &to.join(list))?;
        }
        Ok(root)
    }

    /// Removes what a depmod has written.
    pub(super) fn remove_indexes(&self, root: &Path) -> Result<()> {
        for entry in entries(&self.below(root))? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("modules.") && !LISTS.contains(&name.as_str()) {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Checks that a depmod listed `count` modules: one that found nothing would be fast.
    pub(super) fn check(&self, root: &Path, count: usize) -> Result<()> {
        let path = self.below(root).join("modules.dep");
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let found = text.lines().filter(|line| line.contains(':')).count();
        let reason = format!("it lists {found} modules, not {count}");
        if found == count { Ok(()) } else { Err(Error::Format { what: path.display().to_string(), reason }) }
    }

    /// The directory of the release below a root.
    pub(super) fn below(&self, root: &Path) -> PathBuf {
        root.join("lib/modules").join(&self.release)
    }
}

/// A path as an argument; all of ours are text.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Copies a file.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(at(to))
}

fn folder() -> PathBuf {
    report::folder().join("trees")
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>> {
    fs::read_dir(directory).map_err(at(directory))?.collect::<std::io::Result<_>>().map_err(at(directory))
}

/// The modules of a folder in another one, as hard links.
fn link(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in entries(from)? {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            link(&source, &target)?;
        } else if entry.file_name().to_string_lossy().contains(".ko") {
            fs::hard_link(&source, &target).map_err(at(&target))?;
        }
    }
    Ok(())
}

fn walk(top: &Path, below: &Path, modules: &mut Vec<PathBuf>) -> Result<()> {
    for entry in entries(&top.join(below))? {
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            walk(top, &path, modules)?;
        } else if path.extension().is_some_and(|ending| ending == "ko") {
            modules.push(path);
        }
    }
    Ok(())
}

/// Packs one module, unless it is there; a file under its own name is whole.
fn pack(packer: Packer, from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let parent = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(at(parent))?;
    let unfinished = to.with_extension("unfinished");
    let output = fs::File::create(&unfinished).map_err(at(&unfinished))?;
    let mut command = Command::new("nice");
    command.arg(packer.program).args(packer.options).arg(from).stdin(Stdio::null()).stdout(output);
    let status = command.status().map_err(|source| Error::Start { program: packer.program.to_owned(), source })?;
    if !status.success() {
        return Err(Error::Program { program: packer.program.to_owned(), status: status.to_string(), stderr: String::new() });
    }
    fs::rename(&unfinished, to).map_err(at(to))
}
