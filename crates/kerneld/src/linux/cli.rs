//! The commands of kerneld on Linux: one definition for the parser, the help, the man pages and the completions.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::allow::{Allow, Grants, Revoke};
use super::classes::Classes;
use super::coldplug::Coldplug;
use super::install::{Install, Uninstall};
use super::learn::Learn;
use super::leases::command::Leases;
use super::log::Log;
use super::policy::Policy;
use super::run::Run;
use super::status::{Reload, Status};
use super::surface::Surface;
use super::top::Top;
use super::why::Why;

/// Sees, decides, loads and explains what the running kernel asks for
#[derive(Debug, Parser)]
#[command(name = "kerneld", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    Run(Run),
    Status(Status),
    Top(Top),
    Log(Log),
    Why(Why),
    Leases(Leases),
    Allow(Allow),
    Revoke(Revoke),
    Grants(Grants),
    Reload(Reload),
    Install(Install),
    Uninstall(Uninstall),
    Classes(Classes),
    Coldplug(Coldplug),
    Policy(Policy),
    Learn(Learn),
    Surface(Surface),
}

/// Why a command failed, in full.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether the first word of the command line is one of these commands: else it is a word of the classic daemon.
#[must_use]
pub fn is_command(word: Option<&OsStr>) -> bool {
    word.and_then(OsStr::to_str).is_some_and(|word| command().find_subcommand(word).is_some())
}

/// The definition, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs a command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nobody to tell where standard output and error are closed.
            let _ = usage.print();
            return if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Command::Run(options) => options.run(),
        Command::Status(options) => options.run(),
        Command::Top(options) => options.run(),
        Command::Log(options) => options.run(),
        Command::Why(options) => options.run(),
        Command::Leases(options) => options.run(),
        Command::Allow(options) => options.run(),
        Command::Revoke(options) => options.run(),
        Command::Grants(options) => options.run(),
        Command::Reload(options) => options.run(),
        Command::Install(options) => options.run(),
        Command::Uninstall(options) => options.run(),
        Command::Classes(options) => options.run(),
        Command::Coldplug(options) => options.run(),
        Command::Policy(options) => options.run(),
        Command::Learn(options) => options.run(),
        Command::Surface(options) => options.run(),
    };
    done.unwrap_or_else(|failure| {
        // Who reads the beginning only (`| head`) is served.
        let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        if failure.downcast_ref::<std::io::Error>().is_some_and(closed) {
            return ExitCode::SUCCESS;
        }
        let _ = writeln!(std::io::stderr(), "kerneld: {failure}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_classic_words_are_no_commands() {
        command().debug_assert();
        for word in ["keep", "delay=5", "type=2", "debug", "--kernel", "nosuch"] {
            assert!(!is_command(Some(OsStr::new(word))), "{word}");
        }
        assert!(is_command(Some(OsStr::new("classes"))));
    }
}
