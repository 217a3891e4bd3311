//! The compiled policy: what the helper decides by when the daemon does not answer.
//!
//! A header of 32 bytes, all numbers little-endian, and the policy with its grants in postcard's form:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `KRNLDPOL` |
//! | 8 | 4 | version of the form, 1 |
//! | 12 | 4 | `answer-within` in milliseconds |
//! | 16 | 4 | `load-within` in milliseconds |
//! | 20 | 4 | length of what follows the header |
//! | 24 | 4 | CRC-32 of the header without this field, and of what follows it |
//! | 28 | 4 | 0 |
//!
//! The checksum finds damage. It is no protection against somebody who may write the file: that is root.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use super::{ANSWER_WITHIN, Grant, LOAD_WITHIN, Policy};

/// The first bytes.
pub const MAGIC: [u8; 8] = *b"KRNLDPOL";

/// The version of the form. A file of another version is not read: the daemon writes a new one when it starts.
pub const VERSION: u32 = 1;

/// Bytes of the header.
const HEADER: usize = 32;

/// Longest file in bytes.
const MAX_FILE: usize = 16 << 20;

/// Longest time that a helper waits, whatever a file says.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Why a compiled policy cannot be used.
#[derive(Debug)]
pub enum CompiledError {
    /// The file cannot be read or written.
    File(io::Error),
    /// Too short for its header, or for what the header promises, or longer than a policy can be.
    Length {
        /// Bytes of the file.
        found: usize,
    },
    /// Not a compiled policy.
    Magic,
    /// Of another version of this program.
    Version {
        /// Its version.
        found: u32,
    },
    /// The checksum differs.
    Checksum {
        /// In the file.
        stored: u32,
        /// Of the file.
        computed: u32,
    },
    /// The checksum is right, and the contents are not: written by another version of this program.
    Contents,
}

impl fmt::Display for CompiledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Length { found } => write!(f, "the file has {found} bytes, which is not what its header promises"),
            Self::Magic => f.write_str("not a compiled policy"),
            Self::Version { found } => write!(f, "compiled by another version of this program (form {found}, not {VERSION})"),
            Self::Checksum { stored, computed } => write!(f, "damaged: the checksum is {computed:08x}, not {stored:08x}"),
            Self::Contents => f.write_str("the contents make no sense to this version of the program"),
        }
    }
}

impl std::error::Error for CompiledError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            _ => None,
        }
    }
}

/// How long a helper waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For the daemon's first message.
    pub answer: Duration,
    /// For the end of a load that the daemon has begun.
    pub load: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { answer: ANSWER_WITHIN, load: LOAD_WITHIN }
    }
}

/// A compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The policy.
    pub policy: Policy,
    /// The grants of its time; those that have ended do not count any more.
    pub grants: Vec<Grant>,
}

/// The bytes of a compiled policy.
///
/// # Errors
/// [`CompiledError::Length`] for a policy of more than 16 MiB.
pub fn encode(policy: &Policy, grants: &[Grant]) -> Result<Vec<u8>, CompiledError> {
    let contents = postcard::to_stdvec(&(policy, grants)).map_err(|_| CompiledError::Contents)?;
    if contents.len() > MAX_FILE - HEADER {
        return Err(CompiledError::Length { found: contents.len() });
    }
    let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + contents.len());
    bytes.extend(MAGIC);
    for number in [VERSION, milliseconds(policy.answer_within), milliseconds(policy.load_within), 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(contents);
    seal(&mut bytes);
    Ok(bytes)
}

/// Writes length and checksum into the header as they have to be; `false` where there is no whole header. For tests of what a right
/// checksum lets through.
#[doc(hidden)]
pub fn seal(bytes: &mut [u8]) -> bool {
    let length = bytes.len().checked_sub(HEADER).and_then(|length| u32::try_from(length).ok());
    let Some(length) = length else { return false };
    set(bytes, 20, length);
    set(bytes, 24, checksum(bytes));
    true
}

fn set(bytes: &mut [u8], at: usize, number: u32) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = number.to_le_bytes();
    }
}

/// Reads the bytes of a compiled policy.
///
/// # Errors
/// [`CompiledError`].
pub fn decode(bytes: &[u8]) -> Result<Compiled, CompiledError> {
    let contents = check(bytes)?;
    let (policy, grants) = postcard::from_bytes(contents).map_err(|_| CompiledError::Contents)?;
    Ok(Compiled { policy, grants })
}

/// Writes a compiled policy, durably; readers see the old one or the new one.
///
/// # Errors
/// [`CompiledError::File`], [`CompiledError::Length`]; the old file is there then.
pub fn write(path: &Path, policy: &Policy, grants: &[Grant]) -> Result<(), CompiledError> {
    crate::file::replace(path, 0o600, &encode(policy, grants)?).map_err(CompiledError::File)
}

/// Reads a compiled policy.
///
/// # Errors
/// [`CompiledError`].
pub fn read(path: &Path) -> Result<Compiled, CompiledError> {
    decode(open(path)?.deref())
}

/// Only how long to wait: what the helper has to know before it asks. The usual times where the file does not say.
#[must_use]
pub fn waits(path: &Path) -> Waits {
    let stored = |bytes: &[u8], at: usize| number(bytes, at).map(|ms| Duration::from_millis(ms.into()).min(MAX_WAIT));
    let read = || {
        let bytes = open(path).ok()?;
        check(&bytes).ok()?;
        Some(Waits { answer: stored(&bytes, 12)?, load: stored(&bytes, 16)? })
    };
    read().unwrap_or_default()
}

fn open(path: &Path) -> Result<impl Deref<Target = [u8]>, CompiledError> {
    kmod::linux::map(path).map_err(CompiledError::File)
}

/// The contents of a file whose header and checksum are right.
fn check(bytes: &[u8]) -> Result<&[u8], CompiledError> {
    let wrong = CompiledError::Length { found: bytes.len() };
    if bytes.get(..MAGIC.len()).is_some_and(|magic| magic != MAGIC) {
        return Err(CompiledError::Magic);
    }
    let (Some(version), Some(length), Some(stored)) = (number(bytes, 8), number(bytes, 20), number(bytes, 24)) else { return Err(wrong) };
    if version != VERSION {
        return Err(CompiledError::Version { found: version });
    }
    let contents = bytes.get(HEADER..).filter(|contents| u32::try_from(contents.len()) == Ok(length)).ok_or(wrong)?;
    let computed = checksum(bytes);
    if computed == stored { Ok(contents) } else { Err(CompiledError::Checksum { stored, computed }) }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Of all but the field that holds it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [bytes.get(..24), bytes.get(28..)] {
        hasher.update(part.unwrap_or_default());
    }
    hasher.finalize()
}
