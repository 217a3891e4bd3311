//! `khost request`, `release`, `blank`, `system`: what kerneld does for the kernel.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::client::{Target, status_in_words};
use super::output;
use crate::error::Error;
use crate::request::{self, Helper, ReleaseHow, Switch};

/// Demand a module, as the kernel does when something needs it
#[derive(Debug, Args)]
#[command(
    visible_alias = "open",
    after_help = "Examples:\n  khost request vfat\n  khost open block-major-7     as opening a block device with that major number does\n  khost request binfmt-204     as executing such a file does"
)]
pub(super) struct Request {
    /// Name or alias of a module
    name: String,
}

/// Ask kerneld to release a module
#[derive(Debug, Args)]
pub(super) struct Release {
    /// After the idle delay of kerneld
    #[arg(long, conflicts_with = "cancel")]
    delayed: bool,
    /// Take a delayed release back
    #[arg(long)]
    cancel: bool,
    /// The module
    module: String,
}

/// On or off
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// Ask kerneld to start or stop the screen blanker
#[derive(Debug, Args)]
pub(super) struct Blank {
    /// Start or stop it
    switch: OnOff,
}

/// Ask kerneld to run a command by the shell
#[derive(Debug, Args)]
pub(super) struct System {
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// What became of a request to kerneld.
fn done(what: &str, helper: &Helper) -> Result<(), Error> {
    match helper.status {
        0 => Ok(()),
        status => Err(Error::Helper { what: what.to_owned(), status: status_in_words(status) }),
    }
}

impl Request {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let name = self.name;
        let helper = target.ask(&request::RequestModule { name: name.clone() }, || format!("`{name}`"))?;
        done(&name, &helper)?;
        output::line(output, &format!("{name}: {}", status_in_words(helper.status)))
    }
}

impl Release {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        let how = match (self.delayed, self.cancel) {
            (true, _) => ReleaseHow::Delayed,
            (_, true) => ReleaseHow::Cancel,
            (false, false) => ReleaseHow::Now,
        };
        let name = self.module;
        let helper = target.ask(&request::Release { name: name.clone(), how }, || format!("`{name}`"))?;
        done(&name, &helper)
    }
}

impl Blank {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        let switch = match self.switch {
            OnOff::On => Switch::On,
            OnOff::Off => Switch::Off,
        };
        let helper = target.ask(&request::Blank { switch }, || "blank".to_owned())?;
        done("blank", &helper)
    }
}

impl System {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let command = self.command.join(" ");
        let helper = target.ask(&request::System { command: command.clone() }, || format!("`{command}`"))?;
        output::bytes(output, helper.output.as_bytes())?;
        done(&command, &helper)
    }
}
