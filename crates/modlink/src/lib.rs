//! Links relocatable objects (ELF and a.out) into an image that is right at a given base.
//!
//! ```text
//! bytes --Object::parse--> Object --layout--> Layout --link(base, symbols, out)--> Image
//!          all checks                 the plan           every reference applied
//! ```
//!
//! The crate knows bytes and numbers only: no file name, no pointer, no clock. [`Layout::link`] computes with the
//! [`Addr`] it is given and never with the address of its output buffer, so an image can be written in one process for
//! another one, and the same object at the same base with the same symbols gives the same bytes.
//!
//! Accepted objects: ELF64 for x86-64, ELF32 for i386, and a.out `OMAGIC` holding code of either machine. ELF64 records
//! are borrowed from the input as they are; the other two formats are transcoded into them when they are read, so one
//! checking pass ([`Object::layout`]) and one applying pass ([`Layout::link`]) serve all three.
//!
//! ```no_run
//! use modlink::{Addr, LayoutOptions, Object};
//!
//! fn load(bytes: &[u8], base: Addr, puts: Addr) -> modlink::Result<(Vec<u8>, Option<Addr>)> {
//!     let object = Object::parse(bytes)?;
//!     let layout = object.layout(&LayoutOptions::default())?;
//!     let mut out = vec![0; layout.size() as usize];
//!     let image = layout.link(base, |name| (name == "puts").then_some(puts), &mut out)?;
//!     let start = image.symbol("init_module");
//!     Ok((out, start))
//! }
//! ```
//!
//! [`module`] is the second floor: what makes an object a kernel module.
#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;

mod addr;
pub mod aout;
mod debug;
mod error;
mod howto;
mod image;
mod index;
mod layout;
mod link;
pub mod module;
mod object;

pub use addr::Addr;
pub use debug::PlacedFunction;
pub use error::{Error, FileTable, Limits, Remedy, Result, Site, WrongVersion};
pub use image::{Image, PlacedSection, PlacedSymbol};
pub use index::{IndexFull, NameIndex};
pub use layout::{Buffer, Import, Layout, LayoutOptions, Part, Parts, Relax, UseCount};
pub use object::{Binding, Format, Machine, Object, Symbol, SymbolIndex, SymbolKind, SymbolPlace, Visibility};
