//! `kerneld status`, `kerneld reload`: how the daemon fares.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use demand::policy::{show_date, show_duration};
use demand::{Mode, Verdict};

use super::cli::Failure;
use super::control::{Client, Command, Ending, PolicyState, Reply, Source, Status as State, Summary};
use super::root::Root;

/// How often it is tried again with `--wait`.
const PAUSE: Duration = Duration::from_millis(20);

/// Show whether the daemon runs, by which policy it decides, what it has seen, and what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Anyone may ask for the first lines; the rest is for root and the group that the policy names under [control].
The status is 0 if all is well, 1 if no daemon answers, 2 if one does and something is wrong.

Examples:
  kerneld status
  kerneld status --wait 10s        as a script does that has just started the daemon
  kerneld status --json | jq .policy.fault")]
pub(super) struct Status {
    #[command(flatten)]
    root: Root,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    /// Wait so long for a daemon that is starting
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
}

/// Read the policy, its drop-ins and the grants again
#[derive(Debug, Args)]
#[command(
    after_help = "A policy that cannot be read changes nothing: the one before stays in force, and the status is 1. So it is where helpers cannot be given
the policy, because /var/lib/kerneld takes no file; that is tried again every two seconds.
`kerneld policy check` says what is wrong, with file and line."
)]
pub(super) struct Reload {
    #[command(flatten)]
    root: Root,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// A duration on the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    demand::policy::duration(text).ok_or_else(|| format!("`{text}` is no duration; they look like 90s, 30m, 1h30m, 7d"))
}

impl Status {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let until = Instant::now().checked_add(self.wait.unwrap_or_default());
        let reply = loop {
            match Client::connect(&self.root.paths()).and_then(|mut client| client.ask(&Command::Status)) {
                Err(_) if until.is_some_and(|until| Instant::now() < until) => std::thread::sleep(PAUSE),
                done => break done?,
            }
        };
        let mut out = std::io::stdout().lock();
        let (healthy, text, json) = match &reply {
            Reply::Status(state) => (state.summary.healthy, full(state), serde_json::to_string_pretty(state)?),
            Reply::Summary(summary) => (summary.healthy, brief(summary), serde_json::to_string_pretty(summary)?),
            _ => return Err("the daemon answered something else".into()),
        };
        if self.json {
            writeln!(out, "{json}")?
        } else {
            out.write_all(text.as_bytes())?
        }
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}

impl Reload {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Reply::Reloaded(state) = Client::connect(&self.root.paths())?.ask(&Command::Reload)? else {
            return Err("the daemon answered something else".into());
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&state)?)?
        } else {
            out.write_all(policy(&state).as_bytes())?
        }
        let done = state.fault.is_none() && state.compile_fault.is_none();
        Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Audit => "audit: nothing is denied, findings are recorded",
        Mode::Learn => "learn: nothing is denied, everything counts as needed",
        Mode::Enforce => "enforce: what the rules deny is not loaded",
    }
}

fn brief(summary: &Summary) -> String {
    let uptime = show_duration(Duration::from_secs(summary.uptime));
    let health = if summary.healthy { "all is well" } else { "something is wrong" };
    let Summary { version, pid, release, .. } = summary;
    format!("kerneld {version}, pid {pid}, for {uptime}, serves {release}: {health}\nmode      {}\n", word(summary.mode))
}

fn policy(state: &PolicyState) -> String {
    let source = match state.source {
        Source::Files => format!("{} rules from {}", state.rules, state.files.join(", ")),
        Source::LastGood => format!("{} rules of the last policy that could be read", state.rules),
        Source::Default => "no policy file: everything is loaded and recorded".to_owned(),
    };
    let mut text = format!("policy    {source}, since {}\n", show_date(state.since));
    if let Some(fault) = &state.fault {
        text.push_str(&format!("WRONG     the policy's files cannot be used: {}\n", indented(fault)));
    }
    if let Some(fault) = &state.compile_fault {
        text.push_str(&format!("WRONG     helpers could not be given this policy: {}\n", indented(fault)));
    }
    text
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n          ")
}

fn full(state: &State) -> String {
    let mut text = brief(&state.summary);
    text.push_str(&policy(&state.policy));
    let requests: u64 = state.requests.iter().map(|count| count.requests).sum();
    let of = |ending: Ending| -> u64 { state.requests.iter().filter(|count| count.result == ending).map(|count| count.requests).sum() };
    let allowed: u64 = state.requests.iter().filter(|count| count.verdict == Verdict::Allow).map(|count| count.requests).sum();
    let endings = [Ending::Loaded, Ending::Present, Ending::Shared, Ending::Denied, Ending::Unknown, Ending::Failed];
    let endings: Vec<String> = endings.iter().map(|&ending| format!("{} {}", of(ending), ending.word())).collect();
    text.push_str(&format!(
        "requests  {requests}: {}; {allowed} allowed by rules, {} denied by rules\n",
        endings.join(", "),
        state.denials
    ));
    text.push_str(&format!("modules   {} loaded, {} loads under way\n", state.modules, state.loading));
    text.push_str(&format!("grants    {}\n", state.grants));
    text.push_str(&match state.helper.as_deref() {
        None => "helper    kernel.modprobe cannot be read\n".to_owned(),
        Some("") => "helper    kernel.modprobe is empty: the kernel asks for nothing\n".to_owned(),
        Some(helper) => format!("helper    kernel.modprobe is {helper}\n"),
    });
    if state.asked_elsewhere {
        text.push_str("WRONG     the kernel does not ask kerneld, as it was told to: `kerneld install --sysctl-only` puts that right\n");
        text.push_str(
            "          (until the next boot, if another file of sysctl.d sets kernel.modprobe: `grep -r kernel.modprobe /etc/sysctl.d`)\n",
        );
    }
    match &state.tracing_fault {
        None => text.push_str("who       by the trace event of each request\n"),
        Some(fault) => text.push_str(&format!("who       by who waits, because tracing does not work: {fault}\n")),
    }
    let journal = &state.journal;
    let lost = journal.journal.lost.saturating_add(journal.overrun).saturating_add(journal.lost_by_helpers);
    text.push_str(&format!(
        "journal   {} lines, {} requests counted in others', {} waiting, {lost} lost, {} by helpers alone\n",
        journal.journal.written, journal.journal.counted, journal.journal.waiting, journal.from_helpers
    ));
    if let Some(error) = &journal.journal.error {
        text.push_str(&format!("WRONG     the journal cannot be written: {error}\n"));
    }
    text
}
