//! The functions that modules call: the only `unsafe` code of khost.
//!
//! They are called by native code with whatever arguments that code has. Pointers are used as C functions use them, so a bad
//! one traps; the trap is the module's (it runs in a guarded call), provided that nothing of the host is locked at that moment.
//! So each of these functions first copies what it needs out of the module's memory, and only then takes a lock.
#![allow(unsafe_code)]

mod block;
mod file_system;
mod layout;
mod lock;
mod memory;
mod module;
mod print;
mod string;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod va_list;

pub use block::release_buffers;
pub use memory::release_memory;
pub use table::{Export, table};
pub use time::tick;
