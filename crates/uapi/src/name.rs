//! Names of modules and symbols, checked once where they enter.

use serde::{Deserialize, Serialize};

use crate::Errno;

/// Longest module name in bytes: `MOD_MAX_NAME` of Linux 2.0 is 64 with the terminating NUL.
pub const MAX_MODULE_NAME: usize = 63;

/// Longest symbol name in bytes. Linux 2.0 had 60; C++ and Rust names are longer.
pub const MAX_SYMBOL_NAME: usize = 4096;

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// More bytes than a name may have.
    TooLong {
        /// How many there were.
        length: usize,
    },
    /// A byte that no name may hold.
    BadByte {
        /// The byte.
        byte: u8,
    },
}

impl NameError {
    /// What a system call answers: `E2BIG` for a long name (`create_module` of Linux 2.0), else `EINVAL`.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Self::TooLong { .. } => Errno::E2BIG,
            Self::Empty | Self::BadByte { .. } => Errno::EINVAL,
        }
    }
}

impl std::fmt::Display for NameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong { length } => write!(f, "the name has {length} bytes, which is too many"),
            Self::BadByte { byte } => write!(f, "the name holds `{}`", byte.escape_ascii()),
        }
    }
}

impl std::error::Error for NameError {}

/// The name of a module: 1 to 63 bytes of `[A-Za-z0-9_.+-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModuleName(String);

impl ModuleName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_MODULE_NAME {
            return Err(NameError::TooLong { length: name.len() });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
        match name.bytes().find(|byte| !allowed(*byte)) {
            Some(byte) => Err(NameError::BadByte { byte }),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ModuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the name of a symbol in a table that user space sends: 1 to 4,096 bytes, none of them a control byte or a blank
/// (a line of `/proc/ksyms` must stay one line of two columns), and no `#`, which marks modules in `get_kernel_syms(2)`.
///
/// # Errors
/// [`NameError`] says what is wrong with it.
pub fn check_symbol_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_SYMBOL_NAME {
        return Err(NameError::TooLong { length: name.len() });
    }
    match name.bytes().find(|byte| byte.is_ascii_control() || *byte == b' ' || *byte == b'#') {
        Some(byte) => Err(NameError::BadByte { byte }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ModuleName, NameError, check_symbol_name};

    #[test]
    fn module_names_have_the_classic_limits() {
        assert!(ModuleName::new("vfat").is_ok());
        assert!(ModuleName::new(&"x".repeat(63)).is_ok());
        assert_eq!(ModuleName::new(&"x".repeat(64)), Err(NameError::TooLong { length: 64 }));
        assert_eq!(ModuleName::new(""), Err(NameError::Empty));
        assert_eq!(ModuleName::new("a/b"), Err(NameError::BadByte { byte: b'/' }));
        assert_eq!(ModuleName::new("a\nb"), Err(NameError::BadByte { byte: b'\n' }));
    }

    #[test]
    fn symbol_names_keep_a_line_of_ksyms_whole() {
        assert!(check_symbol_name("_ZN4core3fmt5write17h0123456789abcdefE").is_ok());
        for bad in ["", "a b", "a\tb", "#fat", &"x".repeat(4097)] {
            assert!(check_symbol_name(bad).is_err(), "{bad:?}");
        }
    }
}
