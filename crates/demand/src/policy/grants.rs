//! Temporary exceptions: `kerneld allow NAME --for 1h`. A grant counts before all rules.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Glob, show_date};
use crate::Class;

/// Most grants that a file may hold.
pub const MAX_GRANTS: usize = 1000;

/// How far a clock may be behind the beginning of a grant, in microseconds: it may have been corrected since. One that is further behind
/// is not set yet (a machine without a battery begins in 1970), and must not bring back what has ended.
const BEHIND: u64 = 3_600_000_000;

/// Longest file of grants in bytes.
const MAX_FILE: u64 = 4 << 20;

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What is allowed.
    pub what: Granted,
    /// Since when, in microseconds since 1970.
    pub since: u64,
    /// Until when, in microseconds since 1970.
    pub until: u64,
    /// Who granted it, for people: `root`, `uid 1000`.
    pub by: String,
}

/// What a grant allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granted {
    /// Requests by this name. What the rules say of modules that come along still counts.
    Request(Glob),
    /// A module, whatever it is asked for by, and also where it comes along.
    Module(Glob),
    /// A class of requests. What the rules say of modules that come along still counts.
    Class(Class),
}

impl Grant {
    /// Whether it is over.
    #[must_use]
    pub fn has_ended(&self, now: u64) -> bool {
        now >= self.until
    }

    /// Whether it counts at a time, in microseconds since 1970.
    #[must_use]
    pub fn counts(&self, now: u64) -> bool {
        !self.has_ended(now) && self.since <= now.saturating_add(BEHIND)
    }

    /// Whether it allows a request, by names that [`Glob::name`] has made comparable.
    #[must_use]
    pub fn covers(&self, class: Class, request: &str, module: Option<&str>) -> bool {
        match &self.what {
            Granted::Request(glob) => glob.matches(request),
            Granted::Class(granted) => *granted == class,
            Granted::Module(_) => module.is_some_and(|module| self.names(module)),
        }
    }

    /// Whether it names a module.
    #[must_use]
    pub fn names(&self, module: &str) -> bool {
        matches!(&self.what, Granted::Module(glob) if glob.matches(module))
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(glob) => write!(f, "requests `{glob}`"),
            Self::Module(glob) => write!(f, "module `{glob}`"),
            Self::Class(class) => write!(f, "class `{class}`"),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} granted by {} until {}", self.what, self.by, show_date(self.until))
    }
}

/// Reads the grants of a file; none if there is no file.
///
/// # Errors
/// Where the file cannot be read or is damaged ([`io::ErrorKind::InvalidData`]).
pub fn load(path: &Path) -> io::Result<Vec<Grant>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, MAX_FILE), &mut text)?;
    let damaged = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let grants: Vec<Grant> = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    if grants.len() > MAX_GRANTS { Err(damaged(format!("{} grants, {MAX_GRANTS} are allowed", grants.len()))) } else { Ok(grants) }
}

/// Writes the grants of a file, durably.
///
/// # Errors
/// Where that fails; the old file is there then.
pub fn save(path: &Path, grants: &[Grant]) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(grants)?;
    text.push(b'\n');
    crate::file::replace(path, 0o600, &text)
}
