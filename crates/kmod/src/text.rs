//! Text that came as bytes and has to leave as the same bytes.
//!
//! To Linux names of files, values of parameters and lines of configuration are bytes. Nearly always they are UTF-8, and this library
//! handles them as text. A byte that is no part of UTF-8 is held as one character of its own, U+10FF80 to U+10FFFF for 0x80 to 0xFF: so
//! it can be compared, split and stored like any other, and [`to_bytes`] gives it back. Those 128 characters, which no alphabet uses,
//! are themselves taken in byte by byte, so that every input comes back as it was.
//!
//! ```
//! use kmod::text;
//! let held = text::of_bytes(b"name=\xfcml\xe4ut");
//! assert_eq!(held.split_once('=').map(|(key, _)| key), Some("name"));
//! assert_eq!(&*text::to_bytes(&held), b"name=\xfcml\xe4ut");
//! assert_eq!(text::readable(&held), "name=\u{fffd}ml\u{fffd}ut");
//! ```

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::Serializer;

/// The character that would stand for the byte 0.
const BASE: u32 = 0x0010_ff00;

/// The first byte of such a character in UTF-8. Few other texts have it at all.
const LEAD: u8 = 0xf4;

/// The character that holds a byte.
fn held(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character holds, if it holds one.
fn byte_of(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character).checked_sub(BASE)?).ok()?;
    (!byte.is_ascii()).then_some(byte)
}

/// Whether a text may hold bytes.
fn may_hold(bytes: &[u8]) -> bool {
    bytes.contains(&LEAD)
}

/// Takes bytes in.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !may_hold(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if byte_of(character).is_some() {
                let mut room = [0; 4];
                text.extend(character.encode_utf8(&mut room).bytes().map(held));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(held));
    }
    Cow::Owned(text)
}

/// The bytes that were taken in.
#[must_use]
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !may_hold(text.as_bytes()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        let mut room = [0; 4];
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut room).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// [`to_bytes`] of a text that is not needed any more.
#[must_use]
pub fn into_bytes(text: String) -> Vec<u8> {
    if may_hold(text.as_bytes()) { to_bytes(&text).into_owned() } else { text.into_bytes() }
}

/// [`of_bytes`] of an argument, a variable or a file name.
#[must_use]
pub fn of_os(word: &OsStr) -> Cow<'_, str> {
    of_bytes(word.as_bytes())
}

/// [`to_bytes`] for the system.
#[must_use]
pub fn to_os(text: &str) -> OsString {
    OsString::from_vec(to_bytes(text).into_owned())
}

/// [`of_bytes`] of a path.
#[must_use]
pub fn of_path(path: &Path) -> Cow<'_, str> {
    of_os(path.as_os_str())
}

/// [`to_bytes`] as a path.
#[must_use]
pub fn to_path(text: &str) -> Cow<'_, Path> {
    match to_bytes(text) {
        Cow::Borrowed(bytes) => Cow::Borrowed(Path::new(OsStr::from_bytes(bytes))),
        Cow::Owned(bytes) => Cow::Owned(PathBuf::from(OsString::from_vec(bytes))),
    }
}

/// The text with U+FFFD for each held byte, for whoever needs valid text and no bytes: JSON.
#[must_use]
pub fn readable(text: &str) -> Cow<'_, str> {
    if !may_hold(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if byte_of(c).is_some() { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

/// Serializes a path as its text.
pub(crate) fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&of_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let cases: [&[u8]; 7] = [
            b"",
            b"plain",
            "größe".as_bytes(),
            b"\xff\xfe",
            b"a\xc3(\xf4\x8f",
            // What a held byte looks like from outside, whole and cut.
            "\u{10ff80}\u{10ffff}x\u{10ff7f}".as_bytes(),
            b"\xf4\x8f\xbe\x80\xf4\x8f\xbe",
        ];
        for bytes in cases.into_iter().chain([all.as_slice()]) {
            let text = of_bytes(bytes);
            assert_eq!(&*to_bytes(&text), bytes, "{text:?}");
            assert_eq!(into_bytes(text.clone().into_owned()), bytes);
            assert!(readable(&text).chars().all(|c| byte_of(c).is_none()));
        }
        assert!(matches!(of_bytes("größe".as_bytes()), Cow::Borrowed(_)), "text is not copied");
    }

    #[test]
    fn different_bytes_are_different_texts() {
        let mut seen = std::collections::HashSet::new();
        for first in 0..=255u8 {
            for second in 0..=255 {
                assert!(seen.insert(of_bytes(&[first, second]).into_owned()));
            }
        }
    }

    /// Bytes are one character each wherever UTF-8 is broken, so that splitting a text never splits a byte.
    #[test]
    fn random_bytes_come_back() {
        let mut state = 7u64;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..8 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let [_, _, _, _, a, b, ..] = state.to_le_bytes();
                bytes.push([a, 0xf4, 0x8f, 0xbe | (a & 1), 0x80 | a, b, b'x', 0xc3][usize::from(b & 7)]);
            }
            assert_eq!(&*to_bytes(&of_bytes(&bytes)), bytes);
        }
    }
}
