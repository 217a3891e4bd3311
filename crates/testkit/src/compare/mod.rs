//! These tools beside Debian's kmod, on the module trees of real kernels: same files, same lines.
//!
//! Only programs that change nothing are run: `depmod -b` on a folder of our own, `modprobe -n` with `-D`, `-R` or `-c`, and `modinfo`.

mod calls;
mod indexes;
mod listed;
mod programs;
mod report;
mod tree;

use std::path::Path;

use crate::debian;

pub use listed::Listed;
pub use report::Report;
pub use tree::{Packing, Tree};

use programs::{Oracle, Pair};

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

/// Compares everything on one tree: indexes, clients' calls, `modprobe -D`, `-R` and `-c`, `modinfo`. `modutils` is the program under test.
///
/// # Panics
/// Where a program cannot be started at all.
#[must_use]
pub fn compare(tree: &Tree, modutils: &Path, extent: Extent) -> Report {
    compare_pair(&Pair::new(tree, tree, Oracle::SameFiles, modutils), Report::new(tree.name()), extent)
}

/// The same for a tree that is packed with gzip, which Debian's kmod is built without: it reads the plain tree, and what it says of
/// `NAME.ko` has to be what ours says of `NAME.ko.gz`.
///
/// # Panics
/// As [`compare`].
#[must_use]
pub fn compare_gz(packed: &Tree, plain: &Tree, modutils: &Path, extent: Extent) -> Report {
    compare_pair(&Pair::new(packed, plain, Oracle::PlainFiles(".gz"), modutils), Report::new(packed.name()), extent)
}

fn compare_pair(pair: &Pair, mut report: Report, extent: Extent) -> Report {
    indexes::compare(pair, &mut report);
    if pair.reads_the_same() {
        calls::compare(pair, &mut report);
    }
    programs::configuration(pair, &mut report);
    let modules = extent.pick(pair.modules());
    programs::plans(pair, &modules, &mut report);
    programs::aliases(pair, &extent.pick(pair.alias_words()), &mut report);
    programs::infos(pair, &modules, &mut report);
    report
}

/// The meta-packages behind which the kernels stand that [`everything`] looks at, and how their modules are packed anew.
const TREES: [(&str, &[Packing]); 4] = [
    ("linux-image-cloud-amd64", &[Packing::AsPackaged, Packing::Xz, Packing::Zst, Packing::Gz]),
    ("linux-image-amd64", &[Packing::AsPackaged, Packing::Xz, Packing::Zst, Packing::Gz]),
    ("linux-image-6.12-cloud-amd64", &[Packing::AsPackaged, Packing::Plain, Packing::Zst, Packing::Gz]),
    ("linux-image-6.12-amd64", &[Packing::AsPackaged, Packing::Plain, Packing::Zst, Packing::Gz]),
];

/// Compares everything on every tree: what `cargo xtask compare` prints. `modutils` should be a release build.
///
/// # Errors
/// Where a tree cannot be fetched or packed.
pub fn everything(modutils: &Path) -> Result<Vec<Report>, Box<dyn std::error::Error>> {
    let mut reports = Vec::new();
    for (meta, packings) in TREES {
        let tree = Tree::of_package(&debian::behind(meta, "linux-image-")?)?;
        for &packing in packings {
            let packed = tree.packed(packing)?;
            reports.push(match packing {
                Packing::Gz => compare_gz(&packed, &tree.plain()?, modutils, Extent::All),
                _ => compare(&packed, modutils, Extent::All),
            });
        }
    }
    Ok(reports)
}
