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
        let start = index(offset);
        let size = length(self.text.as_bytes().get(start..).unwrap_or_default());
        self.text.get(start..start.saturating_add(size)).unwrap_or("")
    }

    /// Whether the name at `offset` is `name`; cheaper than reading it.
    #[inline]
    pub(crate) fn is(&self, offset: u32, name: &str) -> bool {
        let tail = self.text.as_bytes().get(index(offset)..).unwrap_or_default();
        tail.strip_prefix(name.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(0)))
    }
}

/// The number of bytes before the first NUL: eight at a time, since names are short and many.
#[inline]
fn length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let mut before = 0_usize;
    for word in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        // The lowest set bit is in the first byte that is zero; what borrows do above it does not matter.
        let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
        if zeros != 0 {
            return before.saturating_add(index(zeros.trailing_zeros() / 8));
        }
        before = before.saturating_add(8);
    }
    let rest = bytes.get(before..).unwrap_or_default();
    before.saturating_add(rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::{FileTable, Strings, length};

    #[test]
    fn names_of_every_length_end_at_their_nul() {
        for size in 0..40 {
            let mut bytes = [b'x'; 64];
            bytes[size] = 0;
            assert_eq!(length(&bytes), size);
            assert_eq!(length(&bytes[..size]), size);
            bytes[..size].fill(0x80);
            assert_eq!(length(&bytes), size);
        }
    }

    #[test]
    fn names_start_where_characters_start() {
        let strings = Strings::new("\0a\u{e9}b\0".as_bytes(), FileTable::SymbolNames, 0);
        let strings = strings.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!([0, 1, 2, 3, 4, 5, 99].map(|at| strings.get(at)), ["", "a\u{e9}b", "\u{e9}b", "", "b", "", ""]);
        assert!(strings.is(1, "a\u{e9}b") && !strings.is(1, "a") && !strings.is(1, "a\u{e9}bc"));
        for bad in [&b"a"[..], b"\xff\0"] {
            assert!(Strings::new(bad, FileTable::SymbolNames, 3).is_err());
        }
    }
}
