//! `kerneld top`: the names that are asked for most.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use demand::policy::show_date;

use super::cli::Failure;
use super::control::{Busy, Client, Command, Reply};
use super::root::Root;
use super::status::duration;

/// Show which names are asked for most since the daemon started
#[derive(Debug, Args)]
#[command(after_help = "DENIED counts what the rules deny, whether the mode is enforce or not; LOADED counts modules.

Examples:
  kerneld top
  kerneld top --every 2s           until interrupted, on a terminal in place
  kerneld top -n 5 --json")]
pub(super) struct Top {
    #[command(flatten)]
    root: Root,
    /// How many names
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    most: usize,
    /// Show again and again
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,
    /// As a JSON list, one in a line with --every
    #[arg(long)]
    json: bool,
}

impl Top {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let in_place = self.every.is_some() && std::io::stdout().is_terminal() && !self.json;
        loop {
            let Reply::Top(names) = Client::connect(&self.root.paths())?.ask(&Command::Top { most: self.most })? else {
                return Err("the daemon answered something else".into());
            };
            let text = if self.json { format!("{}\n", serde_json::to_string(&names)?) } else { table(&names) };
            let clear = if in_place { "\x1b[H\x1b[2J" } else { "" };
            let mut out = std::io::stdout().lock();
            out.write_all(format!("{clear}{text}").as_bytes())?;
            out.flush()?;
            drop(out);
            match self.every {
                Some(pause) => std::thread::sleep(pause.max(Duration::from_millis(100))),
                None => return Ok(ExitCode::SUCCESS),
            }
        }
    }
}

fn table(names: &[Busy]) -> String {
    let mut text =
        format!("{:>9} {:>9} {:>7}  {:<8} {:<12} {:<32} {:<20} REQUESTER\n", "REQUESTS", "DENIED", "LOADED", "LAST", "CLASS", "NAME", "AT");
    for busy in names {
        let Busy { request, class, requests, denied, loaded, last, result, requester } = busy;
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{requests:>9} {denied:>9} {loaded:>7}  {:<8} {:<12} {request:<32} {:<20} {requester}",
            result.word(),
            class.word(),
            show_date(*last)
        );
    }
    text
}
