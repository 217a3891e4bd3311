//! What both sides know of a module: its state, the flags in its use count, the table that insmod sends.

use serde::{Deserialize, Serialize};

use crate::KernelSym;

/// Flag in the use count word: the module was loaded on demand (`MOD_AUTOCLEAN`, Linux 2.0 `include/linux/module.h`).
pub const AUTOCLEAN: u64 = 0x4000_0000;

/// Flag in the use count word: the module was used since the last autoclean pass (`MOD_VISITED`).
pub const VISITED: u64 = 0x2000_0000;

/// The bits of the use count word that count users.
pub const USERS_MASK: u64 = !(AUTOCLEAN | VISITED);

/// The state of a module (`MOD_UNINITIALIZED`, `MOD_RUNNING`, `MOD_DELETED` of Linux 2.0), and the one that a fault adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModuleState {
    /// Memory is there, initialization has not succeeded (yet).
    Uninitialized,
    /// Initialization returned 0.
    Running,
    /// Cleanup has run; the entry waits until nothing holds it.
    Deleted,
    /// Its code trapped. It is never run again and stays in memory.
    Dead,
}

/// The table of exports and references that insmod hands to `init_module`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolTable {
    /// What the module exports, in table order.
    pub symbols: Vec<KernelSym>,
    /// The modules that it uses: for each one the value of its `#name` marker in `get_kernel_syms`.
    pub references: Vec<u64>,
}

/// Helpers of the marker convention of `get_kernel_syms(2)`: `#name` opens a module's symbols, `#` those of the kernel.
pub mod kernel_syms {
    /// The module that a marker names (empty for the kernel), or `None` where the entry is a symbol.
    #[must_use]
    pub fn marker(name: &str) -> Option<&str> {
        name.strip_prefix('#')
    }
}
