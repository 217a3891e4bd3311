//! The control socket: what people and programs ask a running daemon, one JSON object a line, and one line of answer for each.

mod client;
mod server;
mod until;

use std::time::Duration;

use demand::policy::{Grant, Granted};
use serde::{Deserialize, Serialize};

pub use super::run::{Busy, Count, Ending, JournalState, PolicyState, Source, Status, Summary};
pub(crate) use client::{Client, ClientError};
pub(crate) use server::Control;
pub(crate) use until::Until;

/// Longest line in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// A line of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command", deny_unknown_fields)]
pub enum Command {
    /// How the daemon fares; others than the administrator get the summary.
    Status,
    /// The names that are asked for most.
    Top {
        /// How many.
        most: usize,
    },
    /// Grants something for a while.
    Allow {
        /// What.
        what: Granted,
        /// For how long.
        length: Duration,
    },
    /// Takes grants back.
    Revoke {
        /// What was granted.
        what: Granted,
    },
    /// The grants that count.
    Grants,
    /// Reads the policy again.
    Reload,
    /// Has everything written to the journal.
    Flush,
}

/// A line of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Command::Status`] by the administrator.
    Status(Box<Status>),
    /// To [`Command::Status`] by anyone.
    Summary(Summary),
    /// To [`Command::Top`].
    Top(Vec<Busy>),
    /// To [`Command::Allow`].
    Allowed(Grant),
    /// To [`Command::Revoke`]: how many grants are gone.
    Revoked(usize),
    /// To [`Command::Grants`].
    Grants(Vec<Grant>),
    /// To [`Command::Reload`].
    Reloaded(PolicyState),
    /// To [`Command::Flush`].
    Flushed,
    /// The client may not.
    Forbidden(String),
    /// It cannot be done, or was not understood.
    Failed(String),
}
