//! What the log of the system is told: a line for each request that is out of the ordinary, but never a flood of them.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use demand::{Outcome, Record, Verdict, lock};

use super::rules::PolicyState;
use super::tally::{verdict, who};
use crate::{Level, Log};

/// Lines that may come at once.
const BURST: f64 = 30.0;

/// Lines a second after that.
const RATE: f64 = 5.0;

/// The log of the system.
#[derive(Debug)]
pub struct Teller(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    log: Log,
    allowance: f64,
    at: Instant,
    /// Lines that were not told.
    held: u64,
}

impl Teller {
    /// Tells this log.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self(Mutex::new(Inner { log, allowance: BURST, at: Instant::now(), held: 0 }))
    }

    /// Tells of a request: of denials and findings as warnings, of loads and failures.
    pub(crate) fn tell(&self, record: &Record) {
        let level = match (&record.outcome, record.decision.verdict) {
            (Outcome::Failed { .. }, _) => Level::Error,
            (Outcome::Denied, _) | (_, Verdict::Deny) => Level::Warning,
            (Outcome::Loaded, _) => Level::Info,
            _ => return,
        };
        let mut inner = lock(&self.0);
        if !inner.may() {
            return;
        }
        let text = Line(record).to_string();
        inner.say(level, &text);
    }

    /// Tells of something that does not come in floods.
    pub(crate) fn say(&self, level: Level, text: &str) {
        lock(&self.0).log.line(level, text);
    }

    /// Tells which policy is in force.
    pub(crate) fn policy(&self, state: &PolicyState) {
        let mode = serde_json::to_string(&state.mode).unwrap_or_default();
        let text = format!("policy in force: mode {}, {} rules", mode.trim_matches('"'), state.rules);
        self.say(Level::Info, &text);
        if let Some(fault) = &state.fault {
            self.say(Level::Error, &format!("the policy's files cannot be used, an older policy stays in force: {fault}"));
        }
        if let Some(fault) = &state.compile_fault {
            self.say(Level::Error, &format!("the compiled policy for helpers could not be written: {fault}"));
        }
    }
}

impl Inner {
    fn may(&mut self) -> bool {
        let now = Instant::now();
        self.allowance = (self.allowance + now.duration_since(self.at).as_secs_f64() * RATE).min(BURST);
        self.at = now;
        if self.allowance < 1.0 {
            self.held = self.held.saturating_add(1);
            return false;
        }
        self.allowance -= 1.0;
        true
    }

    fn say(&mut self, level: Level, text: &str) {
        if self.held > 0 {
            self.log.line(Level::Warning, &format!("{} lines about requests were not written; the journal has all", self.held));
            self.held = 0;
        }
        self.log.line(level, text);
    }
}

/// A record in one line.
struct Line<'a>(&'a Record);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        let requesters = record.requesters.iter().map(who).collect::<Vec<_>>().join(" or ");
        write!(f, "{} `{}` for {requesters}: ", verdict(&record.decision), record.request)?;
        match &record.outcome {
            Outcome::Loaded => {
                let loaded: Vec<&str> = record.plan.iter().filter(|step| step.loaded).map(|step| step.module.as_str()).collect();
                write!(f, "loaded {}", loaded.join(" "))?;
            }
            Outcome::Failed { text, .. } => write!(f, "failed: {text}")?,
            Outcome::Denied => f.write_str("denied")?,
            Outcome::Present => f.write_str("already there")?,
            Outcome::Unknown => f.write_str("no such module")?,
            Outcome::Shared => f.write_str("loaded for another request")?,
            Outcome::Repeated => write!(f, "{} times", record.repeated)?,
        }
        let rule = &record.decision.rule;
        let place = rule.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        write!(f, " ({}{place})", rule.name)
    }
}
