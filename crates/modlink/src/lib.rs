//! Links relocatable objects (ELF and a.out) into an image that is right at a given base.
#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;

mod index;

pub use index::NameIndex;
