//! Why the kernel says no: facts for the log, and the number for the caller.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use uapi::{Arena, Errno, ModuleName, NameError};

use crate::module::State;

/// A step that asks the operating system for something, named so that its failure can be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `/proc/self/maps` is read to find room for an arena.
    ReadMaps,
    /// Address space for an arena is reserved.
    ReserveArena,
    /// The memory of a module is made (`memfd_create(2)`).
    CreateMemory,
    /// The memory is given its size (`ftruncate(2)`).
    SizeMemory,
    /// The descriptor is copied for insmod.
    ShareMemory,
    /// The memory is sealed (`F_ADD_SEALS`).
    Seal,
    /// The sealed memory is opened again, read-only.
    Reopen,
    /// Contents are copied into private memory.
    Copy,
    /// A part is mapped where it runs.
    Map,
    /// The stack of a guarded call is made.
    Stack,
    /// The handlers of fault signals are set.
    Handler,
    /// The pair of sockets that ends the server is made (`socketpair(2)`).
    Wake,
    /// The channel of a daemon is made (`socketpair(2)`).
    Channel,
    /// A thread is started.
    Thread,
    /// The perf map is written.
    PerfMap,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReadMaps => "read the memory maps",
            Self::ReserveArena => "reserve address space for modules",
            Self::CreateMemory => "create the memory of the module",
            Self::SizeMemory => "size the memory of the module",
            Self::ShareMemory => "share the memory of the module",
            Self::Seal => "seal the memory of the module",
            Self::Reopen => "open the sealed memory again",
            Self::Copy => "copy the private parts of the module",
            Self::Map => "map the module",
            Self::Stack => "make a stack for module code",
            Self::Handler => "set the handlers of fault signals",
            Self::Wake => "make the sockets of the server",
            Self::Channel => "make a channel for kerneld",
            Self::Thread => "start a thread",
            Self::PerfMap => "write the perf map",
        })
    }
}

/// An entry point of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routine {
    /// `init_module`.
    Init,
    /// `cleanup_module`.
    Cleanup,
}

impl std::fmt::Display for Routine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Init => "init_module",
            Self::Cleanup => "cleanup_module",
        })
    }
}

/// What is wrong with a table of symbols and references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// More entries than a table may have.
    TooMany {
        /// Symbols in the table.
        symbols: usize,
        /// References in the table.
        references: usize,
    },
    /// A symbol name that cannot be shown.
    Symbol {
        /// Its place in the table.
        index: usize,
        /// What is wrong with it.
        error: NameError,
    },
    /// A reference to something that is no running module.
    Reference {
        /// The value that should have been the module's identity.
        value: u64,
    },
}

/// Everything that the kernel refuses or fails at.
#[derive(Debug)]
pub enum Error {
    /// The caller is neither root nor the kernel's own user.
    Privilege {
        /// Who asked.
        uid: u32,
    },
    /// The kernel is locked down.
    Lockdown,
    /// A module name that is no name.
    ModuleName {
        /// The name, cut to a length that can be shown.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// There is an entry of this name (the kernel itself has the empty one).
    Exists {
        /// The name.
        name: String,
    },
    /// No such module.
    NotFound {
        /// The name that was looked for.
        name: String,
    },
    /// The parts of an image make no sense, or are too large.
    Layout {
        /// The module.
        module: ModuleName,
        /// Which of the two.
        errno: Errno,
    },
    /// All modules together would need more memory than the kernel gives them.
    MemoryLimit {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that modules have.
        used: u64,
        /// Bytes that they may have.
        limit: u64,
    },
    /// No gap in the address space is large enough.
    ArenaFull {
        /// Where memory was wanted.
        arena: Arena,
        /// Bytes asked for.
        wanted: u64,
    },
    /// Too many modules.
    ModuleLimit {
        /// How many there may be.
        limit: usize,
    },
    /// The connection holds too many modules that it created and did not initialize.
    HalfMadeLimit {
        /// How many it may hold.
        limit: usize,
    },
    /// The module is in a state in which the call cannot be served.
    State {
        /// The module.
        module: ModuleName,
        /// Its state.
        state: State,
    },
    /// An entry point lies outside the code of the module.
    Routine {
        /// The module.
        module: ModuleName,
        /// Which one.
        routine: Routine,
        /// Its address.
        address: u64,
        /// Where the code of the module lies.
        text: Range<u64>,
    },
    /// The table of exports and references is not well formed.
    Table {
        /// The module.
        module: ModuleName,
        /// What is wrong.
        error: TableError,
    },
    /// The frame information is not well formed, or does not lie in a part that stays.
    EhFrame {
        /// The module.
        module: ModuleName,
        /// Where it should lie, relative to the base.
        offset: u64,
        /// Its size.
        size: u64,
    },
    /// The memory changed its size before it was sealed.
    Resized {
        /// Bytes that it had when it was made.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Somebody still has the memory mapped writable.
    StillMapped {
        /// The module.
        module: ModuleName,
    },
    /// Initialization said no.
    InitFailed {
        /// The module.
        module: ModuleName,
        /// What `init_module` returned.
        value: i32,
    },
    /// Module code trapped.
    Trapped {
        /// The fault.
        fault: crate::Fault,
    },
    /// The module is in use.
    InUse {
        /// The module.
        module: ModuleName,
        /// Its own count of users.
        users: i64,
        /// Calls into it that have not returned.
        calls: u64,
        /// Modules that refer to it.
        referrers: Vec<String>,
    },
    /// `query_module` about something that the kernel itself does not have.
    QueryKernel {
        /// The question.
        which: uapi::Query,
    },
    /// An address that belongs to no module.
    NoModuleAt {
        /// The address.
        address: u64,
    },
    /// All places for daemons are taken.
    TooManyDaemons {
        /// How many there are.
        limit: usize,
    },
    /// A kerneld message that cannot be queued.
    Message {
        /// Its type.
        mtype: u32,
        /// Bytes of its text.
        length: usize,
    },
    /// No embedder registered this request.
    NoRequest {
        /// Its name, cut to a length that can be shown.
        request: String,
    },
    /// An embedder's request said no, or panicked (`EIO`).
    Request {
        /// Its name.
        request: String,
        /// Its answer.
        errno: Errno,
    },
    /// The linker refused an object.
    Link {
        /// Its reason.
        reason: String,
    },
    /// An export of the embedder is not well formed.
    Export {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// Fault reports are only made on x86-64.
    OopsUnsupported,
    /// Another kernel serves this socket.
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The operating system said no.
    System {
        /// What was tried.
        step: Step,
        /// Its answer.
        error: io::Error,
    },
}

impl Error {
    /// What the system call answers.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Privilege { .. } | Self::Lockdown => Errno::EPERM,
            Self::ModuleName { error, .. } | Self::Export { error, .. } => error.errno(),
            Self::Exists { .. } => Errno::EEXIST,
            Self::NotFound { .. } => Errno::ENOENT,
            Self::Layout { errno, .. } | Self::Request { errno, .. } => *errno,
            Self::MemoryLimit { .. } | Self::ArenaFull { .. } | Self::ModuleLimit { .. } | Self::HalfMadeLimit { .. } => Errno::ENOMEM,
            Self::State { .. } | Self::StillMapped { .. } | Self::InitFailed { .. } | Self::Trapped { .. } | Self::InUse { .. } => {
                Errno::EBUSY
            }
            Self::Routine { .. }
            | Self::Table { .. }
            | Self::EhFrame { .. }
            | Self::Resized { .. }
            | Self::QueryKernel { .. }
            | Self::NoModuleAt { .. }
            | Self::Message { .. } => Errno::EINVAL,
            Self::TooManyDaemons { .. } => Errno::ENOSPC,
            Self::NoRequest { .. } | Self::OopsUnsupported => Errno::ENOSYS,
            Self::Link { .. } => Errno::ENOEXEC,
            Self::SocketInUse { .. } => Errno::EBUSY,
            Self::Socket { error, .. } | Self::System { error, .. } => match error.kind() {
                io::ErrorKind::PermissionDenied => Errno::EACCES,
                io::ErrorKind::NotFound => Errno::ENOENT,
                _ => error.raw_os_error().and_then(Errno::from_number).unwrap_or(Errno::ENOMEM),
            },
        }
    }

    /// Makes the error of a failed step.
    pub(crate) fn system(step: Step) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |error| Self::System { step, error: error.into() }
    }
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany { symbols, references } => write!(f, "rejecting illegal symbol table (n_symbols={symbols}, n_refs={references})"),
            Self::Symbol { index, error } => write!(f, "rejecting illegal symbol table (symbol {index}: {error})"),
            Self::Reference { value } => write!(f, "non-module reference {value:#x} rejected"),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Privilege { uid } => write!(f, "uid {uid} is neither root nor the kernel's own user"),
            Self::Lockdown => f.write_str("the kernel is locked down"),
            Self::ModuleName { name, error } => write!(f, "`{}` is no module name: {error}", name.escape_debug()),
            Self::Exists { name } if name.is_empty() => f.write_str("the empty name is the kernel's own"),
            Self::Exists { name } => write!(f, "`{name}` exists"),
            Self::NotFound { name } => write!(f, "no module `{}`", name.escape_debug()),
            Self::Layout { module, errno } => write!(f, "`{module}`: the parts of the image cannot be: {errno}"),
            Self::MemoryLimit { wanted, used, limit } => write!(f, "{wanted} bytes asked for, modules have {used} of {limit}"),
            Self::ArenaFull { arena, wanted } => write!(f, "no gap of {wanted} bytes is left in the {arena:?} arena"),
            Self::ModuleLimit { limit } => write!(f, "there are {limit} modules, and no more may be"),
            Self::HalfMadeLimit { limit } => write!(f, "the connection holds {limit} modules that it created and did not initialize"),
            Self::State { module, state } => write!(f, "`{module}` is {state}"),
            Self::Routine { module, routine, address, text } => {
                write!(f, "`{module}`: `{routine}` at {address:#x} is outside its code at {:#x}-{:#x}", text.start, text.end)
            }
            Self::Table { module, error } => write!(f, "`{module}`: {error}"),
            Self::EhFrame { module, offset, size } => write!(f, "`{module}`: no frame information in {size} bytes at offset {offset:#x}"),
            Self::Resized { expected, found } => write!(f, "the memory has {found} bytes instead of {expected}"),
            Self::StillMapped { module } => write!(f, "the memory of `{module}` is still mapped writable by somebody"),
            Self::InitFailed { module, value } => write!(f, "`init_module` of `{module}` returned {value}"),
            Self::Trapped { fault } => write!(f, "{fault}"),
            Self::InUse { module, users, calls, referrers } => {
                write!(f, "`{module}` is in use: {users} users, {calls} calls, referred to by [{}]", referrers.join(" "))
            }
            Self::QueryKernel { which } => write!(f, "the kernel has no {which:?}"),
            Self::NoModuleAt { address } => write!(f, "no module at {address:#x}"),
            Self::TooManyDaemons { limit } => write!(f, "{limit} daemons are attached, and no more may be"),
            Self::Message { mtype, length } => write!(f, "a message of type {mtype} with {length} bytes cannot be sent"),
            Self::NoRequest { request } => write!(f, "no request `{}`", request.escape_debug()),
            Self::Request { request, errno } => write!(f, "`{request}`: {errno}"),
            Self::Link { reason } => f.write_str(reason),
            Self::Export { name, error } => write!(f, "export `{}`: {error}", name.escape_debug()),
            Self::OopsUnsupported => f.write_str("fault reports are only made on x86-64"),
            Self::SocketInUse { path } => write!(f, "a kernel serves `{}` already", path.display()),
            Self::Socket { path, error } => write!(f, "cannot serve at `{}`: {error}", path.display()),
            Self::System { step, error } => write!(f, "cannot {step}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket { error, .. } | Self::System { error, .. } => Some(error),
            Self::ModuleName { error, .. } | Self::Export { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Text of unknown length, cut so that a line of the log stays a line.
pub(crate) fn shown(text: &str) -> String {
    let end = text.char_indices().nth(uapi::MAX_MODULE_NAME + 1).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default().to_owned()
}
