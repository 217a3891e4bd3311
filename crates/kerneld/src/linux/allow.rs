//! `kerneld allow`, `kerneld revoke`, `kerneld grants`: temporary exceptions from the policy.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use demand::Class;
use demand::policy::{Glob, Granted};

use super::cli::Failure;
use super::control::{Client, Command, Reply};
use super::root::Root;
use super::status::duration;

/// What is granted.
#[derive(Debug, Args)]
struct Subject {
    /// A name as the kernel asks for it (fs-vfat, net-pf-38, loop); * and ? are wildcards
    #[arg(value_name = "NAME")]
    name: String,
    /// NAME is a module: it may be loaded whatever it is asked for by, also as a dependency
    #[arg(long, conflicts_with = "class")]
    module: bool,
    /// NAME is a class of requests (see `kerneld classes`)
    #[arg(long)]
    class: bool,
}

/// Allow something for a while, whatever the rules say of it
#[derive(Debug, Args)]
#[command(after_help = "A grant comes before all rules, and ends by itself; it survives restarts of the daemon, and helpers obey it too.
`forbid` and `blacklist` lines of modprobe.d still hold. A grant for a name does not overrule rules about further modules that the
name brings along; a grant for a module does.

Examples:
  kerneld allow fs-vfat --for 1h
  kerneld allow --module usb_storage --for 20m
  kerneld allow --class nft --for 10m")]
pub(super) struct Allow {
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    subject: Subject,
    /// For how long: 90s, 30m, 1h30m, 7d; 30 days at most
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Duration,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Take a grant back
#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    subject: Subject,
}

/// List what is granted at present
#[derive(Debug, Args)]
pub(super) struct Grants {
    #[command(flatten)]
    root: Root,
    /// As a JSON list
    #[arg(long)]
    json: bool,
}

impl Subject {
    fn granted(&self) -> Result<Granted, Failure> {
        let name = &self.name;
        if self.class {
            let class: Class = name.parse().map_err(|()| format!("there is no class `{name}`; `kerneld classes` lists them"))?;
            return Ok(Granted::Class(class));
        }
        let glob = Glob::new(name).ok_or_else(|| format!("`{name}` is no name of a request or module"))?;
        Ok(if self.module { Granted::Module(glob) } else { Granted::Request(glob) })
    }
}

impl Allow {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let command = Command::Allow { what: self.subject.granted()?, length: self.length };
        let Reply::Allowed(grant) = Client::connect(&self.root.paths())?.ask(&command)? else {
            return Err("the daemon answered something else".into());
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&grant)?)?
        } else {
            writeln!(out, "{grant}")?
        }
        let name = &self.subject.name;
        // The kernel seldom asks for a module by its name.
        if matches!(grant.what, Granted::Request(_)) && Class::of(name) == Class::Name && !name.contains(['*', '?', '[']) {
            let text = "is what counts, as it is asked for; for a module, whatever it is asked for by, say `kerneld allow --module";
            writeln!(std::io::stderr(), "kerneld: the name `{name}` {text} {name}`; `kerneld log --denied` has the names")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Revoke {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = self.subject.granted()?;
        let Reply::Revoked(gone) = Client::connect(&self.root.paths())?.ask(&Command::Revoke { what: what.clone() })? else {
            return Err("the daemon answered something else".into());
        };
        if gone == 0 {
            return Err(format!("{what}: not granted; `kerneld grants` lists what is").into());
        }
        writeln!(std::io::stdout().lock(), "{what}: no longer granted")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Grants {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Reply::Grants(grants) = Client::connect(&self.root.paths())?.ask(&Command::Grants)? else {
            return Err("the daemon answered something else".into());
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&grants)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        for grant in grants {
            writeln!(out, "{grant}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
