//! The tasks of this project: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench NAME`, `cargo xtask ci`.

mod bench;
mod checks;
mod demo;
mod demo_linux;
mod guest_bench;
mod image;
mod manual;
mod packages;
mod step;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of this project.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --linux\n  cargo xtask test\n  cargo xtask bench link --json"
)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build everything, boot a hosted kernel, mount a FAT image in it, and watch modules come and go.
    Demo {
        /// The same on a real Linux kernel, in a guest (qemu; no root, no hardware support).
        #[arg(long)]
        linux: bool,
    },
    /// Formatting, lints, all tests, doc tests, tidy checks. Installs what the tests need, and says what and why.
    Test {
        /// Only the tests whose names contain this.
        filter: Option<String>,
    },
    /// Measure, beside rivals in the same run.
    Bench {
        /// link, symbols, demand, depmod, modprobe, modinfo, lsmod, deny, request.
        /// link, symbols, demand; in guests: coldplug, surface.
        name: String,
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Compare the tools with Debian's kmod on whole trees of Debian's kernels; fails on any difference that the docs do not list.
    Compare,
    /// Write the man pages and shell completions of all programs into a folder.
    Manual {
        /// It gets the folders `man8` and `completions`.
        folder: std::path::PathBuf,
    },
    /// What the CI machine runs: the same as `test`, from scratch.
    Ci,
}

fn main() -> ExitCode {
    let done = match Options::parse().task {
        Task::Demo { linux: false } => demo::run(),
        Task::Demo { linux: true } => demo_linux::run(),
        Task::Test { filter } => checks::run(filter.as_deref()),
        Task::Bench { name, json } => guest_bench::run(&name, json).unwrap_or_else(|| bench::run(&name, json)),
        Task::Compare => checks::compare(),
        Task::Manual { folder } => manual::write(&folder),
        Task::Ci => checks::run(None),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
