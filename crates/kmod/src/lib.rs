//! The user-space view of modules: files, names, indexes, configuration, plans, and the two kernels they act on.
#![deny(unsafe_code)]

pub mod hosted;
pub mod kernel;
pub mod modpost;
pub mod proc_modules;
pub mod symvers;
