//! What the helper and the daemon say to each other: one JSON message per packet of a `SOCK_SEQPACKET` Unix socket. The control
//! socket is another.

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// The version of these messages; a helper and a daemon of different versions do not talk, and the helper decides by itself.
pub const VERSION: u8 = 1;

/// Longest packet in bytes.
pub const MAX_PACKET: usize = 16 << 10;

/// The helper asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// [`VERSION`].
    pub version: u8,
    /// The name as the kernel gave it, unchecked.
    pub name: Vec<u8>,
}

/// The daemon answers: [`Answer::Accepted`] at most once, and [`Answer::Done`] at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The request is seen and what is to be loaded is being loaded: the end may take a while.
    Accepted,
    /// What came of it. The helper leaves with 0 for [`Outcome::Loaded`] and [`Outcome::Present`], else with 1.
    Done(Outcome),
    /// The message was not understood, or comes from somebody without the right to ask.
    Refused(String),
}
