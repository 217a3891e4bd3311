//! Why an object could not be made a module.

use std::fmt;

/// A failure of [`super::modpost`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no 64-bit little-endian ELF object, or damaged.
    Elf {
        /// What the reader says.
        reason: String,
    },
    /// It is a program or library and not a relocatable object.
    NotRelocatable {
        /// `e_type`.
        kind: u16,
    },
    /// It has no symbol table.
    NoSymbols,
    /// It is a module already: another run would contradict the first.
    AlreadyModule {
        /// What shows it: a section, or a key of `.modinfo`.
        sign: &'static str,
    },
    /// No symbol versions are known of what it uses.
    Unversioned {
        /// The symbols.
        symbols: Vec<String>,
    },
    /// The prototypes of its exports are not pairs of name and text.
    Prototypes {
        /// The last name, which has no prototype.
        symbol: String,
    },
    /// A value for `.modinfo` holds a NUL byte.
    BadValue {
        /// Its key.
        key: &'static str,
    },
    /// The result would not fit the file format.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf { reason } => write!(f, "not a 64-bit little-endian elf object: {reason}"),
            Self::NotRelocatable { kind } => write!(f, "not a relocatable object: its type is {kind}"),
            Self::NoSymbols => f.write_str("the object has no symbol table"),
            Self::AlreadyModule { sign } => write!(f, "the object is a module already: it has `{sign}`"),
            Self::Unversioned { symbols } => write!(f, "no version is known of `{}`", symbols.join("`, `")),
            Self::Prototypes { symbol } => write!(f, "section `__kproto` names `{symbol}` without a prototype"),
            Self::BadValue { key } => write!(f, "the value of `{key}` holds a NUL byte"),
            Self::TooLarge => f.write_str("the module would be too large for its format"),
        }
    }
}

impl std::error::Error for Error {}
