//! kerneld-request: what the kernel runs when it wants a module (`kernel.modprobe`). Asks the daemon, and decides by itself where that
//! does not answer.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use demand::alone::{LastPolicy, serve, status};
use demand::ask::{NoAnswer, ask};
use demand::policy::compiled;
use demand::rehearse::Rehearsal;
use demand::spool::{self, Left};
use demand::who::Finder;
use demand::{Origin, Outcome, Paths, Record, RequestName, Verdict};
use kmod::linux::Linux;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::applet::Run;
use crate::syslog::{Severity, Syslog};
use crate::{Console, Failed, Outcome as Ended};

/// The name that this command is called by.
pub(crate) const NAME: &str = "kerneld-request";

/// Ask kerneld for a module, as the kernel does
#[derive(Debug, Parser)]
#[command(
    name = "kerneld-request",
    version,
    after_help = "The kernel runs this program as `kerneld-request -q -- NAME` once `kerneld install` has put its path into kernel.modprobe.
The status is 0 if the modules are there, else 1; nothing is printed.

The daemon has two seconds for its first answer and sixty for a load that it has begun (`answer-within` and `load-within` of the
policy). Where it does not answer, the policy that it compiled last is obeyed here, modules are loaded as modprobe would, and a record
is left for the daemon. Where no policy can be read, everything is loaded.

Examples:
  kerneld-request -q -- fs-vfat            # what the kernel runs
  kerneld-request --alone -q -- fs-vfat    # without asking the daemon"
)]
pub(crate) struct Request {
    /// Accepted because the kernel says it; nothing is printed anyway
    #[arg(short, long)]
    quiet: bool,
    /// Directory that stands for /; without a daemon there, what would be loaded is not
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Decide without asking the daemon
    #[arg(long, action = ArgAction::SetTrue)]
    alone: bool,
    /// What is wanted: the name of a module, or an alias such as fs-vfat
    #[arg(value_name = "NAME")]
    name: OsString,
}

impl Run for Request {
    fn run(self, _console: &mut Console) -> Ended {
        let paths = Paths::under(&self.root);
        let status =
            if self.alone { by_ourselves(&paths, self.name.as_bytes(), None) } else { serve_request(&paths, self.name.as_bytes()) };
        if status == 0 { Ok(()) } else { Err(Failed) }
    }
}

/// The kernel's own call, and that of iptables: no more than the name, `-q`, and a root. The definition above is not even built for it:
/// this is run hundreds of times in a boot.
pub(crate) fn plain_call(arguments: &[OsString]) -> Option<u8> {
    let (paths, words) = match arguments.get(1..)? {
        [option, root, words @ ..] if option == "--root" => (Paths::under(root.as_ref()), words),
        words => (Paths::default(), words),
    };
    let mut names = words.iter().filter(|word| *word != "-q" && *word != "--");
    let name = names.next().filter(|name| !name.as_bytes().starts_with(b"-"))?;
    let only = names.next().is_none();
    only.then(|| serve_request(&paths, name.as_bytes()))
}

/// Gives up all rights of root but loading and looking at who waits, for which `/proc/PID/stack` takes two more (capabilities(7)). A
/// shell that an `install` command of modprobe.d runs has them all again, as the bounding set stays.
fn confine() {
    let looking = CapabilitySet::SYS_PTRACE.union(CapabilitySet::SYS_ADMIN).union(CapabilitySet::DAC_READ_SEARCH);
    let wanted = CapabilitySet::SYS_MODULE.union(looking);
    // Somebody without rights has none to give up, and where the kernel refuses, the helper is no worse than modprobe.
    let _ = capabilities(None).and_then(|had| {
        let kept = had.permitted.intersection(wanted);
        set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
    });
}

fn serve_request(paths: &Paths, name: &[u8]) -> u8 {
    confine();
    let waits = compiled::waits(&paths.compiled());
    match ask(&paths.request_socket(), name, waits) {
        Ok(outcome) => status(&outcome),
        Err(why @ NoAnswer::Unfinished { .. }) => {
            // It is under way, and would only be waited for again.
            note(Severity::Error, &format!("{why}: `{}`", String::from_utf8_lossy(name).escape_debug()));
            1
        }
        // The daemon has counted it.
        Err(NoAnswer::Refused { .. }) if RequestName::new(name, Origin::Helper).is_err() => 1,
        Err(why) => by_ourselves(paths, name, Some(&why)),
    }
}

/// Decides and loads without the daemon.
fn by_ourselves(paths: &Paths, name: &[u8], why: Option<&NoAnswer>) -> u8 {
    let name = match RequestName::new(name, Origin::Helper) {
        Ok(name) => name,
        // Anyone can make the kernel ask for such a name, as often as he likes: the log is not filled with that.
        Err(_) => {
            let _ = spool::count(&paths.spool());
            return 1;
        }
    };
    let last = LastPolicy::read(paths);
    let finder = Finder::blocked_only(paths);
    let requesters = finder.starter_of(std::process::id()).unwrap_or_else(|| finder.requesters(&name));
    // Another folder is not the running system: nothing of it is loaded into that.
    let record = if *paths == Paths::default() {
        serve(paths, &mut Linux, &last, name, requesters)
    } else {
        serve(paths, &mut Rehearsal::new(kmod::linux::release(), paths.file("/proc/modules")), &last, name, requesters)
    };
    // Before /run is there, nothing can be left for the daemon; the line in the log is all there is then.
    let left = spool::add(&paths.spool(), &record);
    if matches!(left, Ok(Left::Count)) {
        // As many lines in the log as there is room for records: a flood is told by its number.
        return status(&record.outcome);
    }
    let reason = why.map_or_else(|| "kerneld was not asked".to_owned(), ToString::to_string);
    let lost = left.err().map(|error| format!("; no record could be left: {error}")).unwrap_or_default();
    note(severity(&record), &format!("{reason}; decided by {}: `{}` {}{lost}", last.source.text(), record.request, word(&record)));
    status(&record.outcome)
}

fn severity(record: &Record) -> Severity {
    match (&record.outcome, record.decision.verdict) {
        (Outcome::Failed { .. }, _) => Severity::Error,
        (Outcome::Denied, _) | (_, Verdict::Deny) => Severity::Warning,
        _ => Severity::Info,
    }
}

/// What became of it.
fn word(record: &Record) -> String {
    match &record.outcome {
        Outcome::Loaded => "loaded".to_owned(),
        Outcome::Present | Outcome::Shared | Outcome::Repeated => "is there already".to_owned(),
        Outcome::Denied => format!("denied ({})", record.decision.rule.name),
        Outcome::Unknown => "is no module".to_owned(),
        Outcome::Failed { text, .. } => format!("failed: {text}"),
    }
}

/// Says something in the log of the system, or in that of the kernel where there is no other yet.
fn note(severity: Severity, text: &str) {
    match Syslog::open(NAME) {
        Ok(log) => log.send(severity, &text),
        Err(_) => {
            let line = format!("<{}>{NAME}: {text}\n", severity.number());
            // Without a log there is nobody to tell.
            let _ = std::fs::OpenOptions::new().write(true).open("/dev/kmsg").and_then(|mut log| log.write_all(line.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_q_is_a_plain_call() {
        for words in [
            &["kerneld-request", "--help"][..],
            &["kerneld-request"],
            &["kerneld-request", "-q", "--", "a", "b"],
            &["kerneld-request", "--alone", "a"],
            &["kerneld-request", "--root", "/x"],
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(plain_call(&words), None, "{words:?}");
        }
    }
}
