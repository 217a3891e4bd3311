//! The boundary of the hosted kernel: system calls, replies, errno, kerneld messages and their wire form.
//!
//! User space (`insmod`, `kerneld`, any client) and the hosted kernel meet here and nowhere else. Every request that crosses the
//! kernel's socket is a [`Syscall`], every answer is `Result<Reply, Errno>`. The names and numbers are those of the classic calls
//! (`create_module(2)`, `init_module(2)`, `delete_module(2)`, `get_kernel_syms(2)`, `query_module(2)`) of Linux 2.0 and 2.1.
#![forbid(unsafe_code)]

mod client;
mod errno;
pub mod kerneld;
mod memory;
mod module;
mod name;
mod syscall;
pub mod wire;

pub use client::{Client, ClientError, KERNEL_VARIABLE};
pub use errno::Errno;
pub use memory::{MAX_IMAGE_SIZE, MemoryLayout, PAGE_SIZE, Part, PartRange};
pub use module::{AUTOCLEAN, ModuleState, SymbolTable, USERS_MASK, VISITED, kernel_syms};
pub use name::{MAX_MODULE_NAME, MAX_SYMBOL_NAME, ModuleName, NameError, check_symbol_name};
pub use syscall::{Arena, InitModule, KernelSym, ModuleInfo, ProcFile, Query, QueryAnswer, Reply, Routines, Syscall, Uname};
