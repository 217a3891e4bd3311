//! Dev-only: a world (small root, kernel, tool path), fixtures, comparisons.
#![forbid(unsafe_code)]

mod compile;
mod outcome;
mod programs;
mod world;

pub use compile::MODULE_FLAGS;
pub use outcome::Outcome;
pub use programs::{Programs, workspace};
pub use world::{RELEASE, World, eventually};
