//! The hosted kernel as a process: printk, kmalloc, VFS, block reads, interrupts and routes for modules.
#![deny(unsafe_code)]

pub mod block;
pub mod format;
pub mod irq;
pub mod log;
pub mod memory;
pub mod owner;
pub mod route;
pub mod vfs;
