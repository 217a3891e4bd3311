//! Numbers and texts in their fields.

use super::Sink;
use super::spec::{Flags, Radix};

/// Room for the digits of 64 bits in base 8.
const MAX_DIGITS: usize = 22;

/// How a value is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Least bytes.
    pub width: usize,
    /// Pad behind, with blanks.
    pub left: bool,
    /// Least digits of a number, most bytes of a text.
    pub precision: Option<usize>,
    /// The other flags.
    pub flags: Flags,
}

impl Shape {
    /// The same with `#`, as `%p` has it.
    pub(super) fn alternate(self) -> Self {
        Self { flags: Flags { alternate: true, ..self.flags }, ..self }
    }
}

/// Writes bytes, padded with blanks.
pub(super) fn padded(bytes: &[u8], shape: &Shape, sink: &mut Sink<'_>) {
    let padding = shape.width.saturating_sub(bytes.len());
    if !shape.left {
        sink.fill(b' ', padding);
    }
    sink.push(bytes);
    if shape.left {
        sink.fill(b' ', padding);
    }
}

/// Writes `%d`.
pub(super) fn signed(value: i64, shape: &Shape, sink: &mut Sink<'_>) {
    let sign: &[u8] = match value {
        ..0 => b"-",
        _ if shape.flags.plus => b"+",
        _ if shape.flags.blank => b" ",
        _ => b"",
    };
    number(value.unsigned_abs(), Radix::Decimal, sign, shape, sink);
}

/// Writes `%u`, `%o`, `%x`, `%X`.
pub(super) fn unsigned(value: u64, radix: Radix, shape: &Shape, sink: &mut Sink<'_>) {
    let prefix: &[u8] = match radix {
        Radix::Hexadecimal if shape.flags.alternate && value != 0 => b"0x",
        Radix::UpperHexadecimal if shape.flags.alternate && value != 0 => b"0X",
        _ => b"",
    };
    number(value, radix, prefix, shape, sink);
}

/// A number: blanks, sign or prefix, zeros, digits, blanks.
fn number(value: u64, radix: Radix, prefix: &[u8], shape: &Shape, sink: &mut Sink<'_>) {
    let mut space = [0_u8; MAX_DIGITS];
    let digits = digits(value, radix, &mut space);
    let mut least = shape.precision.unwrap_or(1);
    if matches!(radix, Radix::Octal) && shape.flags.alternate {
        least = least.max(digits.len().saturating_add(1));
    }
    if let (None, true, false) = (shape.precision, shape.flags.zero, shape.left) {
        least = least.max(shape.width.saturating_sub(prefix.len()));
    }
    let zeros = least.saturating_sub(digits.len());
    let padding = shape.width.saturating_sub(prefix.len().saturating_add(zeros).saturating_add(digits.len()));
    if !shape.left {
        sink.fill(b' ', padding);
    }
    sink.push(prefix);
    sink.fill(b'0', zeros);
    sink.push(digits);
    if shape.left {
        sink.fill(b' ', padding);
    }
}

/// The digits of a value, none for 0 (the least number of digits supplies it).
fn digits(value: u64, radix: Radix, space: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let (base, letters): (u64, &[u8; 16]) = match radix {
        Radix::Octal => (8, b"0123456789abcdef"),
        Radix::Decimal => (10, b"0123456789abcdef"),
        Radix::Hexadecimal => (16, b"0123456789abcdef"),
        Radix::UpperHexadecimal => (16, b"0123456789ABCDEF"),
    };
    let (mut value, mut start) = (value, MAX_DIGITS);
    for (at, place) in space.iter_mut().enumerate().rev() {
        if value == 0 {
            break;
        }
        let digit = usize::try_from(value % base).unwrap_or(0);
        *place = letters.get(digit).copied().unwrap_or(b'?');
        value /= base;
        start = at;
    }
    space.get(start..).unwrap_or_default()
}
