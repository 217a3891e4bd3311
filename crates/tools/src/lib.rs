//! insmod, rmmod, lsmod, ksyms, modprobe, depmod, modinfo: one multi-call program.
//!
//! The command is chosen by the name that the program was called by (`insmod …`), or by the first word after one of its own
//! names (`modutils insmod …`, `kmod list`). Each command is one file with one definition, from which its parser, its help, its man
//! page and its completions come. This crate is the only place that prints or picks an exit status, which is 0 or 1.
#![forbid(unsafe_code)]

mod abbreviation;
mod applet;
mod console;
mod depmod;
pub mod descriptors;
mod getopt;
mod insmod;
mod kdstat;
mod ksyms;
mod lsmod;
mod manual;
mod modinfo;
mod modpost;
mod modprobe;
mod multicall;
mod paths;
mod request;
mod rmmod;
mod static_nodes;
mod syslog;
mod target;

pub use applet::{APPLETS, Applet};
pub use console::{Console, Failed, Outcome};
pub use multicall::run;
pub use target::{KernelOption, RootOption, Target};
