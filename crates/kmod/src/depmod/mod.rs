//! Makes the index files of a module tree: who needs whom, which aliases lead to which module.
//!
//! ```no_run
//! use kmod::depmod::{self, Request};
//! let request = Request::new("/".into(), "6.1.0-56-amd64".into());
//! let made = depmod::run(&request, &Default::default(), &|_, _| ())?;
//! made.publish()?;
//! # Ok::<(), kmod::Error>(())
//! ```

mod cache;
mod check;
mod current;
mod facts;
mod find;
mod graph;
mod notice;
mod output;
mod publish;
mod scan;
mod symvers;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use check::{Finding, check};
pub use current::is_current;
pub use notice::{Level, Notice};
pub use output::{FILES, Output};
pub use symvers::KernelSymbols;

use crate::config::DepmodConfig;
use crate::workers::both;
use crate::{Error, Result, text};
use facts::{Facts, Module};
use find::Found;

/// Where modules live below the root, unless told otherwise.
pub const MODULE_DIRECTORY: &str = "lib/modules";

/// How much of the last run is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Read every module.
    #[default]
    Full,
    /// Read only modules whose size, time or inode changed since the run that left a scan file; keep one for the next run.
    Incremental,
}

/// How symbols are checked against what modules and the kernel have; by default not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SymbolCheck {
    /// `-e`: symbols that nobody has are reported.
    pub unknown: bool,
    /// `-E`: wrong checksums are reported, where both sides have one.
    pub versions: bool,
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Request {
    /// The root of the tree (`-b`).
    pub root: PathBuf,
    /// Where modules live below the root (`-m`); `lib/modules` as a rule.
    pub module_directory: PathBuf,
    /// Where the outputs go (`-o`): a root like `root`; `None` for `root` itself.
    pub output_root: Option<PathBuf>,
    /// The release.
    pub release: String,
    /// Single module files; empty for all of the tree.
    pub files: Vec<PathBuf>,
    /// Full or incremental.
    pub mode: Mode,
    /// Reporting of symbols.
    pub check: SymbolCheck,
    /// The kernel's own symbols (`-E`, `-F`).
    pub kernel: KernelSymbols,
    /// A character that symbols begin with, and their names in the index do not (`-P`).
    pub symbol_prefix: Option<char>,
}

impl Request {
    /// A full run over the tree of one release.
    #[must_use]
    pub fn new(root: PathBuf, release: String) -> Self {
        Self {
            root,
            module_directory: MODULE_DIRECTORY.into(),
            output_root: None,
            release,
            files: Vec::new(),
            mode: Mode::Full,
            check: SymbolCheck::default(),
            kernel: KernelSymbols::default(),
            symbol_prefix: None,
        }
    }

    /// The directory of the release.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.below(&self.root)
    }

    /// The directory that gets the index files.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.below(self.output_root.as_deref().unwrap_or(&self.root))
    }

    fn below(&self, root: &Path) -> PathBuf {
        let relative = self.module_directory.strip_prefix("/").unwrap_or(&self.module_directory);
        root.join(relative).join(text::to_path(&self.release))
    }
}

/// The result of a run: nothing has been written yet.
#[derive(Debug)]
pub struct Made {
    /// The index files, in the order in which `-n` prints them.
    pub outputs: Vec<Output>,
    /// What else there is to say.
    pub notices: Vec<Notice>,
    /// Number of modules of the tree.
    pub modules: usize,
    /// Number of modules whose files were read; the others were known.
    pub read: usize,
    /// What the next incremental run shall know, where that is not what this one knew.
    scan: Option<Output>,
    directory: PathBuf,
}

impl Made {
    /// Puts all files in place: each whole and on the disk before the first is visible. A publication that a killed run or a power
    /// failure left half done is finished first.
    ///
    /// # Errors
    /// [`Error::Io`]: the old files are then as they were, unless a finished file could not take its place, which the next run mends.
    pub fn publish(&self) -> Result<()> {
        self.publish_in(&Turn::of(&self.directory)?)
    }

    /// The same within a turn, which is one in the same directory.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_in(&self, Turn(locked): &Turn) -> Result<()> {
        let mine = |name: &str| self.outputs.iter().any(|o| o.name == name);
        let obsolete: Vec<&str> = FILES.iter().copied().filter(|name| !mine(name)).collect();
        locked.publish(&self.outputs, &obsolete)?;
        self.scan.iter().try_for_each(|scan| locked.put(scan))
    }
}

/// The time of a run in which no other one publishes. Whoever reads the tree only when its turn has come sees what those before it have
/// seen, and takes nothing of theirs out of the index files again.
#[derive(Debug)]
pub struct Turn(publish::Locked);

impl Turn {
    /// Waits for it, and then finishes a publication that a killed run or a power failure left half done, or takes it back where it was not
    /// decided: the new set or the old one is there, whole. Without one, nothing is written. Until then, readers of this library see the
    /// decided set, and others a mix of both, in which each file is whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn wait(request: &Request) -> Result<Self> {
        Self::of(&request.output())
    }

    fn of(directory: &Path) -> Result<Self> {
        let locked = publish::Locked::directory(directory)?;
        locked.mend()?;
        Ok(Self(locked))
    }
}

/// Reads the tree and makes the index files. `progress` is told from several threads how many of how many modules have been read.
///
/// # Errors
/// [`Error::Io`] if a directory cannot be read, [`Error::Cycles`]. A damaged module is a [`Notice`].
pub fn run(request: &Request, config: &DepmodConfig, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Made> {
    let mut notices: Vec<Notice> = config.bad.iter().cloned().map(Notice::BadLine).collect();
    let directory = request.output();
    let (known, found) = match request.mode {
        Mode::Full => (cache::Known::default(), find::find(request, config, &mut notices)?),
        Mode::Incremental => {
            let (known, found) = both(|| cache::load(&directory), || find::find(request, config, &mut notices));
            (known.unwrap_or_default(), found?)
        }
    };
    let before = known.len();
    let tree = request.tree();
    let Gathered { facts, modules, read, unread } = gather(&tree, &found, known, progress, &mut notices);
    let owner = graph::providers(&facts, &modules);
    let name = |module: usize| found.get(module).map_or_else(String::new, |f| f.name.clone());
    let graph = graph::Graph::build(&facts, &modules, &without_kernel(&owner, &facts, &request.kernel), &name)?;
    if request.check != SymbolCheck::default() {
        let paths: Vec<PathBuf> = found.iter().map(|f| f.path(&tree)).collect();
        let symbols = symvers::Symbols { facts: &facts, modules: &modules, owner: &owner };
        symvers::check(&paths, request.check, &symbols, &request.kernel, &mut notices);
    }
    let (builtin, builtin_modinfo) = output::builtin_inputs(request, &mut notices);
    let material = output::Material {
        found: &found,
        facts: &facts,
        modules: &modules,
        owner: &owner,
        graph: &graph,
        builtin: &builtin,
        builtin_modinfo: &builtin_modinfo,
        symbol_prefix: request.symbol_prefix,
    };
    let (scan, outputs) = if request.mode == Mode::Incremental && (read > 0 || before != found.len()) {
        // What could not be read now may be the next time, with the same size and time.
        let all = found.iter().zip(&modules).enumerate();
        let known: Vec<_> = all.filter(|(number, _)| unread.binary_search(number).is_err()).map(|(_, known)| known).collect();
        let save = || Output { name: cache::FILE, contents: cache::save(&known, &facts) };
        let (scan, outputs) = both(save, || output::all(&material, &mut notices));
        (Some(scan), outputs)
    } else {
        (None, output::all(&material, &mut notices))
    };
    Ok(Made { outputs, notices, modules: found.len(), read, scan, directory })
}

/// The providers that modules can have: the kernel's own symbols come from no module.
fn without_kernel<'a>(owner: &'a [Option<usize>], facts: &Facts, kernel: &KernelSymbols) -> Cow<'a, [Option<usize>]> {
    if kernel.is_empty() {
        return Cow::Borrowed(owner);
    }
    let provider = |(number, owner): (usize, &Option<usize>)| owner.filter(|_| !kernel.contains(facts.symbols.name(number)));
    Cow::Owned(owner.iter().enumerate().map(provider).collect())
}

/// What is known of all modules, in their order, and how many files were read for it.
struct Gathered {
    facts: Facts,
    modules: Vec<Module>,
    read: usize,
    /// The modules, by their number, of which nothing is known, since their files could not be read.
    unread: Vec<usize>,
}

/// What is known of each module, from the last run or from its file.
fn gather(
    tree: &Path,
    found: &[Found],
    known: cache::Known,
    progress: &(dyn Fn(usize, usize) + Sync),
    notices: &mut Vec<Notice>,
) -> Gathered {
    let old: Vec<Option<Module>> = found.iter().map(|f| known.of(f)).collect();
    let unknown: Vec<&Found> = found.iter().zip(&old).filter(|(_, module)| module.is_none()).map(|(f, _)| f).collect();
    let done = AtomicUsize::new(0);
    let read = unknown.len();
    let mut facts = known.facts;
    let mut fresh = scan::scan_all(tree, &unknown, &mut facts, &|| progress(done.fetch_add(1, Ordering::Relaxed) + 1, read)).into_iter();
    let mut modules = Vec::with_capacity(found.len());
    let mut unread = Vec::new();
    for (found, old) in found.iter().zip(old) {
        modules.push(match old.map(Ok).or_else(|| fresh.next()) {
            Some(Ok(module)) => module,
            Some(Err(e)) => {
                unread.push(modules.len());
                notices.push(Notice::BadModule { path: found.path(tree), reason: reason(&e) });
                Module::default()
            }
            None => Module::default(),
        });
    }
    Gathered { facts, modules, read, unread }
}

/// The cause alone: the notice names the file.
fn reason(error: &Error) -> String {
    match error {
        Error::File { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
