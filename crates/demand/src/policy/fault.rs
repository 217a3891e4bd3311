//! What is wrong with a policy, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

use kmod::config::Place;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: FaultKind,
}

/// What can be wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not TOML.
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// No such key.
    UnknownKey {
        /// The key, with the tables it stands in.
        key: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// A key that must be given is not.
    MissingKey {
        /// The key, with the tables it stands in.
        key: String,
    },
    /// A value that the key does not take.
    BadValue {
        /// The key.
        key: String,
        /// The value, in backticks, or what it is.
        value: String,
        /// What the key takes.
        wanted: &'static str,
    },
    /// More rules than are worked through for every request.
    TooMany {
        /// How many there are.
        rules: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// Why a policy cannot be used.
#[derive(Debug)]
pub enum PolicyError {
    /// A file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Files are wrong; every fault that could be found, in the order of files and lines.
    Faults(Vec<Fault>),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message } => f.write_str(message),
            Self::UnknownKey { key, known } => {
                write!(f, "there is no key `{key}`")?;
                let last = key.rsplit('.').next().unwrap_or(key);
                match nearest(last, known) {
                    Some(near) => write!(f, ": is `{near}` meant?"),
                    None => write!(f, "; there are: {}", known.join(", ")),
                }
            }
            Self::MissingKey { key } => write!(f, "`{key}` is missing"),
            Self::BadValue { key, value, wanted } => write!(f, "`{key}` takes {wanted}, not {value}"),
            Self::TooMany { rules, limit } => write!(f, "{rules} rules, {limit} are allowed"),
        }
    }
}

/// The word that differs from another in at most two letters, if one does.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|known| (distance(word, known), *known));
    scored.filter(|(distance, known)| *distance <= 2 && *distance < known.len()).min().map(|(_, known)| known)
}

/// How many letters have to be put in, taken out or changed (Levenshtein). Words of policies are short; longer ones are not compared.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 32 || b.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.bytes().enumerate() {
            let (left, above) = (row.get(j).copied().unwrap_or(0), row.get(j + 1).copied().unwrap_or(0));
            let best = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            diagonal = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "`{}`: {error}", path.display()),
            Self::Faults(faults) => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { error, .. } => Some(error),
            Self::Faults(_) => None,
        }
    }
}
