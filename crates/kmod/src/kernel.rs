//! What user space asks of a kernel, whichever it is: the running Linux or a hosted one.

use std::path::Path;

use uapi::Errno;

use crate::name;

/// Whether the versions of a module have to fit the kernel (`-f`, `--force-vermagic`, `--force-modversion`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Force {
    /// Load although `vermagic` (classic: `kernel_version`) differs.
    pub vermagic: bool,
    /// Load although CRCs of symbols differ (Linux only: the classic rules never allow it).
    pub modversion: bool,
}

/// Which symbols of a module without `EXPORT_SYMBOL` entries become visible (classic insmod's `-X` and `-x`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Globals {
    /// All global symbols.
    #[default]
    Export,
    /// None.
    Hide,
}

/// Who may remove the module again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Stays until somebody removes it.
    #[default]
    Manual,
    /// Demand-loaded (`-k`): the autoclean pass may remove it.
    Autoclean,
}

/// How far an insertion goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// All the way.
    #[default]
    Load,
    /// All checks up to, but not including, `create_module` (classic insmod's `-p`).
    Poll,
    /// Everything but the calls that change the kernel: linked at a made-up base (classic insmod's `-n`). Hosted kernels only.
    Pretend,
}

/// A module to insert.
#[derive(Clone, Debug)]
pub struct Insert<'a> {
    /// The file; for messages, and for `finit_module(2)`.
    pub path: &'a Path,
    /// Internal name (`-o`); `None`: from the file.
    pub name: Option<&'a str>,
    /// Parameters, as words of a command line: `symbol=value`.
    pub parameters: &'a [String],
    /// Version checks to override.
    pub force: Force,
    /// Automatic exports.
    pub globals: Globals,
    /// Autoclean or not.
    pub lifetime: Lifetime,
    /// All the way or checks only.
    pub depth: Depth,
}

/// A loaded module, as a line of `/proc/modules` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Reference count (`None`: the kernel cannot unload).
    pub refcnt: Option<u64>,
    /// Modules that use it, in the kernel's order.
    pub holders: Vec<String>,
    /// `Live`, `Loading`, `Unloading`, or the hosted kernel's states.
    pub state: String,
    /// Flags in parentheses, such as `autoclean` or `OE`; empty if none.
    pub flags: String,
}

/// A kernel that modules can be inserted into and removed from.
pub trait Kernel {
    /// What goes wrong.
    type Error: std::error::Error;

    /// The release: the directory under `lib/modules`.
    ///
    /// # Errors
    /// Where the kernel cannot be asked.
    fn release(&mut self) -> Result<String, Self::Error>;

    /// The loaded modules, newest first.
    ///
    /// # Errors
    /// Where the kernel cannot be asked or its list cannot be read.
    fn modules(&mut self) -> Result<Vec<Loaded>, Self::Error>;

    /// Whether a module, by its name with underscores, is in the kernel and its start is over.
    ///
    /// # Errors
    /// Those of [`modules`](Self::modules).
    fn is_present(&mut self, module: &str) -> Result<bool, Self::Error> {
        let modules = self.modules()?;
        Ok(modules.iter().any(|loaded| name::from_word(&loaded.name) == module && loaded.state != "Loading"))
    }

    /// Inserts one module; its dependencies must be there. Answers warnings worth showing.
    ///
    /// # Errors
    /// With all facts about the refusal.
    fn insert(&mut self, request: &Insert<'_>) -> Result<Vec<String>, Self::Error>;

    /// Removes one module, without waiting.
    ///
    /// # Errors
    /// With all facts about the refusal.
    fn delete(&mut self, name: &str, force: Force) -> Result<(), Self::Error>;

    /// The error number behind an error, where the kernel gave one.
    fn errno(error: &Self::Error) -> Option<Errno>;

    /// The number of that error (positive, `errno(3)`): a module's start may answer any, also one that has no name here.
    fn number(error: &Self::Error) -> Option<i32> {
        Self::errno(error).map(Errno::number)
    }
}
