//! The hosted kernel as a process: printk, kmalloc, VFS, block reads, interrupts and routes for modules.
//!
//! It is the first embedder of the `kernel` library, and uses nothing but its public interface. What modules may call is in
//! [`exports`] (declared in `modules/include/module.h`); what programs may ask for over the socket in [`request`]; the command
//! line is in [`cli`].
#![deny(unsafe_code)]

pub mod block;
pub mod cli;
pub mod ending;
pub mod error;
pub mod exports;
pub mod format;
pub mod host;
pub mod irq;
pub mod log;
pub mod memory;
pub mod options;
pub mod owner;
pub mod request;
pub mod route;
pub mod timer;
pub mod vfs;

pub use error::Error;
pub use host::{Host, Services};
pub use options::Options;
