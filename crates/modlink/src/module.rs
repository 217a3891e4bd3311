//! What makes an object a kernel module: its start and end, the versions that it was compiled for, the symbols that it
//! takes and gives, and its parameters. The rules are those of Linux 2.0 and modutils (`insmod.c`), and the same for
//! `insmod` in user space and for a kernel that loads bytes itself.
//!
//! ```text
//! prepare(object, options, kernel symbols) -> Prepared    everything that can be refused before memory is asked for
//! Prepared::link(base, out) -> Linked                     the image, with its parameters set
//! ```

mod checksum;
mod exports;
mod modinfo;
mod names;
mod parameters;
mod prepare;
mod prototype;
mod release;
mod versions;

pub use checksum::{Checksums, SymbolName};
pub use exports::Export;
pub use modinfo::ModInfo;
pub use names::{KernelSymbol, KernelSymbols, Provider, Reference, Wanted};
pub use prepare::{Exports, Linked, Options, Prepared, prepare};
pub use prototype::prototype_crc;
pub use release::{Force, Warning};
pub use versions::Versions;
