//! rmmod: removes modules, or runs the autoclean pass.

mod plan;

use clap::Parser;
use kmod::error::errno_text;
use kmod::explain::{Standing, explain_removal, facts};
use kmod::hosted::{Hosted, module_name};
use kmod::kernel::{Force, Kernel};
use kmod::linux::{Linux, release};
use kmod::name::from_path;
use kmod::tree::Tree;
use std::path::Path;
use uapi::Errno;

use self::plan::{Plan, Reach, Refusal, plan};
use crate::applet::Run;
use crate::console::Verbosity;
use crate::target::{KernelOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  rmmod vfat         # remove one module
  rmmod vfat fat     # several, in whatever order
  rmmod -r vfat      # vfat, and what it was stacked on and nothing else uses
  rmmod -a           # remove demand-loaded modules that are not used any more";

/// Remove modules from the kernel
#[derive(Parser)]
#[command(name = "rmmod", version, after_help = EXAMPLES)]
pub(crate) struct Rmmod {
    #[command(flatten)]
    kernel: KernelOption,
    /// Remove unused demand-loaded modules (one autoclean pass); names are ignored
    #[arg(short, long)]
    all: bool,
    /// Also remove the modules that the named ones were stacked on, where nothing else uses them
    #[arg(short = 'r', long)]
    stacks: bool,
    /// Remove even where it is not safe (Linux with CONFIG_MODULE_FORCE_UNLOAD only)
    #[arg(short, long)]
    force: bool,
    /// Only print what would be removed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Send messages to the system log
    #[arg(short, long)]
    syslog: bool,
    /// Say what is being done
    #[arg(short, long)]
    verbose: bool,
    /// Modules to remove: names, or files named after them
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
}

impl Run for Rmmod {
    fn run(self, console: &mut Console) -> Outcome {
        if self.syslog {
            console.use_syslog();
        }
        if self.verbose {
            console.set_verbosity(Verbosity::Verbose);
        }
        match self.kernel.target() {
            Target::Hosted(path) => match Hosted::connect(&path) {
                Ok(mut kernel) if self.all => clean(&mut kernel, console),
                Ok(mut kernel) => {
                    let names = self.modules.iter().map(|name| module_name(Path::new(name))).collect();
                    self.remove(&mut kernel, names, &CLASSIC, console)
                }
                Err(error) => fail(console, error),
            },
            Target::Linux => self.remove_from_linux(console),
        }
    }
}

impl Rmmod {
    /// Plans and removes on whichever kernel.
    fn remove<K: Kernel>(&self, kernel: &mut K, names: Vec<String>, words: &Words<K>, console: &mut Console) -> Outcome {
        if names.is_empty() {
            return fail(console, "missing module name.");
        }
        let loaded = match kernel.modules() {
            Ok(loaded) => loaded,
            Err(error) => return fail(console, error),
        };
        let plan = plan(&loaded, &names, if self.stacks { Reach::Stack } else { Reach::Named });
        for refusal in &plan.refusals {
            let number = if matches!(refusal, Refusal::InUse { .. }) { words.in_use } else { "" };
            console.error(format_args!("{refusal}{number}"));
        }
        let removed = if self.dry_run { show(&plan, console) } else { self.act(&plan, &names, kernel, words, console) };
        if plan.refusals.is_empty() { removed } else { Err(Failed) }
    }

    /// Removes what the plan says; goes on after a failure. A module that was only stacked upon may turn out to be in use.
    fn act<K: Kernel>(&self, plan: &Plan, names: &[String], kernel: &mut K, words: &Words<K>, console: &mut Console) -> Outcome {
        let force = Force { vermagic: self.force, modversion: self.force };
        let mut outcome = Ok(());
        for name in &plan.removals {
            match kernel.delete(name, force) {
                Ok(()) => console.info(format_args!("removed {name}")),
                Err(error) if matches!(K::errno(&error), Some(Errno::EBUSY | Errno::EAGAIN)) && !names.contains(name) => {
                    console.info(format_args!("{name} is still in use"));
                }
                Err(error) => {
                    console.error((words.refused)(name, &error));
                    outcome = Err(Failed);
                }
            }
        }
        outcome
    }

    /// Linux has no autoclean pass; the rest is the same.
    fn remove_from_linux(&self, console: &mut Console) -> Outcome {
        if self.all {
            return fail(console, "Linux has no autoclean pass any more; `rmmod -a` works on a hosted kernel (--kernel)");
        }
        let names: Vec<String> = self.modules.iter().map(|name| from_path(name)).collect();
        let tree = Tree::new(Path::new("/lib/modules").join(release()));
        let (builtin, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| tree.is_builtin(name).unwrap_or(false));
        for name in &builtin {
            console.error(format_args!("Module {name} is builtin."));
        }
        if names.is_empty() && !builtin.is_empty() {
            return Err(Failed);
        }
        let removed = self.remove(&mut Linux, names, &TODAY, console);
        if builtin.is_empty() { removed } else { Err(Failed) }
    }
}

/// The words of a kernel's tools.
struct Words<K: Kernel> {
    /// Says why the kernel did not remove a module.
    refused: fn(&str, &K::Error) -> String,
    /// Stands behind the users of a module that is in use.
    in_use: &'static str,
}

/// Classic rmmod prints what the error number means.
const CLASSIC: Words<Hosted> = Words { refused: |_, error| error.to_string(), in_use: " (Device or resource busy)" };

/// kmod's rmmod does not.
const TODAY: Words<Linux> = Words { refused: refusal_of_linux, in_use: "" };

/// The words of kmod's rmmod for an answer of `delete_module(2)`.
fn refusal_of_linux(name: &str, error: &kmod::Error) -> String {
    let loaded = Linux.modules().unwrap_or_default();
    let standing = loaded.iter().find(|module| module.name == name).map_or(Standing::Removable, Standing::from);
    let reasons = explain_removal(error.errno(), standing, &facts::of_kernel(None));
    if let (Some(reason), Standing::Starting | Standing::Leaving) = (reasons.first(), standing) {
        return format!("Module {name} is in use: {reason}");
    }
    if let Some(reason) = reasons.first() {
        return format!("could not remove module {name}: {}: {reason}", errno_text(error.errno()));
    }
    match Errno::from_number(error.errno()) {
        Some(Errno::ENOENT) => format!("Module {name} is not currently loaded"),
        Some(Errno::EAGAIN | Errno::EBUSY) => format!("Module {name} is in use"),
        _ => format!("could not remove module {name}: {}", errno_text(error.errno())),
    }
}

/// `delete_module(NULL)`.
fn clean(kernel: &mut Hosted, console: &mut Console) -> Outcome {
    kernel.autoclean().map_err(|error| {
        console.error(error);
        Failed
    })
}

/// Prints the removals of a plan.
fn show(plan: &Plan, console: &mut Console) -> Outcome {
    let lines: String = plan.removals.iter().map(|name| format!("rmmod {name}\n")).collect();
    console.print(&lines)
}

/// Reports an error.
fn fail(console: &mut Console, error: impl std::fmt::Display) -> Outcome {
    console.error(error);
    Err(Failed)
}
