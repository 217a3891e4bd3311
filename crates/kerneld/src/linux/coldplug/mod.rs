//! `kerneld coldplug`: the drivers of all devices that are there, and of those that come while these are loaded.
//!
//! One process walks `/sys` once, asks the indexes once for each modalias, makes one graph of all plans, and loads along it with a few
//! threads: many drivers sleep while they probe. Devices that appear behind new drivers (the disks of a controller) are announced by
//! the kernel meanwhile and join the graph. A system without announcements is walked again until nothing new is found.

mod pool;
mod progress;
mod report;
mod requests;
mod run;
mod schedule;
mod target;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use demand::Paths;
use demand::alone::{LastPolicy, Source};
use demand::resolve::Resolver;
use kmod::linux::{Linux, release};

use super::cli::Failure;
use run::{Limits, Run};
use target::Target;

const EXAMPLES: &str = "Examples:
  kerneld coldplug                                 load the drivers of all devices, until no new ones come
  kerneld coldplug --wait-for /dev/sda1 --within 20s
                                                   the same in an initramfs, until the root file system's disk is there
  kerneld coldplug --wait-for 'pci:v00008086d*'    until such a device has its driver
  kerneld coldplug --dry-run -v                    what would be loaded, and in which order
  kerneld coldplug --json                          every request, decision and module, for programs

What a device may have loaded is decided by the policy, as for every request: rules for the requester `device`,
`removable` or `bus:NAME` are about these. Exit status 1: something that was waited for did not come.";

/// Load the drivers of all devices at once, and of devices that come up behind them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Coldplug {
    /// Until this is there: a file such as /dev/sda1, or a device with a driver whose modalias is like this pattern
    #[arg(long, value_name = "PATH|MODALIAS")]
    wait_for: Vec<Target>,
    /// Begin nothing more after so long, such as 500ms, 30s or 2m; what is being loaded then is waited for
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration)]
    within: Duration,
    /// The end has come when no device was new for so long
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    calm: Duration,
    /// How many drivers are loaded at the same time; by default as the policy says
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// Load nothing, and show what would be loaded, in order
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// One JSON object about requests, decisions and modules
    #[arg(long)]
    json: bool,
    /// Show every module
    #[arg(short, long)]
    verbose: bool,
    /// Another root than /, with its own sys, lib/modules and etc; implies --dry-run
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// The release whose modules count; by default that of the running kernel
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

/// A time such as `500ms`, `30s`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    demand::policy::duration(text).ok_or_else(|| format!("`{text}` is no time: write 500ms, 30s or 2m"))
}

impl Coldplug {
    /// Loads, and says what was loaded.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = self.root.as_deref().map_or_else(Paths::default, Paths::under);
        let dry = self.dry_run || self.root.is_some();
        let release = self.release.clone().unwrap_or_else(release);
        let resolver = Resolver::open(&paths, &release)?;
        let last = LastPolicy::read(&paths);
        if last.source == Source::None && paths.policy().exists() {
            writeln!(std::io::stderr(), "kerneld coldplug: the policy cannot be read: everything is loaded; see `kerneld policy check`")?;
        }
        let jobs = self.jobs.map_or_else(|| usize::try_from(last.policy.devices.workers).unwrap_or(1), NonZeroUsize::get);
        let limits = Limits { within: self.within, calm: self.calm, jobs: jobs.clamp(1, 64) };
        let mut run = Run::new(&paths, resolver, last, limits, self.wait_for);
        if dry {
            run.plan_only();
        } else {
            run.load(Linux);
        }
        let report = run.report(&release, dry);
        if !dry {
            report.keep(&paths)?;
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            report.print(&mut out, self.verbose || dry)?;
        }
        Ok(if report.missing.is_empty() || dry { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
