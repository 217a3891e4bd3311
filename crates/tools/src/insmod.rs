//! insmod: inserts one module from a file.

mod linux;
mod load_map;
mod search;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Parser;
use kmod::hosted::{Detail, Error, Hosted, Inserted};
use kmod::kernel::{Depth, Force, Globals, Insert, Kernel, Lifetime};
use rustix::fs::FlockOperation;
use uapi::Errno;

use self::search::Search;
use crate::applet::Run;
use crate::console::Verbosity;
use crate::target::{KernelOption, RootOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  insmod ./vfat.o
  insmod vfat                  # searched in MODPATH or the kernel's module tree
  insmod -k nls.o codepage=850 # with a parameter; goes by itself when unused
  insmod -o two hello.o        # the same file under another name
  insmod -m -n hello.o         # where everything would lie, without loading";

/// Insert a module into the kernel
#[derive(Parser)]
#[command(name = "insmod", version, after_help = EXAMPLES)]
pub(crate) struct Insmod {
    #[command(flatten)]
    kernel: KernelOption,
    #[command(flatten)]
    root: RootOption,
    /// Name of the module in the kernel [default: the file's, without its ending]
    #[arg(short = 'o', long, value_name = "NAME")]
    name: Option<String>,
    /// Load although the module was built for another kernel version
    #[arg(short, long, visible_alias = "force-vermagic")]
    force: bool,
    /// Load although versions of symbols differ (Linux only; a hosted kernel never does)
    #[arg(long)]
    force_modversion: bool,
    /// Let the module be removed when it is not used (what kerneld asks for)
    #[arg(short = 'k', long)]
    autoclean: bool,
    /// Print a load map: sections and symbols with their addresses
    #[arg(short, long)]
    map: bool,
    /// Do not export the module's global symbols
    #[arg(short = 'x', long, overrides_with = "export")]
    noexport: bool,
    /// Export the module's global symbols, unless it lists its exports [default]
    #[arg(short = 'X', long)]
    export: bool,
    /// Only check whether the module could be loaded; print nothing
    #[arg(short, long)]
    poll: bool,
    /// Do everything but load: link as if the kernel had given address 0x12340000
    #[arg(short = 'n', long)]
    noload: bool,
    /// Lock the file against other insmods; a module that is there already is then no error
    #[arg(short = 'L', long)]
    lock: bool,
    /// Send messages to the system log
    #[arg(short, long)]
    syslog: bool,
    /// Say what is being done
    #[arg(short, long)]
    verbose: bool,
    /// File of the module; a name without `/` and `.` is searched for
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Parameters of the module
    #[arg(value_name = "SYMBOL=VALUE")]
    parameters: Vec<String>,
}

impl Run for Insmod {
    fn run(self, console: &mut Console) -> Outcome {
        if self.syslog {
            console.use_syslog();
        }
        let verbosity = [(self.poll, Verbosity::Silent), (self.verbose, Verbosity::Verbose)];
        if let Some((_, wanted)) = verbosity.into_iter().find(|(given, _)| *given) {
            console.set_verbosity(wanted);
        }
        let Some(file) = self.file.as_deref() else {
            return fail(console, "missing filename.");
        };
        match self.kernel.target() {
            Target::Hosted(socket) => self.insert_hosted(&socket, file, console),
            Target::Linux => self.insert_linux(file, console),
        }
    }
}

impl Insmod {
    /// Finds the file, inserts it, tells the rest.
    fn insert_hosted(&self, socket: &Path, argument: &Path, console: &mut Console) -> Outcome {
        let search = Search::new(&self.root.directory());
        let found = Hosted::connect(socket).and_then(|mut kernel| Ok((kernel.release()?, kernel)));
        let (release, mut kernel) = match found {
            Ok(found) => found,
            Err(error) => return fail(console, error),
        };
        let Some(path) = search.find(argument, &release) else {
            return fail(console, format_args!("{}: no module by that name found", argument.display()));
        };
        let _lock = match self.locked(&path) {
            Ok(lock) => lock,
            Err(error) => return fail(console, format_args!("Cannot open {}: {error}", path.display())),
        };
        console.info(format_args!("using {}", path.display()));
        let detail = if self.map { Detail::LoadMap } else { Detail::Brief };
        match kernel.load(&self.request(&path), detail) {
            Ok(inserted) => self.tell(&inserted, console),
            Err(error) if self.lock && error.errno() == Some(Errno::EEXIST) => {
                console.info(format_args!("{error}, which is as well"));
                Ok(())
            }
            Err(error) => {
                console.error(&error);
                explain(&error, &search, &release, console);
                Err(Failed)
            }
        }
    }

    /// Opens the file and locks it against others that do the same, with `-L`. The lock ends with the handle.
    fn locked(&self, path: &Path) -> std::io::Result<Option<File>> {
        if !self.lock {
            return Ok(None);
        }
        let file = File::open(path)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(Some(file))
    }

    /// What the options ask for.
    fn request<'a>(&'a self, path: &'a Path) -> Insert<'a> {
        Insert {
            path,
            name: self.name.as_deref(),
            parameters: &self.parameters,
            force: Force { vermagic: self.force, modversion: self.force_modversion },
            globals: if self.noexport { Globals::Hide } else { Globals::Export },
            lifetime: if self.autoclean { Lifetime::Autoclean } else { Lifetime::Manual },
            depth: match (self.poll, self.noload) {
                (true, _) => Depth::Poll,
                (false, true) => Depth::Pretend,
                (false, false) => Depth::Load,
            },
        }
    }

    /// Warnings, the load map, and with `-v` where the module lies.
    fn tell(&self, inserted: &Inserted, console: &mut Console) -> Outcome {
        for warning in &inserted.warnings {
            console.warning(warning);
        }
        let Inserted { name, size, base, references, .. } = inserted;
        if let Some(base) = base {
            console.info(format_args!("{name}: {size} bytes at {base:#x}"));
        }
        if !references.is_empty() {
            console.info(format_args!("{name} uses {}", references.join(", ")));
        }
        match &inserted.map {
            Some(map) if !self.poll => console.print(&load_map::text(map)),
            _ => Ok(()),
        }
    }
}

/// Says which module of the tree would provide what is missing.
fn explain(error: &Error, search: &Search, release: &str, console: &mut Console) {
    for symbol in error.undefined() {
        for module in search.providers(symbol, release) {
            console.error(format_args!("`{symbol}` is exported by module `{module}`, which is not loaded"));
        }
    }
}

/// Reports an error.
fn fail(console: &mut Console, error: impl std::fmt::Display) -> Outcome {
    console.error(error);
    Err(Failed)
}
