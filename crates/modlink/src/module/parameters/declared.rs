//! Declarations of parameters in `.modinfo`: `parm_NAME=[min[-max]]T` (modutils since 2.1) and `parmtype=NAME:type`
//! (Linux since 2.6).

use core::ops::RangeInclusive;

use crate::{Error, Result, module::ModInfo};

/// What each value of a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of `size` bytes from `min` to `max`.
    Number {
        /// In bytes.
        size: u64,
        /// The smallest.
        min: i128,
        /// The largest.
        max: i128,
    },
    /// A truth, one byte.
    Bool,
    /// A pointer to a text.
    Pointer,
    /// An array of so many characters, or of as many as the variable has.
    Array(Option<u64>),
}

impl Kind {
    /// The size of one value in bytes.
    pub(super) fn size(self, pointer: u64) -> u64 {
        match self {
            Self::Number { size, .. } => size,
            Self::Bool => 1,
            Self::Pointer => pointer,
            Self::Array(size) => size.unwrap_or(0),
        }
    }

    /// A number of `bits` bits that may be written with or without a sign, as `strtoul` reads it.
    const fn loose(bits: u32) -> Self {
        Self::Number { size: (bits / 8) as u64, min: -(1 << (bits - 1)), max: (1 << bits) - 1 }
    }

    const fn signed(bits: u32) -> Self {
        Self::Number { size: (bits / 8) as u64, min: -(1 << (bits - 1)), max: (1 << (bits - 1)) - 1 }
    }

    const fn unsigned(bits: u32) -> Self {
        Self::Number { size: (bits / 8) as u64, min: 0, max: (1 << bits) - 1 }
    }
}

/// A declared parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) kind: Kind,
    /// The fewest values.
    pub(super) min: u64,
    /// The most values; without it, as many as the variable holds.
    pub(super) max: Option<u64>,
}

/// The prefix of modutils' declarations.
const PREFIX: &str = "parm_";

/// The key of Linux' declarations.
const TYPE: &str = "parmtype";

/// The words of Linux' `module_param` on a machine whose `long` has 64 bits.
const TYPES: [(&str, Kind); 14] = [
    ("byte", Kind::unsigned(8)),
    ("short", Kind::signed(16)),
    ("ushort", Kind::unsigned(16)),
    ("int", Kind::signed(32)),
    ("uint", Kind::unsigned(32)),
    ("hexint", Kind::unsigned(32)),
    ("long", Kind::signed(64)),
    ("ulong", Kind::unsigned(64)),
    ("ullong", Kind::unsigned(64)),
    ("bool", Kind::Bool),
    ("bint", Kind::signed(32)),
    ("charp", Kind::Pointer),
    ("string", Kind::Array(None)),
    ("char", Kind::loose(8)),
];

/// Whether a module declares parameters at all.
pub(super) fn any(info: ModInfo<'_>) -> bool {
    info.iter().any(|(key, _)| key == TYPE || key.starts_with(PREFIX))
}

/// The declaration of a parameter.
pub(super) fn find(info: ModInfo<'_>, name: &str) -> Result<Option<Declaration>> {
    let unknown = |declared: &str| Error::UnknownParameterType { name: name.into(), declared: declared.into() };
    for (key, value) in info.iter() {
        if key.strip_prefix(PREFIX) == Some(name) {
            return modutils(value).map(Some).ok_or_else(|| unknown(value));
        }
        if let Some(declared) = value.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).filter(|_| key == TYPE) {
            return linux(declared).map(Some).ok_or_else(|| unknown(declared));
        }
    }
    Ok(None)
}

/// `[min[-max]]T`, with T one of `b` byte, `h` short, `i` int, `l` long, `s` text, `cN` array of N characters.
fn modutils(value: &str) -> Option<Declaration> {
    let letter = value.find(|c: char| c != '-' && !c.is_ascii_digit())?;
    let (counts, kind) = value.split_at_checked(letter)?;
    let counts = counts_of(counts)?;
    let kind = match kind.split_at_checked(1)? {
        ("b", "") => Kind::loose(8),
        ("h", "") => Kind::loose(16),
        ("i", "") => Kind::loose(32),
        ("l", "") => Kind::loose(64),
        ("s", "") => Kind::Pointer,
        ("c", size) => Kind::Array(Some(size.parse().ok()?)),
        _ => return None,
    };
    Some(Declaration { kind, min: *counts.start(), max: Some(*counts.end()) })
}

fn counts_of(text: &str) -> Option<RangeInclusive<u64>> {
    Some(match text.split_once('-') {
        None if text.is_empty() => 1..=1,
        None => text.parse().map(|count| count..=count).ok()?,
        Some((min, max)) => min.parse().ok()?..=max.parse().ok()?,
    })
}

fn linux(declared: &str) -> Option<Declaration> {
    let (word, max) = match declared.strip_prefix("array of ") {
        Some(word) => (word, None),
        None => (declared, Some(1)),
    };
    let &(_, kind) = TYPES.iter().find(|(name, _)| *name == word)?;
    Some(Declaration { kind, min: 1, max })
}
