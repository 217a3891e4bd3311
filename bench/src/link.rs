//! `bench link`: how long loaders take for the same work, and how much memory.

mod child;
mod elf_loader;
mod floor;
mod jitlink;
mod kmod_loader;
mod linker;
mod modlink;
mod native;
mod run;
mod shared;
mod subject;
mod verdict;

pub use child::{Answer, Task, measure as child};
pub use jitlink::fetch;
pub use run::{Options, run};
