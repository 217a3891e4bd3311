//! What `printk` and `sprintf` make of a format and its arguments (`printf(3)`, without floating point).
//!
//! Nothing here touches memory of a module: arguments and strings come through [`Arguments`], text goes to a [`Sink`]. It
//! allocates nothing and takes no lock, so that a bad pointer in an argument can be a fault of the caller and no more.

mod convert;
mod spec;

use spec::{Conversion, Field, Kind, Piece, Radix};

/// Where the arguments of a format come from.
pub trait Arguments {
    /// The next integer or pointer argument, as the 8 bytes that the calling convention passes.
    fn word(&mut self) -> u64;

    /// Hands `sink` the bytes at `address` up to a NUL, at most `limit` of them.
    fn text(&mut self, address: u64, limit: usize, sink: &mut dyn FnMut(&[u8]));
}

/// A buffer that keeps as much as fits and counts the rest.
#[derive(Debug)]
pub struct Sink<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Sink<'a> {
    /// An empty sink over `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.buffer.get_mut(self.length..).unwrap_or_default();
        let fits = room.len().min(bytes.len());
        if let (Some(to), Some(from)) = (room.get_mut(..fits), bytes.get(..fits)) {
            to.copy_from_slice(from);
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    /// Appends one byte `count` times.
    pub fn fill(&mut self, byte: u8, count: usize) {
        let room = self.buffer.get_mut(self.length..).unwrap_or_default();
        let fits = room.len().min(count);
        if let Some(to) = room.get_mut(..fits) {
            to.fill(byte);
        }
        self.length = self.length.saturating_add(count);
    }

    /// Bytes that all of the text has, whether they fitted or not.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The bytes that fitted.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.length.min(self.buffer.len())).unwrap_or_default()
    }
}

/// Most bytes that a width or a precision may ask for: a format of a few bytes must not cost gigabytes.
const MAX_FIELD: usize = 4096;

/// Longest string that `%s` follows without a precision.
const MAX_TEXT: usize = 64 << 10;

/// Writes `format` with `arguments` to `sink`. Unknown conversions are written as they stand and use no argument.
pub fn format(format: &[u8], arguments: &mut dyn Arguments, sink: &mut Sink<'_>) {
    let mut rest = format;
    while let Some((piece, behind)) = spec::next(rest) {
        rest = behind;
        match piece {
            Piece::Literal(bytes) => sink.push(bytes),
            Piece::Conversion(conversion) => write(&conversion, arguments, sink),
        }
    }
}

/// Writes one conversion.
fn write(conversion: &Conversion, arguments: &mut dyn Arguments, sink: &mut Sink<'_>) {
    let (width, left) = match conversion.width {
        Field::Absent => (0, conversion.left),
        Field::Given(width) => (width, conversion.left),
        Field::Argument => {
            let width = int_argument(arguments);
            (width.unsigned_abs() as usize, conversion.left || width < 0)
        }
    };
    let precision = match conversion.precision {
        Field::Absent => None,
        Field::Given(precision) => Some(precision.min(MAX_FIELD)),
        Field::Argument => usize::try_from(int_argument(arguments)).ok().map(|precision| precision.min(MAX_FIELD)),
    };
    let shape = convert::Shape { width: width.min(MAX_FIELD), left, precision, flags: conversion.flags };
    match conversion.kind {
        Kind::Signed => convert::signed(conversion.size.sign_extend(arguments.word()), &shape, sink),
        Kind::Unsigned(radix) => convert::unsigned(conversion.size.zero_extend(arguments.word()), radix, &shape, sink),
        Kind::Character => {
            let byte = arguments.word().to_le_bytes()[0];
            convert::padded(&[byte], &shape, sink);
        }
        Kind::Pointer => match arguments.word() {
            0 => convert::padded(b"(nil)", &shape, sink),
            address => convert::unsigned(address, Radix::Hexadecimal, &shape.alternate(), sink),
        },
        Kind::Text => text(arguments, &shape, sink),
    }
}

/// An `int` argument, as `*` takes one.
fn int_argument(arguments: &mut dyn Arguments) -> i32 {
    let [a, b, c, d, ..] = arguments.word().to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// `%s`: measured first, so that the padding can go before it.
fn text(arguments: &mut dyn Arguments, shape: &convert::Shape, sink: &mut Sink<'_>) {
    let address = arguments.word();
    let limit = shape.precision.unwrap_or(MAX_TEXT);
    if address == 0 {
        let null: &[u8] = b"(null)";
        return convert::padded(null.get(..limit.min(null.len())).unwrap_or_default(), shape, sink);
    }
    let mut length = 0_usize;
    arguments.text(address, limit, &mut |bytes| length = length.saturating_add(bytes.len()));
    let padding = shape.width.saturating_sub(length);
    if !shape.left {
        sink.fill(b' ', padding);
    }
    arguments.text(address, limit, &mut |bytes| sink.push(bytes));
    if shape.left {
        sink.fill(b' ', padding);
    }
}

#[cfg(test)]
mod tests;
