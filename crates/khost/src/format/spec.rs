//! Reading a format: literal text and conversions (`printf(3)`, "Format of the format string").

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that stands for itself.
    Literal(&'a [u8]),
    /// Something to be written from arguments.
    Conversion(Conversion),
}

/// A width or a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Not there.
    Absent,
    /// Digits in the format.
    Given(usize),
    /// `*`: the next `int` argument.
    Argument,
}

/// The flags that change how a number looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// `0`: pad with zeros.
    pub zero: bool,
    /// `+`: a sign always.
    pub plus: bool,
    /// Blank: room for a sign.
    pub blank: bool,
    /// `#`: `0x`, or a leading `0`.
    pub alternate: bool,
}

/// The size of an integer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// `hh`
    Byte,
    /// `h`
    Short,
    /// nothing
    Int,
    /// `l`, `ll`, `q`, `z`, `t`, `j`: all 8 bytes on the machines that run this.
    Long,
}

impl Size {
    /// The argument as a signed number of this size.
    pub(super) fn sign_extend(self, word: u64) -> i64 {
        let [a, b, c, d, ..] = word.to_le_bytes();
        match self {
            Self::Byte => i64::from(i8::from_le_bytes([a])),
            Self::Short => i64::from(i16::from_le_bytes([a, b])),
            Self::Int => i64::from(i32::from_le_bytes([a, b, c, d])),
            Self::Long => word.cast_signed(),
        }
    }

    /// The argument as an unsigned number of this size.
    pub(super) fn zero_extend(self, word: u64) -> u64 {
        match self {
            Self::Byte => word & 0xff,
            Self::Short => word & 0xffff,
            Self::Int => word & 0xffff_ffff,
            Self::Long => word,
        }
    }
}

/// The base of an unsigned number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Radix {
    /// `%o`
    Octal,
    /// `%u`
    Decimal,
    /// `%x`
    Hexadecimal,
    /// `%X`
    UpperHexadecimal,
}

/// What a conversion takes and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `%d`, `%i`
    Signed,
    /// `%u`, `%o`, `%x`, `%X`
    Unsigned(Radix),
    /// `%c`
    Character,
    /// `%s`
    Text,
    /// `%p`
    Pointer,
}

/// The letters and what they mean.
const KINDS: &[(u8, Kind)] = &[
    (b'd', Kind::Signed),
    (b'i', Kind::Signed),
    (b'u', Kind::Unsigned(Radix::Decimal)),
    (b'o', Kind::Unsigned(Radix::Octal)),
    (b'x', Kind::Unsigned(Radix::Hexadecimal)),
    (b'X', Kind::Unsigned(Radix::UpperHexadecimal)),
    (b'c', Kind::Character),
    (b's', Kind::Text),
    (b'p', Kind::Pointer),
];

/// The length modifiers, longest first.
const SIZES: &[(&[u8], Size)] = &[
    (b"hh", Size::Byte),
    (b"h", Size::Short),
    (b"ll", Size::Long),
    (b"l", Size::Long),
    (b"q", Size::Long),
    (b"z", Size::Long),
    (b"t", Size::Long),
    (b"j", Size::Long),
];

/// One conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    pub left: bool,
    pub flags: Flags,
    pub width: Field,
    pub precision: Field,
    pub size: Size,
    pub kind: Kind,
}

/// The first piece of `format` and what follows it; `None` at the end.
pub(super) fn next(format: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let (first, behind) = format.split_first()?;
    if *first != b'%' {
        let end = format.iter().position(|byte| *byte == b'%').unwrap_or(format.len());
        return Some((Piece::Literal(format.get(..end)?), format.get(end..)?));
    }
    if let Some(rest) = behind.strip_prefix(b"%") {
        return Some((Piece::Literal(b"%"), rest));
    }
    match conversion(behind) {
        Some((conversion, rest)) => Some((Piece::Conversion(conversion), rest)),
        None => Some((Piece::Literal(b"%"), behind)),
    }
}

/// Reads what follows a `%`.
fn conversion(text: &[u8]) -> Option<(Conversion, &[u8])> {
    let (mut rest, mut flags, mut left) = (text, Flags::default(), false);
    while let Some((byte, behind)) = rest.split_first() {
        match byte {
            b'-' => left = true,
            b'0' => flags.zero = true,
            b'+' => flags.plus = true,
            b' ' => flags.blank = true,
            b'#' => flags.alternate = true,
            _ => break,
        }
        rest = behind;
    }
    let (width, behind) = field(rest);
    let (precision, behind) = match behind.strip_prefix(b".") {
        None => (Field::Absent, behind),
        Some(digits) => match field(digits) {
            (Field::Absent, rest) => (Field::Given(0), rest),
            found => found,
        },
    };
    let (size, behind) =
        SIZES.iter().find_map(|(letters, size)| Some((*size, behind.strip_prefix(*letters)?))).unwrap_or((Size::Int, behind));
    let (letter, rest) = behind.split_first()?;
    let (_, kind) = KINDS.iter().find(|(known, _)| known == letter)?;
    Some((Conversion { left, flags, width, precision, size, kind: *kind }, rest))
}

/// Reads `*` or digits; too many digits count as the largest number.
fn field(text: &[u8]) -> (Field, &[u8]) {
    if let Some(rest) = text.strip_prefix(b"*") {
        return (Field::Argument, rest);
    }
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(count).unwrap_or((text, &[]));
    if digits.is_empty() {
        return (Field::Absent, rest);
    }
    let number = digits.iter().fold(0_usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    (Field::Given(number), rest)
}
