//! What depmod has to say besides its result.

use std::fmt;
use std::path::PathBuf;

use crate::text;

/// Something worth knowing that does not stop depmod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A file that the kernel build installs is not there.
    MissingInput {
        /// Its name.
        file: &'static str,
        /// Where it should be.
        directory: PathBuf,
    },
    /// A directory of an `external` line is not there.
    MissingDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// A module file could not be read or understood; it is listed without aliases, symbols and dependencies.
    BadModule {
        /// The file.
        path: PathBuf,
        /// Why, as text.
        reason: String,
    },
    /// A symbolic link that leads nowhere.
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// Two files of one name.
    Duplicate {
        /// The module.
        module: String,
        /// The file that counts.
        kept: String,
        /// The file that does not.
        ignored: String,
    },
    /// A device node without numbers.
    DevnameWithoutNumbers {
        /// The module.
        module: String,
        /// The node.
        node: String,
    },
    /// An alias, symbol or name that a `.bin` index cannot hold; the text index has it.
    BadKey {
        /// The key.
        key: String,
    },
    /// A symbol that neither a module nor the kernel has.
    UnknownSymbol {
        /// The module's file.
        path: PathBuf,
        /// The symbol.
        symbol: String,
    },
    /// A symbol whose checksum is not the one that a module was compiled against.
    VersionMismatch {
        /// The module's file.
        path: PathBuf,
        /// The symbol.
        symbol: String,
        /// What the module wants.
        wanted: u64,
        /// What the provider has.
        provided: u64,
    },
    /// A line of the configuration that was not understood.
    BadLine(crate::config::BadLine),
}

/// How grave a notice is: the tool's level words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only worth showing when asked to be verbose, or to look for duplicates.
    Detail,
    /// `WARNING`.
    Warning,
    /// `ERROR`.
    Error,
}

impl Notice {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Duplicate { .. } => Level::Detail,
            Self::BadModule { .. } | Self::DevnameWithoutNumbers { .. } | Self::MissingDirectory { .. } | Self::BadLine(_) => Level::Error,
            _ => Level::Warning,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingInput { file, directory } => {
                write!(f, "could not open {file} at {}: No such file or directory", text::of_path(directory))
            }
            Self::MissingDirectory { directory } => {
                write!(f, "could not open directory {}: No such file or directory", text::of_path(directory))
            }
            Self::BadModule { path, reason } => write!(f, "failed to load symbols from {}: {reason}", text::of_path(path)),
            Self::DanglingLink { path } => write!(f, "{} is a link that leads nowhere, ignored", text::of_path(path)),
            Self::Duplicate { module, kept, ignored } => write!(f, "duplicate module {module}: {kept} counts, {ignored} ignored"),
            Self::DevnameWithoutNumbers { module, node } => {
                write!(f, "Module '{module}' has devname ({node}) but lacks major and minor information. Ignoring.")
            }
            Self::BadKey { key } => write!(f, "`{}` cannot be stored in a .bin index", text::readable(key).escape_debug()),
            Self::UnknownSymbol { path, symbol } => write!(f, "{} needs unknown symbol {symbol}", text::of_path(path)),
            Self::VersionMismatch { path, symbol, .. } => write!(f, "{} disagrees about version of symbol {symbol}", text::of_path(path)),
            Self::BadLine(bad) => write!(f, "{}: ignoring bad line starting with '{}'", bad.place, bad.word),
        }
    }
}
