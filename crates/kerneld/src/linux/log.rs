//! `kerneld log`: the journal.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use demand::journal::{Reader, parse};
use demand::policy::{Glob, date, show_date};
use demand::{Class, DecidedBy, Outcome, Paths, Record, Verdict, stamp};

use super::cli::Failure;
use super::control::{Client, ClientError, Command};
use super::root::Root;
use super::run::{verdict, who};

/// How long the daemon may take to write what it has.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// How often a journal is looked at that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// Show recorded requests
#[derive(Debug, Args)]
#[command(
    after_help = "A line: time, verdict, name, result, who asked, rule, and what was loaded. A line of a flood says how many it stands for.

Examples:
  kerneld log -n 20
  kerneld log --denied --since 1d
  kerneld log --class net-pf --json | jq -r .request | sort | uniq -c
  kerneld log --follow"
)]
pub(super) struct Log {
    #[command(flatten)]
    root: Root,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Only from this date (2026-11-22, 2026-11-22T10:00:00Z) or so long ago (2h) on
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<u64>,
    /// Only of this boot
    #[arg(long)]
    boot: bool,
    /// Only what the rules deny, in force or not
    #[arg(long)]
    denied: bool,
    /// Only what loaded something
    #[arg(long)]
    loaded: bool,
    /// Only this class (may be repeated)
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Vec<Class>,
    /// Only names like this; * and ? are wildcards
    #[arg(long, value_name = "NAME", value_parser = glob)]
    request: Option<Glob>,
    /// Only where this module was in the plan
    #[arg(long, value_name = "MODULE", value_parser = glob)]
    module: Option<Glob>,
    /// Only of this user
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    /// As they are in the journal: a JSON object a line
    #[arg(long)]
    json: bool,
}

fn class(word: &str) -> Result<Class, String> {
    word.parse().map_err(|()| format!("there is no class `{word}`; `kerneld classes` lists them"))
}

fn glob(pattern: &str) -> Result<Glob, String> {
    Glob::new(pattern).ok_or_else(|| format!("`{pattern}` is no pattern"))
}

fn since(text: &str) -> Result<u64, String> {
    let ago = |length: Duration| stamp::now().saturating_sub(u64::try_from(length.as_micros()).unwrap_or(u64::MAX));
    date(text).or_else(|| demand::policy::duration(text).map(ago)).ok_or_else(|| format!("`{text}` is neither a date nor a duration"))
}

impl Log {
    /// Reads and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = self.root.paths();
        // What waits in the daemon is in the file then; without one, or without the right to ask, what is there is shown.
        let flushed = Client::connect_for(&paths, FLUSH_WITHIN).and_then(|mut client| client.ask(&Command::Flush));
        if let Err(silent @ ClientError::Silent { .. }) = flushed {
            writeln!(std::io::stderr(), "kerneld: {silent} What follows is what it had written before")?;
        }
        let boot = self.boot.then(|| stamp::Stamp::of(&paths, "").boot);
        let journal = paths.journal();
        let followed = if self.follow { Followed::at_end(&journal) } else { None };
        let damaged = self.print_recorded(&journal, boot.as_deref())?;
        if damaged > 0 {
            writeln!(std::io::stderr(), "kerneld: {damaged} lines of the journal are damaged and were passed over")?;
        }
        if self.follow {
            self.print_coming(&paths, followed, boot.as_deref())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print_recorded(&self, journal: &Path, boot: Option<&str>) -> Result<u64, Failure> {
        let reader = Reader::open(journal).map_err(|error| format!("cannot read `{}`: {error}", journal.display()))?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let mut last = VecDeque::new();
        let mut damaged: u64 = 0;
        for record in reader {
            let Ok(record) = record else {
                damaged = damaged.saturating_add(1);
                continue;
            };
            if !self.wants(&record, boot) {
                continue;
            }
            match self.lines {
                None => self.print(&mut out, &record)?,
                Some(0) => {}
                Some(most) => {
                    if last.len() >= most {
                        last.pop_front();
                    }
                    last.push_back(record);
                }
            }
        }
        last.iter().try_for_each(|record| self.print(&mut out, record))?;
        out.flush()?;
        Ok(damaged)
    }

    fn print_coming(&self, paths: &Paths, mut followed: Option<Followed>, boot: Option<&str>) -> Result<(), Failure> {
        loop {
            let lines = followed.as_mut().map(Followed::lines).unwrap_or_default();
            let quiet = lines.is_empty();
            let mut out = std::io::stdout().lock();
            for record in lines.iter().filter_map(|line| parse(line).ok()).filter(|record| self.wants(record, boot)) {
                self.print(&mut out, &record)?;
            }
            out.flush()?;
            drop(out);
            if quiet {
                if followed.as_ref().is_none_or(|followed| followed.is_rotated(&paths.journal())) {
                    followed = Followed::at_begin(&paths.journal());
                }
                std::thread::sleep(LOOK);
            }
        }
    }

    fn wants(&self, record: &Record, boot: Option<&str>) -> bool {
        let module = |glob: &Glob| record.plan.iter().any(|step| glob.matches(&Glob::name(&step.module)));
        self.since.is_none_or(|since| record.time >= since)
            && boot.is_none_or(|boot| record.boot == boot)
            && (!self.denied || record.decision.verdict == Verdict::Deny)
            && (!self.loaded || record.plan.iter().any(|step| step.loaded))
            && (self.class.is_empty() || self.class.contains(&record.class))
            && self.request.as_ref().is_none_or(|glob| glob.matches(&Glob::name(record.request.as_str())))
            && self.module.as_ref().is_none_or(module)
            && self.uid.is_none_or(|uid| record.requesters.iter().any(|requester| requester.uid == Some(uid)))
    }

    fn print(&self, out: &mut impl Write, record: &Record) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string(record)?)?;
        } else {
            writeln!(out, "{}", line(record))?;
        }
        Ok(())
    }
}

/// A record for people.
fn line(record: &Record) -> String {
    let result = match &record.outcome {
        Outcome::Loaded => "loaded".to_owned(),
        Outcome::Present => "present".to_owned(),
        Outcome::Denied => "kept out".to_owned(),
        Outcome::Unknown => "no such module".to_owned(),
        Outcome::Failed { text, .. } => format!("FAILED: {text}"),
        Outcome::Shared => "loaded for another request".to_owned(),
        Outcome::Repeated => format!("{} more", record.repeated),
    };
    let requesters = record.requesters.iter().map(who).collect::<Vec<_>>().join(" or ");
    let loaded: Vec<&str> = record.plan.iter().filter(|step| step.loaded).map(|step| step.module.as_str()).collect();
    let loaded = if loaded.is_empty() { String::new() } else { format!(" [{}]", loaded.join(" ")) };
    let place = record.decision.rule.place.as_ref().map(|place| format!(" {place}")).unwrap_or_default();
    let brought = record.decision.module.as_ref().map(|module| format!(" because of {module}")).unwrap_or_default();
    let alone = if record.by == DecidedBy::Helper { ", by the helper" } else { "" };
    format!(
        "{} {:<10} {:<28} {result}{loaded}  {requesters}  ({}{place}{brought}{alone})",
        show_date(record.time),
        verdict(&record.decision),
        record.request.as_str(),
        record.decision.rule.name
    )
}

/// A file that grows.
struct Followed {
    reader: BufReader<File>,
    inode: u64,
    /// A line whose end is not there yet.
    begun: Vec<u8>,
}

impl Followed {
    fn at_begin(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let inode = file.metadata().ok()?.ino();
        Some(Self { reader: BufReader::new(file), inode, begun: Vec::new() })
    }

    fn at_end(path: &Path) -> Option<Self> {
        let mut followed = Self::at_begin(path)?;
        std::io::Seek::seek(&mut followed.reader, std::io::SeekFrom::End(0)).ok()?;
        Some(followed)
    }

    fn is_rotated(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|about| about.ino() != self.inode)
    }

    /// The whole lines that are there now.
    fn lines(&mut self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Ok(1..) = self.reader.read_until(b'\n', &mut self.begun) {
            if self.begun.last() != Some(&b'\n') {
                break;
            }
            lines.push(std::mem::take(&mut self.begun));
        }
        lines
    }
}
