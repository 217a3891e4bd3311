//! `kerneld policy compile`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use demand::policy::compiled;

use super::source::Source;
use crate::linux::cli::Failure;

/// Compile the policy with the grants, as the daemon does when it reads them
///
/// The compiled policy is what the kernel's helper decides by when the daemon does not answer. For images of systems, and for
/// systems where no daemon runs.
#[derive(Debug, Args)]
pub(super) struct Compile {
    #[command(flatten)]
    source: Source,
    /// Write this file instead of /var/lib/kerneld/policy.bin
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Compile {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let policy = self.source.policy()?;
        let grants: Vec<_> = self.source.grants()?.into_iter().filter(|grant| !grant.has_ended(super::source::now())).collect();
        let output = self.output.unwrap_or_else(|| self.source.paths().compiled());
        compiled::write(&output, &policy, &grants).map_err(|error| format!("`{}`: {error}", output.display()))?;
        writeln!(std::io::stdout(), "{}: {} rules, {} grants", output.display(), policy.rules.len(), grants.len())?;
        Ok(ExitCode::SUCCESS)
    }
}
