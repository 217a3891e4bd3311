//! Configuration: `modprobe.d`, `depmod.d` and the kernel command line.

pub mod cmdline;
pub mod depmod;
pub mod dirs;
mod lines;
pub mod modprobe;

pub use depmod::DepmodConfig;
pub use lines::{Place, words};
pub use modprobe::{BadLine, Config, LineFault, Origin, Rule, Sources, Surplus};
