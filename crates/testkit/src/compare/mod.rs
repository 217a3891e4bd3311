//! These tools beside Debian's kmod, on the module trees of real kernels: same files, same lines.
//!
//! Only programs that change nothing are run: `depmod -b` on a folder of our own, `modprobe -n` with `-D`, `-R` or `-c`, and `modinfo`.

mod indexes;
mod listed;
mod programs;
mod report;
mod tree;

use std::path::Path;

pub use listed::Listed;
pub use report::Report;
pub use tree::{Packing, Tree};

use programs::Pair;

/// How much of a tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every module and alias.
    All,
    /// Every so many'th of them.
    Every(usize),
}

impl Extent {
    /// Picks from a list.
    fn pick<T>(self, list: Vec<T>) -> Vec<T> {
        let step = match self {
            Self::All => 1,
            Self::Every(step) => step.max(1),
        };
        list.into_iter().step_by(step).collect()
    }
}

/// Compares everything on one tree: indexes, `modprobe -D`, `-R` and `-c`, `modinfo`. `modutils` is the program under test.
///
/// # Panics
/// Where a program cannot be started at all.
#[must_use]
pub fn compare(tree: &Tree, modutils: &Path, extent: Extent) -> Report {
    let mut report = Report::new(tree.name());
    let pair = Pair::new(tree, modutils);
    indexes::compare(&pair, &mut report);
    programs::configuration(&pair, &mut report);
    let modules = extent.pick(pair.modules());
    programs::plans(&pair, &modules, &mut report);
    programs::aliases(&pair, &extent.pick(pair.alias_words()), &mut report);
    programs::infos(&pair, &modules, &mut report);
    report
}
