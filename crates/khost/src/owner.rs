//! Which module something belongs to.

use uapi::ModuleName;

/// The address of a module's `mod_use_count_`: what identifies it as long as its memory is mapped, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UseCount(pub u64);

/// A module that owns something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name, for people.
    pub name: ModuleName,
    /// Its identity.
    pub use_count: UseCount,
}
