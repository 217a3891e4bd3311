//! a.out objects with magic 0407 (`OMAGIC`), as Linux 1.x and 2.0 loaded them (`<a.out.h>`).
//!
//! The machine byte of the header says whose code it is: 100 (`M_386`) or 0 for i386, and 157 (`MID_X86_64` of NetBSD)
//! for x86-64. Text, data and bss are addressed from 0 in this order, and their relocations are of 4 bytes, or, in
//! x86-64 objects, of 8. Names carry a leading `_` in the file, which reading drops and writing adds.

pub(crate) mod read;
mod records;
#[cfg(feature = "aout-write")]
mod write;

#[cfg(feature = "aout-write")]
pub use write::write;
