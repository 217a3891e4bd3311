//! `depmod --check`: is the set of index files complete and does it say what the tree says?

use std::fmt;
use std::fs;

use super::{FILES, Mode, Request, run};
use crate::Result;
use crate::config::DepmodConfig;
use crate::index::pending::{self, Pending};

/// One thing that is wrong with the index files of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A file is not there.
    Missing {
        /// Its name.
        file: &'static str,
    },
    /// A file says something else than the tree.
    Stale {
        /// Its name.
        file: &'static str,
    },
    /// The record of a publication that was interrupted; the next run finishes it or takes it back.
    Interrupted {
        /// Its name.
        file: &'static str,
    },
    /// A file is there that the tree gives no reason for.
    Superfluous {
        /// Its name.
        file: &'static str,
    },
}

impl Finding {
    /// The file that it is about.
    #[must_use]
    pub fn file(&self) -> &'static str {
        match self {
            Self::Missing { file } | Self::Stale { file } | Self::Interrupted { file } | Self::Superfluous { file } => file,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { file } => write!(f, "{file} is missing"),
            Self::Stale { file } => write!(f, "{file} is damaged or not current"),
            Self::Interrupted { file } => write!(f, "{file} tells of a run that was interrupted; the next one mends the set"),
            Self::Superfluous { file } => write!(f, "{file} should not be there"),
        }
    }
}

/// Makes all files anew and compares. Nothing is written.
///
/// # Errors
/// Those of [`run`].
pub fn check(request: &Request, config: &DepmodConfig) -> Result<Vec<Finding>> {
    let request = Request { mode: Mode::Full, ..request.clone() };
    let made = run(&request, config, &|_, _| ())?;
    let directory = request.output();
    let findings = FILES.iter().filter_map(|&file| {
        let wanted = made.outputs.iter().find(|o| o.name == file);
        match (wanted, fs::read(directory.join(file))) {
            (Some(_), Err(_)) => Some(Finding::Missing { file }),
            (Some(output), Ok(there)) if output.contents != there => Some(Finding::Stale { file }),
            (None, Ok(_)) => Some(Finding::Superfluous { file }),
            _ => None,
        }
    });
    let interrupted = Pending::read(&directory).map(|_| Finding::Interrupted { file: pending::FILE });
    Ok(interrupted.into_iter().chain(findings).collect())
}
