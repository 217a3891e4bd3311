//! The name in a request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::is_hidden;

/// Longest name in bytes. The kernel formats its requests into 56 bytes (`MODULE_NAME_LEN`, include/linux/moduleparam.h); the modalias
/// of a device is bounded by the buffer of an event, 2,048 bytes (`UEVENT_BUFFER_SIZE`, include/linux/kobject.h).
pub const MAX_NAME: usize = 2048;

/// Where a name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel's call of its helper (`request_module`), or a peer that says so.
    Helper,
    /// The `MODALIAS` of a device: firmware may have put slashes into it.
    Device,
}

/// A checked name: what the kernel asks for, such as `fs-vfat`, `net-pf-38` or `pci:v00008086d…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestName(String);

/// Why bytes are no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Nothing.
    Empty,
    /// Longer than [`MAX_NAME`].
    TooLong {
        /// Bytes.
        length: usize,
    },
    /// Not UTF-8, or a character that no name holds.
    Forbidden {
        /// Where, in bytes.
        offset: usize,
    },
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong { length } => write!(f, "the name has {length} bytes, {MAX_NAME} are allowed"),
            Self::Forbidden { offset } => write!(f, "the name has a byte at {offset} that no name of a module or alias holds"),
        }
    }
}

impl std::error::Error for BadName {}

impl RequestName {
    /// Checks the bytes of a request.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(bytes: &[u8], origin: Origin) -> Result<Self, BadName> {
        if bytes.is_empty() {
            return Err(BadName::Empty);
        }
        if bytes.len() > MAX_NAME {
            return Err(BadName::TooLong { length: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| BadName::Forbidden { offset: error.valid_up_to() })?;
        let bad = |c: char| is_hidden(c) || c.is_whitespace() || (c == '/' && origin == Origin::Helper);
        match text.find(bad) {
            Some(offset) => Err(BadName::Forbidden { offset }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RequestName> for String {
    fn from(name: RequestName) -> Self {
        name.0
    }
}

impl TryFrom<String> for RequestName {
    type Error = BadName;

    /// Names in journals and messages were checked when they came in; a damaged file is checked again, slashes allowed.
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text.as_bytes(), Origin::Device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        let long = vec![b'a'; MAX_NAME + 1];
        for (bytes, wanted) in [
            (b"".as_slice(), BadName::Empty),
            (&long, BadName::TooLong { length: MAX_NAME + 1 }),
            (b"fs-vfat\nroot", BadName::Forbidden { offset: 7 }),
            (b"../../etc/passwd", BadName::Forbidden { offset: 2 }),
            (b"a\0b", BadName::Forbidden { offset: 1 }),
            (b"a\xff", BadName::Forbidden { offset: 1 }),
            (b"a b", BadName::Forbidden { offset: 1 }),
        ] {
            assert_eq!(RequestName::new(bytes, Origin::Helper), Err(wanted));
        }
        assert!(RequestName::new(&long[1..], Origin::Helper).is_ok());
        assert!(RequestName::new(b"dmi:bvnA/B:", Origin::Device).is_ok());
    }
}
