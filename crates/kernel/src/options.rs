//! How a kernel is built: the choices of its embedder.

/// Whether the kernel's exports carry checksums (`CONFIG_MODVERSIONS` of Linux 2.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modversions {
    /// Plain names.
    #[default]
    Off,
    /// Names carry `_R` and eight hex digits, and the first symbol is `Using_Versions` with value 1.
    On,
}

/// What happens when module code traps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oops {
    /// The process dies of the signal, as any program does.
    #[default]
    Off,
    /// The fault is reported, the call is abandoned, the module is marked dead. A diagnostic, not a protection: see the crate's
    /// documentation. Only on x86-64.
    Diagnose,
}

/// Whether debuggers are told of loaded code (gdb's JIT interface).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gdb {
    /// They are not.
    #[default]
    Off,
    /// Debug objects that insmod sends are registered, and code of modules is mapped privately instead of shared, so that a
    /// debugger can set breakpoints in it. (It is never writable and executable at once then either, but the process itself could
    /// make it writable.)
    Register,
}

/// Whether `/tmp/perf-PID.map` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PerfMap {
    /// It is not.
    #[default]
    Off,
    /// Symbols of each module are appended when it is initialized.
    Write,
}

/// Whether frame information of modules is registered with the unwinder of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unwind {
    /// It is not.
    #[default]
    Off,
    /// `.eh_frame` is registered (`__register_frame`): backtraces and exceptions cross module code.
    Register,
}

/// Whether the kernel takes modules at all (`securelevel` of Linux 2.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lockdown {
    /// It does.
    #[default]
    Off,
    /// Every load and unload is refused with `EPERM`, for the life of the kernel.
    On,
}

/// Whether the sender of a kerneld message waits for the reply (`KERNELD_WAIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No reply is wanted.
    No,
    /// Wait; one second for a daemon to take the message, then without limit.
    Reply,
}

/// Bounds on what peers can make the kernel hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory that all modules together may have.
    pub memory: u64,
    /// Modules in the list, half-made ones included.
    pub modules: usize,
    /// Modules that one connection may have created and not yet initialized.
    pub half_made: usize,
    /// Connections that a server keeps at once.
    pub connections: usize,
    /// Connections of one user that may only read.
    pub readers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, modules: 4096, half_made: 16, connections: 512, readers: 64 }
    }
}
