//! What every task of modprobe works on: a tree and the configuration.

use std::cell::Cell;
use std::path::Path;

use kmod::config::{Config, LineFault, Sources, dirs};
use kmod::explain::{explain_absence, facts};
use kmod::kernel::Kernel;
use kmod::linux::is_modular;
use kmod::text;
use kmod::tree::Tree;

use super::Modprobe;
use crate::target::Target;
use crate::{Console, Failed};

/// A tree and the configuration that goes with it.
pub(super) struct Session {
    pub(super) tree: Tree,
    pub(super) config: Config,
    /// Whether the tree is that of the running Linux, which nobody chose.
    running: bool,
    /// Whether a word was found to stand for nothing.
    unfound: Cell<bool>,
}

impl Session {
    /// Opens the tree of the release that the options or the kernel name, and reads the configuration.
    pub(super) fn open<K: Kernel>(options: &Modprobe, kernel: &mut K, console: &mut Console) -> Result<Self, Failed> {
        let root = options.root();
        let release = match &options.set_version {
            Some(release) => release.clone(),
            None => kernel.release().map_err(|error| {
                console.fatal(error);
                Failed
            })?,
        };
        let directory = root.join("lib/modules").join(&*text::to_path(&release));
        let hosted = matches!(options.kernel.target(), Target::Hosted(_));
        // A hosted kernel's configuration lies in its own root; that of Linux in the system's, whatever tree is looked at.
        let config_root = if hosted { root.as_path() } else { Path::new("/") };
        let standard = || dirs::standard(config_root, "modprobe.d");
        let sources = Sources {
            paths: if options.config.is_empty() { standard() } else { options.config.clone() },
            tree: Some(directory.clone()),
            cmdline: if hosted { None } else { kmod::linux::command_line() },
        };
        let (config, unread) = Config::load_readable(&sources);
        unread.iter().for_each(|error| console.warning(error));
        // `--lint` lists them among its other remarks.
        for bad in config.bad.iter().filter(|_| !options.lint) {
            match bad.fault {
                LineFault::Deprecated => {
                    console.error(format_args!("{}: command {} is deprecated and not parsed anymore", bad.place, bad.word))
                }
                LineFault::UnknownCommand | LineFault::Incomplete => {
                    console.error(format_args!("{}: ignoring bad line starting with '{}'", bad.place, bad.word));
                }
            }
        }
        let running = !hosted && options.set_version.is_none();
        Ok(Self { tree: Tree::new(directory), config, running, unfound: Cell::new(false) })
    }

    /// Takes note that a word stands for nothing.
    pub(super) fn not_found(&self) {
        self.unfound.set(true);
    }

    /// Tells, once, why no word can be found in the tree, if the words are not to blame. Whoever chose the release knows.
    pub(super) fn tell_absence(&self, console: &mut Console) {
        if self.unfound.take() && self.running {
            let reasons = explain_absence(&facts::of_tree(&self.tree, self.running), is_modular());
            reasons.iter().for_each(|reason| console.error(reason));
        }
    }

    /// Tells what was wrong with indexes so far.
    pub(super) fn tell_problems(&self, console: &mut Console) {
        for problem in self.tree.take_problems() {
            console.warning(problem);
        }
    }
}
