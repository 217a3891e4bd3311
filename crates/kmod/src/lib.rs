//! The user-space view of modules: files, names, indexes, configuration, plans, and the two kernels they act on.
#![deny(unsafe_code)]

pub mod config;
pub mod depmod;
pub mod error;
pub mod file;
pub mod glob;
pub mod hosted;
pub mod index;
pub mod kernel;
pub mod linux;
pub mod modpost;
pub mod name;
pub mod proc_modules;
pub mod symvers;
mod workers;

pub use error::{Error, Result};
