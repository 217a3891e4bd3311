//! The `bench` program: `bench NAME [--json]`, one benchmark at a time.

use std::process::ExitCode;

use bench::demand;
use bench::error::{Error, Result};
use bench::link;
use bench::report::Report;
use bench::symbols;
use bench::tools;
use clap::{Parser, Subcommand};

/// Benchmarks of the module system beside their rivals, measured in the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Loading relocatable code of 100 to 100,000 functions.
    Link {
        #[command(flatten)]
        options: link::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Finding names among up to 100,000 exports.
    Symbols {
        #[command(flatten)]
        options: symbols::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// A mount that loads its file system on demand, beside the same mount with the modules there.
    Demand {
        #[command(flatten)]
        options: demand::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Making the indexes of Debian's module tree, beside kmod and busybox.
    Depmod {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Planning the deepest module, an alias, the configuration, beside kmod.
    Modprobe {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// One module and all of them, beside kmod.
    Modinfo {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Listing modules, and starting at all.
    Lsmod {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Denied requests a second over the daemon's socket, and how allowed ones are served meanwhile.
    Deny {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What helper and daemon add to a request of the kernel, beside modprobe.
    Request {
        #[command(flatten)]
        options: tools::Options,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Get LLVM's `llvm-jitlink` from Debian into target/bench, installing nothing; `link` does so by itself.
    Fetch,
    /// One measurement, in a process of its own.
    #[command(subcommand, hide = true)]
    Child(Child),
}

#[derive(Debug, Subcommand)]
enum Child {
    Link(link::Task),
    Symbols(symbols::Task),
}

fn main() -> ExitCode {
    match act(&Arguments::parse().bench) {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What to print.
fn act(bench: &Bench) -> Result<String> {
    match bench {
        Bench::Link { options, json } => tell(&link::run(options)?, *json),
        Bench::Demand { options, json } => tell(&demand::run(options)?, *json),
        Bench::Depmod { options, json } => tell(&tools::depmod(options)?, *json),
        Bench::Modprobe { options, json } => tell(&tools::modprobe(options)?, *json),
        Bench::Modinfo { options, json } => tell(&tools::modinfo(options)?, *json),
        Bench::Lsmod { options, json } => tell(&tools::lsmod(options)?, *json),
        Bench::Deny { options, json } => tell(&tools::deny(options)?, *json),
        Bench::Request { options, json } => tell(&tools::request(options)?, *json),
        Bench::Fetch => link::fetch().map(|()| String::new()),
        Bench::Symbols { options, json } => tell(&symbols::run(options)?, *json),
        Bench::Child(Child::Link(task)) => to_json(&link::child(task)?),
        Bench::Child(Child::Symbols(task)) => to_json(&symbols::child(task)?),
    }
}

fn tell(report: &Report, json: bool) -> Result<String> {
    if json { to_json(report) } else { Ok(report.to_string()) }
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    let refused = |error: serde_json::Error| Error::Format { what: "json".to_owned(), reason: error.to_string() };
    serde_json::to_string(value).map_err(refused)
}
