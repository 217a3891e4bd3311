//! depmod: makes the index files of a module tree.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use kmod::config::{DepmodConfig, dirs};
use kmod::depmod::{self, KernelSymbols, Level, Made, Mode, Notice, Request, SymbolCheck, Turn};
use kmod::hosted::Hosted;
use kmod::kernel::Kernel;
use kmod::text;
use serde_json::json;

use crate::applet::Run;
use crate::console::Verbosity;
use crate::target::{KernelOption, RootOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  depmod                        # the tree of the running kernel
  depmod 6.1.0-56-amd64         # another release
  depmod -b /mnt 6.1.0-56-amd64 # a tree under another root
  depmod --incremental          # read only modules that changed since the last --incremental
  depmod --check                # is the set complete and current? writes nothing";

/// Make modules.dep and the other index files of a module tree
///
/// All files are written in full and flushed to the disk before the first of them is replaced: a full disk, a signal or a crash
/// leaves the old ones as they were. A run that is killed while the finished files take their places leaves a record,
/// .depmod-pending, from which the next one finishes the set.
#[derive(Parser)]
#[command(name = "depmod", version, after_help = EXAMPLES, infer_long_args = true)]
pub(crate) struct Depmod {
    #[command(flatten)]
    kernel: KernelOption,
    /// All modules of the tree, whatever files are given (the default where none are)
    #[arg(short, long)]
    all: bool,
    /// Do nothing if the index files are newer than every module and list the same files
    #[arg(short = 'A', long)]
    quick: bool,
    /// Root of the tree
    #[arg(short, long, value_name = "DIR", default_value_os_t = RootOption::default().directory())]
    basedir: PathBuf,
    /// Directory of the modules below the root
    #[arg(short, long, value_name = "DIR", default_value = depmod::MODULE_DIRECTORY)]
    moduledir: PathBuf,
    /// Root below which the index files go, instead of that of the tree
    #[arg(short, long, value_name = "DIR")]
    outdir: Option<PathBuf>,
    /// Configuration file or directory, instead of the standard ones (may be repeated)
    #[arg(short = 'C', long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Module.symvers with the kernel's symbols and checksums: with -e, report modules that were compiled against others
    #[arg(short = 'E', long, value_name = "FILE")]
    symvers: Option<PathBuf>,
    /// System.map with the symbols that the kernel exports
    #[arg(short = 'F', long, value_name = "FILE")]
    filesyms: Option<PathBuf>,
    /// Report symbols that nobody has, and checksums that differ; needs -E or -F
    #[arg(short, long)]
    errsyms: bool,
    /// Print the index files instead of writing them
    #[arg(short = 'n', long, visible_alias = "dry-run")]
    show: bool,
    /// Character that symbols begin with, and their names in the index and in System.map do not
    #[arg(short = 'P', long, value_name = "CHAR")]
    symbol_prefix: Option<String>,
    /// Tell of modules that exist twice
    #[arg(short, long)]
    warn: bool,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
    /// Nothing: these are options of old versions
    #[arg(short, short_aliases = ['u', 'r'])]
    quiet: bool,
    /// Read only modules that changed since the last such run; the files are the same as those of a full run
    #[arg(long)]
    incremental: bool,
    /// Compare the index files with the tree; write nothing; status 1 if something is missing or not current
    #[arg(long)]
    check: bool,
    /// Report what was done as JSON
    #[arg(long)]
    json: bool,
    /// Release of the kernel, then module files by their absolute paths, which are then the only ones in the index files
    #[arg(value_name = "RELEASE | FILE")]
    words: Vec<String>,
}

impl Run for Depmod {
    fn run(self, console: &mut Console) -> Outcome {
        if self.verbose {
            console.set_verbosity(Verbosity::Verbose);
        }
        if self.quiet {
            console.warning("Ignored deprecated option (-q, -u, -r)");
        }
        let request = self.request(console)?;
        let config = config(&self.config).map_err(|e| fatal(console, e))?;
        if self.check {
            return self.report_check(&request, &config, console);
        }
        // What an earlier run left half done is put right even if this one fails.
        let turn = if self.show { None } else { Some(Turn::wait(&request).map_err(|e| fatal(console, e))?) };
        if self.quick && depmod::is_current(&request, &config).unwrap_or(false) {
            return Ok(());
        }
        let made = self.make(&request, &config, console)?;
        self.show_notices(&made.notices, console);
        let Some(turn) = turn else { return print(&made, console) };
        made.publish_in(&turn).map_err(|e| fatal(console, e))?;
        if self.json { console.print_json(&report(&request, &made)) } else { Ok(()) }
    }
}

impl Depmod {
    fn request(&self, console: &mut Console) -> Result<Request, Failed> {
        let (release, files) = match self.words.split_first() {
            Some((first, rest)) if is_release(first) => (first.clone(), rest),
            // Files alone would leave the running kernel with indexes of nothing but these.
            Some((first, _)) => {
                console.error(format_args!("Bad version passed {first}"));
                return Err(Failed);
            }
            None => (self.running_release(console)?, &[][..]),
        };
        // They mean the whole tree.
        let files = if self.all || self.quick { &[][..] } else { files };
        if let Some(relative) = files.iter().find(|f| !f.starts_with('/')) {
            console.fatal(format_args!("{relative}: not absolute path."));
            return Err(Failed);
        }
        let mut request = Request::new(self.basedir.clone(), release);
        request.module_directory.clone_from(&self.moduledir);
        request.output_root.clone_from(&self.outdir);
        request.files = files.iter().map(|file| text::to_path(file).into_owned()).collect();
        request.mode = if self.incremental { Mode::Incremental } else { Mode::Full };
        request.symbol_prefix = self.prefix(console)?;
        request.kernel = self.kernel_symbols(request.symbol_prefix, console)?;
        let known = !request.kernel.is_empty();
        request.check = SymbolCheck { unknown: self.errsyms && known, versions: self.errsyms && self.symvers.is_some() };
        if self.errsyms && !known {
            match self.symvers.as_ref().or(self.filesyms.as_ref()) {
                None => console.warning("-e needs -E or -F"),
                Some(path) => {
                    console.warning(format_args!("`{}` names no symbol that the kernel exports: -e checks nothing", path.display()))
                }
            }
        }
        Ok(request)
    }

    fn running_release(&self, console: &mut Console) -> Result<String, Failed> {
        match self.kernel.target() {
            Target::Hosted(socket) => Hosted::connect(&socket).and_then(|mut k| k.release()).map_err(|e| fatal(console, e)),
            Target::Linux => Ok(kmod::linux::release()),
        }
    }

    /// The one character of `-P`.
    fn prefix(&self, console: &mut Console) -> Result<Option<char>, Failed> {
        let Some(word) = &self.symbol_prefix else { return Ok(None) };
        let mut characters = word.chars();
        match (characters.next(), characters.next()) {
            (Some(one), None) => Ok(Some(one)),
            _ => Err(fatal(console, "-P only takes a single char")),
        }
    }

    fn kernel_symbols(&self, prefix: Option<char>, console: &mut Console) -> Result<KernelSymbols, Failed> {
        let mut symbols = KernelSymbols::default();
        if let Some(path) = &self.symvers {
            symbols.add_symvers(path).map_err(|e| fatal(console, e))?;
        }
        if let Some(path) = &self.filesyms {
            symbols.add_system_map(path, prefix).map_err(|e| fatal(console, e))?;
        }
        if let Target::Hosted(socket) = self.kernel.target() {
            // The tree of a release may well be made before its kernel runs; who has no release to go by was refused before.
            let told = Hosted::connect(&socket).and_then(|mut k| k.symbols()).unwrap_or_default();
            // Behind the marker with the empty name come the kernel's own; symbols of loaded modules would hide the modules.
            let resident = told.into_iter().skip_while(|s| s.name != "#").skip(1).map(|s| s.name);
            symbols.add(resident);
        }
        Ok(symbols)
    }

    fn make(&self, request: &Request, config: &DepmodConfig, console: &mut Console) -> Result<Made, Failed> {
        let progress = Progress::new();
        let made = depmod::run(request, config, &|done, total| progress.show(done, total));
        progress.clear();
        made.map_err(|error| match error {
            kmod::Error::Cycles { cycles, modules } => {
                for cycle in cycles {
                    console.error(format_args!("Cycle detected: {}", cycle.join(" -> ")));
                }
                console.error(format_args!("Found {modules} modules in dependency cycles!"));
                Failed
            }
            other => fatal(console, other),
        })
    }

    fn show_notices(&self, notices: &[Notice], console: &mut Console) {
        for notice in notices {
            match notice.level() {
                Level::Error => console.error(notice),
                Level::Warning => console.warning(notice),
                Level::Detail if self.warn => console.warning(notice),
                Level::Detail => console.info(notice),
            }
        }
    }

    fn report_check(&self, request: &Request, config: &DepmodConfig, console: &mut Console) -> Outcome {
        let findings = depmod::check(request, config).map_err(|e| fatal(console, e))?;
        if self.json {
            let list: Vec<_> = findings.iter().map(|f| json!({"file": f.file(), "finding": f.to_string()})).collect();
            console.print_json(&json!({"tree": text::of_path(&request.output()), "current": findings.is_empty(), "findings": list}))?;
        } else {
            for finding in &findings {
                console.error(format_args!("{}: {finding}", request.output().display()));
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(Failed) }
    }
}

/// A release begins with two numbers and a dot between them.
fn is_release(word: &str) -> bool {
    let Some((major, rest)) = word.split_once('.') else { return false };
    !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with(|c: char| c.is_ascii_digit())
}

/// The configuration at the given paths, else at the standard ones: those of this system, whatever the root of the tree.
fn config(paths: &[PathBuf]) -> kmod::Result<DepmodConfig> {
    if paths.is_empty() { DepmodConfig::load(&dirs::standard(Path::new("/"), "depmod.d")) } else { DepmodConfig::load(paths) }
}

fn fatal(console: &mut Console, error: impl std::fmt::Display) -> Failed {
    console.fatal(error);
    Failed
}

/// The text files, one after the other.
fn print(made: &Made, console: &mut Console) -> Outcome {
    let texts = made.outputs.iter().filter(|o| !o.name.ends_with(".bin"));
    console.write(&texts.flat_map(|o| o.contents.iter().copied()).collect::<Vec<u8>>())
}

fn report(request: &Request, made: &Made) -> serde_json::Value {
    let files: Vec<_> = made.outputs.iter().map(|o| json!({"name": o.name, "bytes": o.contents.len()})).collect();
    let notices: Vec<_> = made.notices.iter().map(ToString::to_string).collect();
    json!({"tree": text::of_path(&request.output()), "modules": made.modules, "read": made.read, "files": files, "notices": notices})
}

/// A line on the terminal that appears when the work takes longer than a second.
struct Progress {
    start: Instant,
    terminal: bool,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    fn new() -> Self {
        Self { start: Instant::now(), terminal: std::io::stderr().is_terminal(), last: Mutex::new(None) }
    }

    fn show(&self, done: usize, total: usize) {
        if !self.terminal || self.start.elapsed() < Duration::from_secs(1) {
            return;
        }
        // Another thread that holds the lock is printing already.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.is_none_or(|l| l.elapsed() > Duration::from_millis(100)) {
            *last = Some(Instant::now());
            // A terminal that is gone needs no progress.
            drop(write!(std::io::stderr(), "\r{done} of {total} modules read"));
        }
    }

    fn clear(&self) {
        if self.last.lock().is_ok_and(|l| l.is_some()) {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
