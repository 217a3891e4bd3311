//! What the helper and the daemon say to each other: one JSON message per packet of a `SOCK_SEQPACKET` Unix socket. The control
//! socket is another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BadName, Origin, Outcome, RequestName};

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

/// Why a packet is no question that can be answered.
#[derive(Debug)]
pub enum BadAsk {
    /// It is longer than [`MAX_PACKET`].
    TooLong {
        /// Bytes.
        length: usize,
    },
    /// It is no [`Ask`].
    Form(serde_json::Error),
    /// It is one of another version of this program.
    Version {
        /// Its version.
        found: u8,
    },
    /// What it asks for is no name.
    Name(BadName),
}

impl fmt::Display for BadAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "the message has {length} bytes, {MAX_PACKET} are allowed"),
            Self::Form(error) => write!(f, "not a message: {error}"),
            Self::Version { found } => write!(f, "message of version {found}, not {VERSION}"),
            Self::Name(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for BadAsk {}

impl Ask {
    /// The name that a packet asks for.
    ///
    /// # Errors
    /// [`BadAsk`].
    pub fn parse(packet: &[u8]) -> Result<RequestName, BadAsk> {
        if packet.len() > MAX_PACKET {
            return Err(BadAsk::TooLong { length: packet.len() });
        }
        let ask: Self = serde_json::from_slice(packet).map_err(BadAsk::Form)?;
        if ask.version != VERSION {
            return Err(BadAsk::Version { found: ask.version });
        }
        RequestName::new(&ask.name, Origin::Helper).map_err(BadAsk::Name)
    }
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
