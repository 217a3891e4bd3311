//! The system calls of the hosted kernel and their replies.

use serde::{Deserialize, Serialize};

use crate::{MemoryLayout, ModuleState, SymbolTable};

/// Where the memory of a module has to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arena {
    /// Within reach (2 GiB) of the host's own text: ELF modules.
    Near,
    /// Below 4 GiB: a.out modules, whose relocations have 4 bytes.
    Low,
}

/// The addresses of a module's entry points (`struct mod_routines`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routines {
    /// `init_module`: must lie in the text or the init text of the module.
    pub init: u64,
    /// `cleanup_module`: must lie in the text of the module.
    pub cleanup: u64,
}

/// A symbol as `get_kernel_syms` shows it (`struct kernel_sym`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSym {
    /// Its address, or its value for an absolute one; of a `#name` marker: the module's identity.
    pub value: u64,
    /// Its name.
    pub name: String,
}

/// What `init_module` is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitModule {
    /// The name that `create_module` got.
    pub name: String,
    /// Entry points.
    pub routines: Routines,
    /// Whether the module may be removed by the autoclean pass (bit 0x40000000 of the classic `codesize`; insmod's `-k`).
    pub autoclean: bool,
    /// Whether insmod overrode a difference of releases (`-f`): the kernel is tainted `F`.
    pub forced: bool,
    /// Exports and references; `None` where there are none.
    pub table: Option<SymbolTable>,
    /// Frame information (`.eh_frame`) relative to the base: offset and size in bytes, terminator included.
    pub eh_frame: Option<(u64, u64)>,
    /// The object file with `sh_addr` set to run addresses, for debuggers; empty where none is attached or wanted.
    #[serde(with = "crate::wire::bytes")]
    pub debug_object: Vec<u8>,
}

/// The `which` of `query_module(2)` (Linux 2.1.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// 0: is the call there?
    Probe,
    /// `QM_MODULES`: all names, newest first.
    Modules,
    /// `QM_DEPS`: the modules that this one uses.
    Deps,
    /// `QM_REFS`: the modules that use this one.
    Refs,
    /// `QM_SYMBOLS`: its symbols.
    Symbols,
    /// `QM_INFO`: address, size, flags, use count.
    Info,
}

/// `struct module_info` of `QM_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// Run address of the image.
    pub address: u64,
    /// Bytes in memory that stay after initialization.
    pub size: u64,
    /// State.
    pub state: ModuleState,
    /// May the autoclean pass remove it?
    pub autoclean: bool,
    /// Was it used since the last pass?
    pub visited: bool,
    /// Number of users, flags masked off.
    pub users: u64,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryAnswer {
    /// `Probe`.
    Present,
    /// `Modules`, `Deps`, `Refs`.
    Names(Vec<String>),
    /// `Symbols`.
    Symbols(Vec<KernelSym>),
    /// `Info`.
    Info(ModuleInfo),
    /// The caller's buffer is too small: `ENOSPC`, and the bytes that it would need.
    NoSpace {
        /// Bytes needed.
        needed: u64,
    },
}

/// The texts that the kernel offers for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcFile {
    /// `/proc/modules` with the columns of today's Linux (`name size refcnt users, state address (flags)`).
    Modules,
    /// `/proc/modules` as Linux 2.0 printed it, byte for byte.
    ModulesClassic,
    /// `/proc/ksyms`.
    Ksyms,
    /// The kernel log, as `dmesg` shows it (the embedder supplies it; empty if it does not).
    Kmsg,
    /// Memory maps of the kernel's process that belong to modules: `start-end perms name part`.
    ModuleMaps,
}

/// What a kernel says of itself (`uname(2)` and what insmod must know before it links).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uname {
    /// Name of the kernel, such as `khost`.
    pub sysname: String,
    /// Release: the directory under `lib/modules`, and what `kernel_version` of a module is compared with.
    pub release: String,
    /// Machine, such as `x86_64`.
    pub machine: String,
    /// Process id of the kernel.
    pub pid: u32,
    /// Whether loaded code is shown to debuggers, so that insmod sends `debug_object`.
    pub debugger: bool,
    /// Taint flags, as letters (`D`: module code trapped; `F`: a module was forced).
    pub taint: String,
}

/// A request to the hosted kernel. `*` = needs root or the kernel's own user, else `EPERM`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Syscall {
    /// Who are you?
    Uname,
    /// `*` `create_module(2)`: memory for a module that is not there yet. Answer: [`Reply::Created`] with a descriptor of the memory.
    CreateModule {
        /// Internal name.
        name: String,
        /// Its parts.
        layout: MemoryLayout,
        /// Where it has to lie.
        arena: Arena,
    },
    /// `*` `init_module(2)`: seal, map, run `init`.
    InitModule(InitModule),
    /// `*` `delete_module(2)`; `None` runs the autoclean pass.
    DeleteModule {
        /// The module.
        name: Option<String>,
    },
    /// `get_kernel_syms(2)`: [`Reply::KernelSyms`].
    GetKernelSyms,
    /// `query_module(2)`.
    QueryModule {
        /// The module; `None` is the kernel itself.
        name: Option<String>,
        /// What is asked.
        which: Query,
        /// The caller's buffer in bytes, as `ENOSPC` is answered by it.
        buffer: u64,
    },
    /// Reads a text: [`Reply::Text`].
    ReadProc(ProcFile),
    /// `*` `msgget(2)` with `IPC_KERNELD`: attach as a daemon. Answer: [`Reply::Channel`] with a SEQPACKET descriptor
    /// (see [`crate::kerneld`]). The daemon is registered as long as that descriptor is open.
    KerneldOpen,
    /// `*` Sends a message to kerneld as the kernel itself does (`kerneld_send` of Linux 2.0; `kdstat` lives from it).
    /// Answer: [`Reply::Kerneld`].
    KerneldSend {
        /// Type: see [`crate::kerneld::Request`].
        mtype: u32,
        /// Text without NUL.
        text: String,
        /// Wait for the reply?
        wait: bool,
    },
    /// A request that the embedder of the kernel registered under this name (khost: `mount`, `umount`, …).
    Embedder {
        /// Registered name.
        request: String,
        /// Its argument, in a form of the embedder's.
        #[serde(with = "crate::wire::bytes")]
        body: Vec<u8>,
    },
}

/// What the kernel answers where it does not answer with an [`Errno`](crate::Errno).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// To `Uname`.
    Uname(Uname),
    /// To `CreateModule`; a descriptor of the memory (`layout.size()` bytes, to be mapped shared and writable, and unmapped
    /// before `InitModule`) travels with it.
    Created {
        /// Where the image will run.
        base: u64,
    },
    /// To `GetKernelSyms`.
    KernelSyms(Vec<KernelSym>),
    /// To `QueryModule`.
    Query(QueryAnswer),
    /// To `ReadProc`.
    Text(String),
    /// To `KerneldOpen`; the channel's descriptor travels with it.
    Channel,
    /// To `KerneldSend`.
    Kerneld {
        /// 0, the exit status of the helper (> 0), or a negative error number, as `kerneld_send` returned it.
        status: i32,
        /// Output of the helper, if it gave some.
        text: String,
    },
    /// To `Embedder`.
    Embedder(#[serde(with = "crate::wire::bytes")] Vec<u8>),
}
