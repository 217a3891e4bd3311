//! What can go wrong when module files, indexes and configuration are read or written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::text;

/// Result of this library's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with the facts that explain it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file system operation failed.
    Io {
        /// What was being done.
        action: IoAction,
        /// To which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A module file is not what it should be.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The bytes begin like neither an ELF object nor a classic a.out object.
    NotAnObject,
    /// An ELF identification byte has a value that the gABI does not define.
    BadIdent {
        /// Index in `e_ident`.
        index: usize,
        /// The byte found.
        found: u8,
    },
    /// A structure reaches past the end of the file.
    Truncated {
        /// The structure.
        part: Part,
        /// Where it begins, in bytes.
        offset: u64,
        /// How long it should be, in bytes.
        size: u64,
        /// Length of the file, in bytes.
        file_size: u64,
    },
    /// A number in a structure contradicts the rest of the file.
    BadValue {
        /// The structure.
        part: Part,
        /// The number.
        found: u64,
    },
    /// Bytes that should be text are not.
    NotText {
        /// The structure that holds them.
        part: Part,
    },
    /// A compressed file could not be decompressed.
    Decompress {
        /// The format, as its magic bytes say.
        format: crate::file::Compression,
        /// The decoder's complaint.
        source: io::Error,
    },
    /// A compressed file would become larger than a module can be.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// An index file does not begin with the magic number of the format.
    BadIndexMagic {
        /// The number found.
        found: u32,
    },
    /// An index file has a major version that this reader does not know.
    BadIndexVersion {
        /// The version found, major in the upper half.
        found: u32,
    },
    /// The nodes of an index point into each other in a circle.
    IndexLoop,
    /// An index key holds a byte that the format cannot store.
    BadIndexKey {
        /// The key.
        key: String,
    },
    /// A pattern has a `[` without its `]`, or the other way round.
    UnmatchedBracket {
        /// The pattern.
        pattern: String,
    },
    /// A release or version does not begin with two numbers and a dot.
    BadRelease {
        /// The text.
        release: String,
    },
    /// Modules need each other in a circle.
    Cycles {
        /// Each circle: names in the order of need, the first repeated at the end.
        cycles: Vec<Vec<String>>,
        /// Number of modules that take part.
        modules: usize,
    },
    /// No module, alias, symbol or command goes by this name.
    NotFound {
        /// The name as given.
        name: String,
        /// The directory of the tree.
        directory: PathBuf,
    },
    /// An install or remove command failed.
    Command {
        /// The command line.
        command: String,
        /// Its exit status, `None` if a signal ended it.
        status: Option<i32>,
    },
    /// A rule of the configuration forbids the module.
    Forbidden {
        /// The module.
        module: String,
        /// The pattern of the rule.
        pattern: String,
        /// Where the rule stands, `FILE:LINE`.
        place: String,
    },
    /// The module is in use and cannot be removed.
    InUse {
        /// The module.
        module: String,
        /// The modules that use it; empty if something else does.
        holders: Vec<String>,
    },
    /// The module is built into the kernel.
    Builtin {
        /// The module.
        module: String,
    },
    /// The module is not loaded.
    NotLoaded {
        /// The module.
        module: String,
    },
    /// The module is already in the kernel.
    AlreadyLoaded {
        /// The module.
        module: String,
    },
    /// A line of the kernel's module list makes no sense.
    BadModuleList {
        /// The line.
        line: String,
    },
    /// The kernel refused a request.
    Refused {
        /// The module.
        module: String,
        /// The kernel's answer, an errno of `errno(3)`.
        errno: i32,
    },
}

/// A file system operation, for [`Error::Io`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoAction {
    /// Opening a file or directory.
    Open,
    /// Reading.
    Read,
    /// Writing or creating.
    Write,
    /// Making written bytes durable.
    Sync,
    /// Moving a finished file into place.
    Rename,
    /// Removing.
    Remove,
    /// Running a program.
    Run,
}

/// A structure of a file, for [`Error::Truncated`] and its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The ELF file header.
    ElfHeader,
    /// The table of section headers.
    SectionHeaders,
    /// The name of a section.
    SectionName,
    /// The contents of a section.
    SectionData,
    /// The symbol table.
    Symbols,
    /// A string table.
    Strings,
    /// The `.modinfo` section.
    Modinfo,
    /// The `__versions` section or its extended successors.
    Versions,
    /// The block of the appended signature.
    Signature,
    /// The header of an a.out object.
    AoutHeader,
    /// The header of an index file.
    IndexHeader,
    /// A node of an index file.
    IndexNode,
    /// A value in an index file.
    IndexValue,
    /// A line of `modules.dep`.
    DepLine,
    /// The state file of an incremental run.
    ScanCache,
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(action: IoAction, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// Wraps `self` with the module file in which it was found.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            already @ (Self::File { .. } | Self::Io { .. }) => already,
            other => Self::File { path: path.to_path_buf(), source: Box::new(other) },
        }
    }

    /// The errno of `errno(3)` that says most nearly the same: what a C library would return.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            Self::File { source, .. } => source.errno(),
            Self::NotFound { .. } | Self::NotLoaded { .. } => libc::ENOENT,
            Self::AlreadyLoaded { .. } => libc::EEXIST,
            Self::InUse { .. } => libc::EBUSY,
            Self::Forbidden { .. } => libc::EPERM,
            Self::Refused { errno, .. } => *errno,
            Self::TooLarge { .. } => libc::EFBIG,
            Self::Command { .. } | Self::Builtin { .. } => libc::EINVAL,
            _ => libc::ENOEXEC,
        }
    }
}

/// The text of `strerror(3)` for an error of the system, without the number that Rust adds.
#[must_use]
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// The same for an error number.
#[must_use]
pub fn errno_text(errno: i32) -> String {
    os_text(&io::Error::from_raw_os_error(errno))
}

impl fmt::Display for IoAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Run => "run",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ElfHeader => "elf header",
            Self::SectionHeaders => "section headers",
            Self::SectionName => "section name",
            Self::SectionData => "section",
            Self::Symbols => "symbol table",
            Self::Strings => "string table",
            Self::Modinfo => "`.modinfo` section",
            Self::Versions => "version table",
            Self::Signature => "signature block",
            Self::AoutHeader => "a.out header",
            Self::IndexHeader => "index header",
            Self::IndexNode => "index node",
            Self::IndexValue => "index value",
            Self::DepLine => "line of `modules.dep`",
            Self::ScanCache => "saved scan",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "cannot {action} `{}`: {}", text::of_path(path), os_text(source)),
            Self::File { path, source } => write!(f, "`{}`: {source}", text::of_path(path)),
            Self::NotAnObject => f.write_str("neither an elf nor an a.out object"),
            Self::BadIdent { index, found } => write!(f, "byte {index} of the elf identification is {found}"),
            Self::Truncated { part, offset, size, file_size } => {
                write!(f, "the {part} at offset {offset} with {size} bytes reaches past the end of the file at {file_size}")
            }
            Self::BadValue { part, found } => write!(f, "the {part} holds the impossible number {found}"),
            Self::NotText { part } => write!(f, "the {part} holds bytes that are not text"),
            Self::Decompress { format, source } => write!(f, "cannot decompress as {format}: {}", os_text(source)),
            Self::TooLarge { limit } => write!(f, "decompresses to more than {limit} bytes"),
            Self::BadIndexMagic { found } => write!(f, "not an index: the magic number is {found:#010x}"),
            Self::BadIndexVersion { found } => write!(f, "index version {}.{} is not known", found >> 16, found & 0xffff),
            Self::IndexLoop => f.write_str("the nodes of the index form a circle"),
            Self::BadIndexKey { key } => write!(f, "index key `{}` is not 7-bit text", key.escape_debug()),
            Self::UnmatchedBracket { pattern } => write!(f, "unmatched bracket in `{pattern}`"),
            Self::BadRelease { release } => write!(f, "`{release}` is not a kernel release"),
            Self::Cycles { cycles, modules } => {
                for cycle in cycles {
                    writeln!(f, "cycle: {}", cycle.join(" -> "))?;
                }
                write!(f, "{modules} modules need each other in circles")
            }
            Self::NotFound { name, directory } => write!(f, "module `{name}` not found in `{}`", text::of_path(directory)),
            Self::Command { command, status: Some(code) } => write!(f, "command `{command}` exited with status {code}"),
            Self::Command { command, status: None } => write!(f, "command `{command}` was ended by a signal"),
            Self::Forbidden { module, pattern, place } => write!(f, "module `{module}` is forbidden by `forbid {pattern}` ({place})"),
            Self::InUse { module, holders } if holders.is_empty() => write!(f, "module `{module}` is in use"),
            Self::InUse { module, holders } => write!(f, "module `{module}` is in use by: {}", holders.join(" ")),
            Self::Builtin { module } => write!(f, "module `{module}` is built into the kernel"),
            Self::NotLoaded { module } => write!(f, "module `{module}` is not loaded"),
            Self::AlreadyLoaded { module } => write!(f, "module `{module}` is already in the kernel"),
            Self::BadModuleList { line } => write!(f, "line `{}` of the module list makes no sense", line.escape_debug()),
            Self::Refused { module, errno } => write!(f, "the kernel refused module `{module}`: {}", errno_text(*errno)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Decompress { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
