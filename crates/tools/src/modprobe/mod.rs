//! modprobe: loads and unloads modules with everything that they need.

mod load;
mod report;
mod session;
mod show;
mod unload;

use std::path::PathBuf;

use clap::Parser;
use kmod::hosted::Hosted;
use kmod::linux::Linux;
use kmod::plan::RemoveRequest;
use kmod::text;

use self::session::Session;
use crate::applet::Run;
use crate::console::Verbosity;
use crate::paths::absolute;
use crate::target::{KernelOption, RootOption, Target};
use crate::{Console, Failed, Outcome, multicall};

const EXAMPLES: &str = "\
Examples:
  modprobe vfat                 # load a module with what it needs
  modprobe loop max_loop=8      # with a parameter
  modprobe -a loop vfat         # several
  modprobe -r vfat              # unload it, and what nothing uses then
  modprobe -D vfat              # which files would be loaded, in which order
  modprobe -R fs-vfat           # which modules an alias stands for
  modprobe -c                   # the configuration
  modprobe --lint               # which of its lines have no effect
  modprobe --graph=tree btrfs   # what btrfs needs
  modprobe -n --graph=svg btrfs >btrfs.svg   # what loading it would do, and why

Configuration, beside the lines that modprobe.d(5) has:
  forbid PATTERN...             # never loaded: by name, alias, path, dependency or softdep";

/// Load or unload a module together with what it needs
#[derive(Parser)]
#[command(name = "modprobe", version, after_help = EXAMPLES, infer_long_args = true, args_override_self = true)]
pub(crate) struct Modprobe {
    #[command(flatten)]
    kernel: KernelOption,
    /// All words are modules to load; go on after one that fails
    #[arg(short, long)]
    all: bool,
    /// Unload modules instead
    #[arg(short, long, alias = "remove-dependencies")]
    remove: bool,
    /// With -r: unload modules that use the module, too
    #[arg(long)]
    remove_holders: bool,
    /// With -r: try again for this many milliseconds while a module is in use
    #[arg(short, long, value_name = "MSEC")]
    wait: Option<u64>,
    /// Fail if the module is already loaded, or with -r not loaded
    #[arg(long)]
    first_time: bool,
    /// Load or unload the module itself although a command is configured for it
    #[arg(short, long, visible_alias = "ignore-remove")]
    ignore_install: bool,
    /// Obey blacklist lines for modules that are named themselves, too
    #[arg(short = 'b', long)]
    use_blacklist: bool,
    /// Load even what a forbid line forbids
    #[arg(long)]
    ignore_forbid: bool,
    /// Load although vermagic or symbol versions differ; unload although the module is in use
    #[arg(short, long)]
    force: bool,
    /// Load although symbol versions differ
    #[arg(long, alias = "force-modversions")]
    force_modversion: bool,
    /// Load although vermagic differs
    #[arg(long)]
    force_vermagic: bool,
    /// Mark the module for removal when it has been idle (hosted kernels)
    #[arg(short = 'k', long)]
    autoclean: bool,
    /// Print the modules that a word stands for
    #[arg(short = 'R', long, visible_alias = "resolve-alias")]
    show_alias: bool,
    /// Print what would be done to load a module, as if nothing were loaded
    #[arg(short = 'D', long)]
    show_depends: bool,
    /// Print the configuration and the aliases of the tree
    #[arg(short = 'c', long, visible_alias = "showconfig")]
    show_config: bool,
    /// Print the checksums of the symbols that a module file uses
    #[arg(long, visible_alias = "dump-modversions")]
    show_modversions: bool,
    /// Print the symbols that a module file exports, with their checksums
    #[arg(long)]
    show_exports: bool,
    /// Say of each line of the configuration whether it has an effect on this tree; status 1 if one has none
    #[arg(long)]
    lint: bool,
    /// Print everything that an initramfs needs for the modules: files, firmware, softdeps and weakdeps
    #[arg(long)]
    show_closure: bool,
    /// Draw what the modules need; with -n, -D or -r what would be done, and why; without words what is loaded
    #[arg(long, value_name = "FORM")]
    graph: Option<report::GraphForm>,
    /// Do nothing; with -v print what would be done
    #[arg(short = 'n', long, visible_alias = "show")]
    dry_run: bool,
    /// Print JSON (with -D, -R, -c, --lint and --show-closure)
    #[arg(long)]
    json: bool,
    /// Configuration file or directory, instead of the standard ones (may be repeated)
    #[arg(short = 'C', long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Root of the tree; by default the directory in the environment variable MODULES_ROOT, else /
    #[arg(short, long, value_name = "DIR")]
    dirname: Option<PathBuf>,
    /// Release of the tree, instead of that of the running kernel
    #[arg(short = 'S', long, value_name = "RELEASE")]
    set_version: Option<String>,
    /// Send messages to the system log
    #[arg(short, long)]
    syslog: bool,
    /// Say nothing of modules that do not exist
    #[arg(short, long)]
    quiet: bool,
    /// Say what is being done
    #[arg(short, long)]
    verbose: bool,
    /// The module and its parameters; with -a and -r, modules
    #[arg(value_name = "MODULE [PARAMETER=VALUE]")]
    words: Vec<String>,
}

impl Run for Modprobe {
    fn run(mut self, console: &mut Console) -> Outcome {
        // Who wants silence gets it.
        self.verbose &= !self.quiet;
        if self.syslog {
            console.use_syslog();
        }
        if self.quiet {
            console.set_verbosity(Verbosity::Silent);
        } else if self.verbose {
            console.set_verbosity(Verbosity::Verbose);
        }
        if self.words.is_empty() && !self.show_config && !self.lint && self.graph.is_none() {
            console.error("missing parameters. See -h.");
            return Err(Failed);
        }
        if self.json && !self.has_json() {
            console.error("--json needs -D, -R, -c, --lint or --show-closure");
            return Err(Failed);
        }
        match self.kernel.target() {
            Target::Linux => self.on(&mut Linux, console),
            Target::Hosted(socket) => {
                let mut kernel = Hosted::connect(&socket).map_err(|error| {
                    console.fatal(error);
                    Failed
                })?;
                self.on(&mut kernel, console)
            }
        }
    }
}

impl Modprobe {
    fn on<K: kmod::kernel::Kernel>(&self, kernel: &mut K, console: &mut Console) -> Outcome {
        if self.show_modversions || self.show_exports {
            return show::symbols(self, console);
        }
        let session = Session::open(self, kernel, console)?;
        let outcome = self.task(&session, kernel, console);
        session.tell_problems(console);
        session.tell_absence(console);
        // The process ends: to give back each of its many small pieces of memory first would take longer than some of the tasks.
        std::mem::forget(session);
        outcome
    }

    fn task<K: kmod::kernel::Kernel>(&self, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
        if let Some(form) = self.graph {
            report::graph(self, form, session, kernel, console)
        } else if self.lint {
            report::lint_configuration(self, session, console)
        } else if self.show_closure {
            report::show_closure(self, session, console)
        } else if self.show_config {
            show::config(self, session, console)
        } else if self.show_alias {
            show::aliases(self, session, console)
        } else if self.show_depends {
            show::depends(self, session, console)
        } else if self.remove {
            unload::unload(self, session, kernel, console)
        } else {
            load::load(self, session, kernel, console)
        }
    }

    /// Whether what is asked for can be told in JSON.
    fn has_json(&self) -> bool {
        let other = self.show_modversions || self.show_exports || self.graph.is_some();
        !other && (self.show_depends || self.show_alias || self.show_config || self.lint || self.show_closure)
    }

    /// The words that name modules, and the options for them.
    fn targets(&self) -> (&[String], String) {
        match self.words.split_first() {
            Some((first, rest)) if !self.all => (std::slice::from_ref(first), rest.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")),
            _ => (&self.words, String::new()),
        }
    }

    /// What a modprobe that a configured command runs shall obey, too: behind what the variable has, as kmod does it, the configuration
    /// and how much is said.
    fn for_commands(&self) -> Option<String> {
        let given = [(self.quiet, "-q"), (self.verbose, "-v"), (self.syslog, "-s")];
        let given = given.into_iter().filter(|(set, _)| *set).map(|(_, option)| option.to_owned());
        let configuration = self.config.iter().flat_map(|path| ["-C".to_owned(), in_quotes(&text::of_path(path))]);
        let inherited = std::env::var_os(multicall::MODPROBE_OPTIONS).map(|words| text::of_os(&words).into_owned());
        let words: Vec<String> = inherited.into_iter().chain(configuration).chain(given).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// How modules are to be unloaded.
    fn remove_request(&self) -> RemoveRequest {
        RemoveRequest {
            holders: self.remove_holders,
            ignore_commands: self.ignore_install,
            first_time: self.first_time,
            in_use: self.force,
        }
    }

    /// Complains of a name that stands for nothing: with -a the others are still tried.
    fn complain(&self, console: &mut Console, text: impl std::fmt::Display) {
        if self.all { console.warning(text) } else { console.fatal(text) }
    }

    fn root(&self) -> PathBuf {
        absolute(&self.dirname.clone().unwrap_or_else(|| RootOption::default().directory()))
    }
}

/// A word of the variable with options; see `multicall::words`.
fn in_quotes(word: &str) -> String {
    let quote = if word.contains('"') { '\'' } else { '"' };
    if word.contains([' ', '\t', '"', '\'']) { format!("{quote}{word}{quote}") } else { word.to_owned() }
}

/// A parameter whose value has blanks gets quotes around it: `a=b c` becomes `a="b c"`.
fn quoted(word: &str) -> String {
    match word.split_once('=') {
        Some((key, value)) if value.contains([' ', '\t']) && !value.contains('"') => format!("{key}=\"{value}\""),
        _ => word.to_owned(),
    }
}
