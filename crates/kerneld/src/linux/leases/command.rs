//! `kerneld leases`: what would be unloaded, and what keeps the rest.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use demand::policy::{LeaseMode, Leases as Settings, show_duration};
use demand::{Class, Paths, stamp};

use super::super::cli::Failure;
use super::super::root::Root;
use super::{Entry, Fate, report};

/// Show which modules that came on demand would be unloaded, and what keeps the others
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kerneld leases                         all modules that came on demand in this boot
  kerneld leases vfat fat                these, whatever they came by, with every row
  kerneld leases --as-if fs,tty-ldisc    as if the policy listed these classes
  kerneld leases --json                  everything, for programs

Nothing is unloaded by this command. The daemon does, if the policy says `[leases] mode = \"unload\"`.")]
pub(in super::super) struct Leases {
    /// Modules to look at; all that came on demand if there are none
    modules: Vec<String>,
    /// Look at all loaded modules
    #[arg(long, conflicts_with = "modules")]
    all: bool,
    /// Judge as if the policy listed these classes
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = class)]
    as_if: Vec<Class>,
    /// As JSON: a list of objects with module, request, class, with, idle, period, fate, findings
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: Root,
}

impl Leases {
    /// Prints the report.
    pub(in super::super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = self.root.paths();
        let stamp = stamp::Stamp::of(&paths, &kmod::linux::release());
        let mut settings = demand::alone::LastPolicy::from_files(&paths).policy.leases;
        settings.classes.extend(self.as_if.iter().copied());
        let all = self.all.then(|| loaded(&paths)).transpose()?;
        let wanted = all.or_else(|| (!self.modules.is_empty()).then(|| self.modules.clone()));
        let entries = report::report(&paths, &stamp, &settings, wanted.as_deref());
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&entries)?)?;
        } else if self.modules.is_empty() {
            write!(out, "{}", table(&settings, &entries))?;
        } else {
            write!(out, "{}", rows(&entries))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn class(word: &str) -> Result<Class, String> {
    word.parse().map_err(|()| format!("`{word}` is no class; `kerneld classes` lists them"))
}

/// The names of all loaded modules.
fn loaded(paths: &Paths) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(paths.file("/proc/modules"))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

/// A line for each module.
fn table(settings: &Settings, entries: &[Entry]) -> String {
    let mode = match settings.mode {
        LeaseMode::Off => "Leases are off in the policy: this is what `mode = \"unload\"` would do.\n",
        LeaseMode::Report => "The policy says `report`: nothing is unloaded.\n",
        LeaseMode::Unload => "",
    };
    if entries.is_empty() {
        return format!("{mode}No module came on demand in this boot.\n");
    }
    let mut text = format!("{mode}{:<20} {:<24} {:>8}  WHAT BECOMES OF IT\n", "MODULE", "ASKED FOR AS", "IDLE");
    for entry in entries {
        let asked = match (&entry.request, &entry.with) {
            (_, Some(with)) => format!("with {with}"),
            (Some(request), None) => request.clone(),
            (None, None) => "-".to_owned(),
        };
        let idle = entry.idle.map_or_else(|| "-".to_owned(), |idle| format!("{idle} s"));
        text.push_str(&format!("{:<20} {asked:<24} {idle:>8}  {}\n", entry.module, fate(settings.mode, entry)));
    }
    text
}

fn fate(mode: LeaseMode, entry: &Entry) -> String {
    match entry.fate {
        Fate::Due if mode == LeaseMode::Unload => "is unloaded".to_owned(),
        Fate::Due => "would be unloaded".to_owned(),
        Fate::Idle => {
            let period = std::time::Duration::from_secs(entry.period);
            format!("nothing holds it; it goes after {} without use", show_duration(period))
        }
        Fate::Kept => {
            let rows: Vec<String> = entry.vetoes().map(|finding| format!("{}: {}", finding.row.word(), finding.text())).collect();
            let more = if rows.len() > 1 { format!(" (and {} more)", rows.len().saturating_sub(1)) } else { String::new() };
            format!("stays: {}{more}", rows.first().map_or("", String::as_str))
        }
    }
}

/// All rows of each module.
fn rows(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&format!("{}:\n", entry.module));
        for finding in &entry.findings {
            let mark = if finding.vetoes() { "holds" } else { "-" };
            text.push_str(&format!("  {:<11} {mark:<6} {}\n", finding.row.word(), finding.text()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_would_be_done_is_not_said_to_be_done() {
        let entry = Entry {
            module: "vfat".to_owned(),
            request: Some("fs-vfat".to_owned()),
            class: Some(Class::Fs),
            with: None,
            idle: Some(700),
            period: 600,
            fate: Fate::Due,
            findings: Vec::new(),
        };
        for (mode, wanted) in
            [(LeaseMode::Report, "would be unloaded"), (LeaseMode::Off, "would be unloaded"), (LeaseMode::Unload, "is unloaded")]
        {
            let text = table(&Settings { mode, ..Settings::default() }, std::slice::from_ref(&entry));
            assert!(text.trim_end().ends_with(wanted), "{text}");
        }
    }
}
