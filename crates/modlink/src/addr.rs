//! Where code and data run.

use core::fmt;

/// An address in the space in which an image runs, in bytes; never the place where its bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u64);

impl Addr {
    /// This address plus `offset` bytes, modulo 2^64 as the psABI computes.
    #[must_use]
    pub const fn offset(self, offset: u64) -> Self {
        Self(self.0.wrapping_add(offset))
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A file's 32-bit count or index as an index of a Rust slice.
pub(crate) const fn index(number: u32) -> usize {
    const { assert!(usize::BITS >= u32::BITS) };
    number as usize
}

/// `value` rounded up to a multiple of `align`, a power of two; nothing when that overflows.
pub(crate) fn round_up(value: u64, align: u64) -> Option<u64> {
    let mask = align.checked_sub(1)?;
    Some(value.checked_add(mask)? & !mask)
}
