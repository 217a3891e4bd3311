//! A string table: names that end in NUL, addressed by their first byte.

use crate::{Error, FileTable, Result, addr::index};

/// A checked string table: UTF-8, and empty or ending in NUL, so that every name in it ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strings<'a> {
    text: &'a str,
}

impl<'a> Strings<'a> {
    /// Checks the bytes of a table, which belong to `table` in section `section`.
    pub(crate) fn new(bytes: &'a [u8], table: FileTable, section: u32) -> Result<Self> {
        match (core::str::from_utf8(bytes), bytes.last()) {
            (Ok(text), None | Some(0)) => Ok(Self { text }),
            _ => Err(Error::BadTable { table, section }),
        }
    }

    /// The size of the table in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The name at `offset`; empty where no name starts.
    #[inline]
    pub(crate) fn get(&self, offset: u32) -> &'a str {
        let Some(tail) = self.text.get(index(offset)..) else { return "" };
        tail.get(..length(tail.as_bytes())).unwrap_or("")
    }

    /// Whether the name at `offset` is `name`; cheaper than reading it.
    #[inline]
    pub(crate) fn is(&self, offset: u32, name: &str) -> bool {
        let tail = self.text.as_bytes().get(index(offset)..).unwrap_or_default();
        tail.strip_prefix(name.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(0)))
    }
}

/// How many bytes come before the first NUL.
#[inline]
fn length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (word, before) in words.iter().zip((0..).step_by(8)) {
        // The lowest byte whose highest bit stays is the first NUL (subtracting borrows from bytes behind it only).
        let word = u64::from_le_bytes(*word);
        let nuls = word.wrapping_sub(ONES) & !word & HIGHEST;
        if nuls != 0 {
            return before + index(nuls.trailing_zeros() / 8);
        }
    }
    let words = bytes.len() - rest.len();
    rest.iter().position(|byte| *byte == 0).map_or(bytes.len(), |at| words + at)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn names_end_at_the_first_nul() {
        for total in 0..40 {
            for end in 0..=total {
                let mut bytes: Vec<u8> = (0..total).map(|at| if at < end { 0x80 | at } else { 0 }).collect();
                assert_eq!(length(&bytes), usize::from(end), "{bytes:x?}");
                bytes.iter_mut().skip(usize::from(end) + 1).for_each(|byte| *byte = 1);
                assert_eq!(length(&bytes), usize::from(end), "{bytes:x?}");
            }
        }
    }
}
