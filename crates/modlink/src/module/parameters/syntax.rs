//! The syntax of a parameter's values: words and quoted texts with commas between.

use alloc::{string::String, vec::Vec};
use core::{ops::RangeInclusive, str::Bytes};

use crate::{Error, Result};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Nothing between two commas.
    Empty,
    /// Text up to the next comma.
    Word(&'a str),
    /// What stood in quotes, with its escapes replaced.
    Quoted(Vec<u8>),
}

impl Value<'_> {
    /// The text of the value.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Word(word) => word.as_bytes(),
            Self::Quoted(text) => text,
        }
    }
}

/// The values in `text`, of the parameter `name`.
pub(super) fn values<'a>(name: &str, text: &'a str) -> Result<Vec<Value<'a>>> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, tail) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, tail) = unquote(name, quoted)?;
                if !tail.is_empty() && !tail.starts_with(',') {
                    return Err(Error::BadArgument { name: name.into(), value: rest.into() });
                }
                (Value::Quoted(text), tail)
            }
            None => match rest.split_at_checked(rest.find(',').unwrap_or(rest.len())) {
                Some(("", tail)) => (Value::Empty, tail),
                Some((word, tail)) => (Value::Word(word), tail),
                None => (Value::Empty, ""),
            },
        };
        values.push(value);
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(values),
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote<'a>(name: &str, quoted: &'a str) -> Result<(Vec<u8>, &'a str)> {
    let mut text = Vec::new();
    let mut bytes = quoted.bytes();
    loop {
        let byte = match bytes.next() {
            Some(b'"') => break,
            Some(b'\\') => escape(&mut bytes),
            byte => byte,
        };
        text.push(byte.ok_or_else(|| Error::UnterminatedString { name: name.into() })?);
    }
    let at = quoted.len().saturating_sub(bytes.len());
    // The closing quote is one byte, so a character starts behind it.
    Ok((text, quoted.get(at..).unwrap_or("")))
}

/// The byte that an escape stands for: those of C.
fn escape(bytes: &mut Bytes<'_>) -> Option<u8> {
    Some(match bytes.next()? {
        b'a' => 7,
        b'b' => 8,
        b'e' => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        digit @ b'0'..=b'7' => octal(digit, bytes),
        other => other,
    })
}

/// One to three octal digits, the first of which has been read.
fn octal(first: u8, bytes: &mut Bytes<'_>) -> u8 {
    let mut value = first - b'0';
    for _ in 0..2 {
        let mut ahead = bytes.clone();
        let Some(digit @ b'0'..=b'7') = ahead.next() else { break };
        value = value.wrapping_mul(8).wrapping_add(digit - b'0');
        *bytes = ahead;
    }
    value
}

/// A number in C's notation (`0x` hexadecimal, `0` octal, else decimal), with a sign or without.
pub(super) fn number(name: &str, word: &str, range: RangeInclusive<i128>) -> Result<i128> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let number = number.map(|number| i128::from(number) * sign).filter(|number| range.contains(number));
    number.ok_or_else(|| Error::BadArgument { name: name.into(), value: word.into() })
}

/// The truth of Linux' `kstrtobool`: 1, y, t or on; 0, n, f or off.
pub(super) fn truth(name: &str, value: &Value<'_>) -> Result<u8> {
    match value.bytes() {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => Ok(1),
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => Ok(0),
        other => Err(Error::BadArgument { name: name.into(), value: String::from_utf8_lossy(other).into_owned() }),
    }
}
