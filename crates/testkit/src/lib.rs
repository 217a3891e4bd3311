//! Dev-only: a world (small root, kernel, tool path), fixtures, comparisons.
#![forbid(unsafe_code)]

pub mod compare;
mod compile;
pub mod debian;
pub mod guest;
pub mod modules;
mod outcome;
mod programs;
mod world;

pub use compile::MODULE_FLAGS;
pub use outcome::Outcome;
pub use programs::{Programs, workspace};
pub use world::{RELEASE, World, eventually};
