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
        match tail.bytes().position(|byte| byte == 0) {
            Some(end) => tail.get(..end).unwrap_or(""),
            None => tail,
        }
    }

    /// Whether the name at `offset` is `name`; cheaper than reading it.
    #[inline]
    pub(crate) fn is(&self, offset: u32, name: &str) -> bool {
        let tail = self.text.as_bytes().get(index(offset)..).unwrap_or_default();
        tail.strip_prefix(name.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(0)))
    }
}
