//! The hosted kernel as a process: printk, kmalloc, VFS, block reads, interrupts and routes for modules.
#![deny(unsafe_code)]

pub mod format;
pub mod log;
pub mod memory;
