//! The `.modinfo` section: `key=value` texts, each ended by a zero byte (Linux `include/linux/moduleparam.h`).

use std::borrow::Cow;
use std::ffi::CStr;

use crate::text;

/// The texts of a `.modinfo` section, or of one module in `modules.builtin.modinfo`.
#[derive(Debug, Clone, Default)]
pub struct Modinfo {
    bytes: Vec<u8>,
}

/// One text of a [`Modinfo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// What stands before the first `=`.
    pub key: &'a [u8],
    /// What stands behind it; usually, but not always, UTF-8.
    pub value: &'a [u8],
}

impl Modinfo {
    /// Takes the bytes of the section.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// All texts in the order of the file. Padding between them is skipped; a text without `=` has an empty value.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        fields(&self.bytes)
    }

    /// The values of one key, in the order of the file; see [`text`] for those that are not UTF-8.
    ///
    /// ```
    /// let info = kmod::file::Modinfo::new(b"license=GPL\0alias=fs-vfat\0alias=fs-msdos\0".to_vec());
    /// assert_eq!(info.values("alias").collect::<Vec<_>>(), ["fs-vfat", "fs-msdos"]);
    /// ```
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.fields().filter(move |f| f.key == key.as_bytes()).map(|f| text::of_bytes(f.value))
    }

    /// The first value of one key.
    #[must_use]
    pub fn value<'a>(&'a self, key: &'a str) -> Option<Cow<'a, str>> {
        self.values(key).next()
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The texts of a section, as [`Modinfo::fields`].
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        while rest.first() == Some(&0) {
            rest = rest.get(1..).unwrap_or_default();
        }
        if rest.is_empty() {
            return None;
        }
        // Word by word, where a closure over bytes would look at each; the last text may lack its zero byte.
        let text = CStr::from_bytes_until_nul(rest).map_or(rest, CStr::to_bytes);
        rest = rest.get(text.len()..).unwrap_or_default();
        let (key, value) = match text.iter().position(|&b| b == b'=') {
            Some(end) => (text.get(..end), text.get(end + 1..)),
            None => (Some(text), None),
        };
        Some(Field { key: key.unwrap_or_default(), value: value.unwrap_or_default() })
    })
}
