//! The user-space view of modules: files, names, indexes, configuration, plans, and the two kernels they act on.
#![deny(unsafe_code)]

pub mod kernel;
