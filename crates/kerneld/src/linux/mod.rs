//! kerneld on Linux: sees, decides, loads and explains what the running kernel asks for.
//!
//! One file per command, each a `clap` definition and what it does; [`cli`] is the table of them.

mod allow;
mod classes;
pub mod cli;
mod coldplug;
pub mod control;
pub mod evidence;
mod install;
mod learn;
pub mod leases;
mod log;
mod mountinfo;
mod policy;
mod root;
mod run;
mod status;
mod surface;
mod top;
pub mod uevents;
mod why;

pub use run::{Engine, Kernels, ModuleLock, ModuleLocks, Running, Teller};

pub use cli::{command, is_command, run};
