//! The relocations of x86-64 code in an a.out container, under the numbers of their x86-64 psABI relatives.
//!
//! i386 code in a.out uses the i386 table: both formats wrap at 32 bits.

use super::{Fit, Formula, Howto, Table, by_number};

/// The types by number.
///
/// A 4-byte field does not say whether the machine extends it with zeros or with the sign, so only an address that
/// reads the same both ways, below 2 GiB, is stored.
pub(super) static TABLE: Table = by_number(&[
    (1, Howto::new("a.out 8-byte", Formula::Absolute, 8, Fit::Wrap)),
    (2, Howto::new("a.out 4-byte relative", Formula::Relative, 4, Fit::Signed)),
    (10, Howto::new("a.out 4-byte", Formula::Absolute, 4, Fit::Both)),
    (24, Howto::new("a.out 8-byte relative", Formula::Relative, 8, Fit::Wrap)),
]);
