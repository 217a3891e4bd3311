//! The user-space view of modules: files, names, indexes, configuration, plans, and the two kernels they act on.
#![deny(unsafe_code)]

pub mod act;
pub mod closure;
pub mod config;
pub mod depmod;
pub mod error;
pub mod explain;
pub mod file;
pub mod glob;
pub mod graph;
pub mod hosted;
pub mod index;
pub mod info;
pub mod kernel;
pub mod lint;
pub mod linux;
pub mod lookup;
pub mod modpost;
pub mod name;
pub mod plan;
pub mod proc_modules;
pub mod symvers;
pub mod tree;
mod workers;

pub use error::{Error, Result};
