//! `kerneld policy`: what a policy says, before it is in force.

mod check;
mod compile;
mod explain;
mod export;
mod remarks;
mod simulate;
mod source;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::cli::Failure;

pub(super) use simulate::was_served;
pub(super) use source::{is_known, plan_of};

const EXAMPLES: &str = "Examples:
  kerneld policy check                                faults by file and line, and what no policy can stop
  kerneld policy explain net-pf-38                    what would be decided, for each kind of requester
  kerneld policy explain fs-vfat --requester uid:1000
  kerneld policy simulate --policy new.toml           what a new policy would have denied of the journal
  kerneld policy export > /etc/modprobe.d/kerneld.conf";

/// Check, explain, try, compile and export policies
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Explain(explain::Explain),
    Simulate(simulate::Simulate),
    Compile(compile::Compile),
    Export(export::Export),
}

impl Policy {
    /// Does it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Check(options) => options.run(),
            Command::Explain(options) => options.run(),
            Command::Simulate(options) => options.run(),
            Command::Compile(options) => options.run(),
            Command::Export(options) => options.run(),
        }
    }
}
