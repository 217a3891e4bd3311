//! `kerneld classes`: the words that policies have for kinds of requests.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use demand::{Class, Reach};

use super::cli::Failure;

/// List the classes of requests, and who can make the kernel ask in each
#[derive(Debug, Args)]
pub(super) struct Classes {
    /// As JSON: a list of objects with `class` and `reach`
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Row {
    class: Class,
    reach: Reach,
}

impl Classes {
    /// Prints the table.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut out = std::io::stdout().lock();
        let rows = Class::all().map(|class| Row { class, reach: class.reach() });
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?)?;
            return Ok(ExitCode::SUCCESS);
        }
        for row in rows {
            let reach = match row.reach {
                Reach::Anyone => "any process",
                Reach::UserNamespace => "a process in a user namespace of its own, or through a setuid program",
                Reach::Privileged => "the administrator, or hardware",
            };
            writeln!(out, "{:<12} {reach}", row.class.word())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
