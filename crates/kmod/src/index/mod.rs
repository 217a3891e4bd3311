//! The index files of a module tree: `modules.dep`, `.alias`, `.softdep`, `.weakdep`, `.symbols`, `.devname`, `.builtin`, `.order`, and
//! the `.bin` form of some. One file here for each format, which reads and writes it.

pub mod alias;
pub mod builtin;
pub mod dep;
pub mod devname;
pub mod order;
pub(crate) mod pending;
pub mod softdep;
pub(crate) mod sort;
pub mod symbols;
pub mod trie;
pub mod weakdep;

pub use trie::{Trie, TrieWriter, Value};
