//! `kerneld learn`: a policy that fits a machine, or a fleet of them.

mod hardware;
mod kept;
mod listed;
mod mounts;
mod need;
mod seen;
mod write;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use demand::policy::Policy;
use demand::resolve::Resolver;
use demand::{Kind, Mode, Paths};

use super::cli::Failure;
use kept::Kept;
use need::Needs;
use seen::Seen;

const NOTES: &str = "What is learnt:
  requests that were served, from the journal of this system and all its boots, or from the journals that are named (of a whole fleet);
  what the hardware that is there asks for (/sys), and what its drivers need;
  file systems in /etc/fstab and those that are mounted; modules in modules-load.d and those that are loaded.

What was not seen is denied to users, services and containers, and is a finding for root, the kernel itself and devices. The policy is in
mode audit: look at it, let `kerneld policy simulate --policy FILE` and some days of `kerneld log --denied` confirm it, and then say `enforce`.
The same journals and system give the same policy, byte for byte.

Examples:
  kerneld learn > /etc/kerneld/policy.toml
  kerneld learn --no-system --output fleet.toml web*.jsonl db*.jsonl
  kerneld learn --trust root,service,kernel,device     what only users and containers asked for is listed, and not allowed";

/// Write a policy that allows what this system was seen to need, with reasons
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Learn {
    /// Journals (JSON lines), instead of that of the system with its older parts
    #[arg(value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    /// Write this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The mode of the policy
    #[arg(long, value_name = "MODE", default_value = "audit", value_parser = mode)]
    mode: Mode,
    /// Only what was asked for in at least so many boots
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    min_boots: usize,
    /// Only what one of these kinds of requesters has asked for
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    trust: Vec<Kind>,
    /// Allow each request only to the kinds of requesters that made it
    #[arg(long)]
    strict: bool,
    /// Learn from journals only, not from the hardware and files of this system
    #[arg(long)]
    no_system: bool,
    /// Directory that stands for /
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The release whose modules count; by default that of the running kernel
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

fn kind(word: &str) -> Result<Kind, String> {
    word.parse().map_err(|()| format!("`{word}` is no kind of requester"))
}

/// The modes with their words.
const MODES: [(&str, Mode); 3] = [("audit", Mode::Audit), ("learn", Mode::Learn), ("enforce", Mode::Enforce)];

fn mode(word: &str) -> Result<Mode, String> {
    MODES.iter().find(|(name, _)| *name == word).map(|(_, mode)| *mode).ok_or_else(|| "there are: audit, learn, enforce".to_owned())
}

fn mode_word(mode: Mode) -> &'static str {
    MODES.iter().find(|(_, known)| *known == mode).map_or("audit", |(word, _)| word)
}

/// What counts as needed.
#[derive(Clone, Debug)]
struct Terms {
    mode: Mode,
    min_boots: usize,
    trust: BTreeSet<Kind>,
    requesters: Requesters,
}

/// Whether what is allowed is allowed to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requesters {
    /// To everyone: once a module is loaded, everyone can use it.
    Anyone,
    /// To the kinds of requesters that were seen.
    AsSeen,
}

impl Learn {
    /// Learns, and writes.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = Paths::under(&self.root);
        let release = self.release.clone().unwrap_or_else(kmod::linux::release);
        let modules = Resolver::directory(&paths, &release).is_dir().then(|| Resolver::open(&paths, &release)).transpose()?;
        let seen = Seen::read(&self.journals, &paths, modules.as_ref())?;
        let mut needs = Needs::default();
        let kept = if self.no_system { Kept::default() } else { kept::learn(&paths, &mut needs)? };
        if let Some(modules) = modules.as_ref().filter(|_| !self.no_system) {
            hardware::learn(&paths, modules, &mut needs)?;
            mounts::learn(&paths, &release, modules, &mut needs);
            listed::learn(&paths, modules, &mut needs);
        }
        let requesters = if self.strict { Requesters::AsSeen } else { Requesters::Anyone };
        let trust = if self.trust.is_empty() { Kind::all().collect() } else { self.trust.iter().copied().collect() };
        let terms = Terms { mode: self.mode, min_boots: self.min_boots, trust, requesters };
        let text = write::policy(&seen, &needs, &kept, modules.as_ref(), &terms)?;
        // What is written is what is read: a policy that cannot be read back is never handed out.
        Policy::parse(std::path::Path::new("learnt"), text.as_bytes())?;
        match &self.output {
            Some(path) => {
                let before = Policy::load_file(path).ok();
                save(path, &text).map_err(|error| format!("`{}`: {error}", path.display()))?;
                tell_of_replaced(path, before.as_ref(), self.mode)?;
            }
            None => std::io::stdout().write_all(text.as_bytes())?,
        }
        if seen.bad_lines > 0 {
            writeln!(std::io::stderr(), "kerneld learn: {} damaged lines of journals were passed over", seen.bad_lines)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Names what the replaced policy said and the new one does not.
fn tell_of_replaced(path: &Path, before: Option<&Policy>, mode: Mode) -> std::io::Result<()> {
    let (Some(before), path) = (before, path.display()) else { return Ok(()) };
    let mut err = std::io::stderr().lock();
    if before.mode == Mode::Enforce && mode != Mode::Enforce {
        writeln!(err, "kerneld learn: `{path}` was in mode enforce and is in mode {} now; `--mode enforce` keeps that", mode_word(mode))?;
    }
    let own = before.rules.iter().filter(|rule| !write::is_learnt(&rule.name)).count();
    if own > 0 {
        let rules = if own == 1 { "a rule that was".to_owned() } else { format!("{own} rules that were") };
        writeln!(err, "kerneld learn: {rules} not learnt are not in `{path}` any more; files in /etc/kerneld/policy.d are left alone")?;
    }
    Ok(())
}

/// Writes a policy. The one that is there, perhaps the one in force, is replaced whole or not at all, and who may read it stays; what is
/// no file (`/dev/stdout`) is written to.
fn save(path: &Path, text: &str) -> std::io::Result<()> {
    let mode = match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => return std::fs::write(path, text),
        Ok(about) => about.permissions().mode() & 0o7777,
        Err(_) => 0o644,
    };
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    demand::file::replace(&real, mode, text.as_bytes())
}
