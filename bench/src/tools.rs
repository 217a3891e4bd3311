//! `bench depmod|modprobe|modinfo|lsmod`: the tools beside Debian's kmod and busybox, on the module tree of Debian's kernel.
//!
//! The rivals are run only as programs that change nothing: `depmod -b` on folders of our own, `modprobe -n`, `modinfo`.

mod depmod;
mod lsmod;
mod modinfo;
mod modprobe;
mod process;
mod programs;
mod race;
mod requests;
mod trees;
mod work;

pub use depmod::run as depmod;
pub use lsmod::run as lsmod;
pub use modinfo::run as modinfo;
pub use modprobe::run as modprobe;
pub use requests::{deny, request};

use std::path::Path;

use crate::report::Report;

/// How much to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How often each subject takes its turn; as many as the benchmark thinks right by default.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// The xz tree holds every so many'th module: 1 packs all 4,023, which takes xz many minutes.
    #[arg(long, default_value_t = 3)]
    pub xz_step: usize,
}

/// Notes that every table needs: who took part, and how busy the machine was.
fn note_circumstances(report: &mut Report, kmod: &Path) {
    let version = crate::command::version(&kmod.to_string_lossy()).unwrap_or_default();
    report.note(format!("rival: {version}; rounds alternate between the subjects; files are in the page cache; medians"));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    report.note(format!("load averages over 1, 5 and 15 minutes when the run ended: {}", averages.join(" ")));
}
