//! `kerneld policy check`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use demand::Mode;
use demand::policy::{Policy, PolicyError};
use kmod::config::Place;
use serde::Serialize;

use super::remarks::{Remark, Unstoppable, of_policy, unknown_modules, unstoppable};
use super::source::{Source, now};
use crate::linux::cli::Failure;

/// Find every fault of the policy, by file and line; and say what no policy can stop
///
/// Exit status 1 if there are faults. Remarks are about what is right but perhaps not meant: rules that no request gets to, that have
/// ended, or that name modules which this release does not have; and modules that are built into the kernel although the policy, or
/// common sense, would keep them out.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Only faults
    #[arg(short, long)]
    quiet: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    rules: usize,
    faults: Vec<Fault>,
    remarks: Vec<Remark>,
    builtin: Vec<Unstoppable>,
}

#[derive(Debug, Serialize)]
struct Fault {
    place: Place,
    text: String,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let findings = match self.source.policy() {
            Ok(policy) => self.findings(&policy)?,
            Err(PolicyError::Faults(faults)) => {
                let fault = |fault: demand::policy::Fault| Fault { text: fault.kind.to_string(), place: fault.place };
                Findings { faults: faults.into_iter().map(fault).collect(), ..Findings::default() }
            }
            Err(error @ PolicyError::Read { .. }) => return Err(error.into()),
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
        } else {
            findings.print(&mut out, self.quiet)?;
        }
        Ok(if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn findings(&self, policy: &Policy) -> Result<Findings, Failure> {
        let files = policy.files.iter().map(|file| file.display().to_string()).collect();
        let mut findings = Findings { files, mode: Some(policy.mode), rules: policy.rules.len(), ..Findings::default() };
        findings.remarks = of_policy(policy, now());
        if self.source.has_tree() {
            let modules = self.source.modules()?;
            findings.remarks.extend(unknown_modules(policy, &modules)?);
            findings.builtin = unstoppable(policy, &modules)?;
        } else {
            let text = format!("there are no modules of release {}: names of modules are not checked", self.source.release());
            findings.remarks.push(Remark { place: String::new(), text });
        }
        Ok(findings)
    }
}

impl Findings {
    fn print(&self, out: &mut impl Write, quiet: bool) -> std::io::Result<()> {
        for fault in &self.faults {
            writeln!(out, "{}: {}", fault.place, fault.text)?;
        }
        if !self.faults.is_empty() || quiet {
            return Ok(());
        }
        for Remark { place, text } in &self.remarks {
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            writeln!(out, "{place}{text}")?;
        }
        for entry in &self.builtin {
            let place = if entry.place.is_empty() { String::new() } else { format!("{}: ", entry.place) };
            let holes = if entry.cves.is_empty() { String::new() } else { format!("; {}", entry.cves.join(", ")) };
            writeln!(out, "{place}built in, no policy can stop it: {} ({}{holes})", entry.modules.join(", "), entry.by)?;
        }
        let mode = self.mode.map(|mode| format!("{mode:?}").to_lowercase()).unwrap_or_default();
        let several = |number: usize| if number == 1 { "" } else { "s" };
        let (files, rules) = (self.files.len(), self.rules);
        writeln!(out, "{files} file{}, {rules} rule{}, mode {mode}: no faults", several(files), several(rules))
    }
}
