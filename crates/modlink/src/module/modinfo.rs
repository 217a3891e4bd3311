//! `.modinfo`: what a module says about itself, as `key=value` texts that end in NUL (modutils since 2.1).

use core::str;

use crate::Object;

/// The `key=value` texts of a module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModInfo<'a> {
    bytes: &'a [u8],
}

impl<'a> ModInfo<'a> {
    /// The texts of an object; none if it has no `.modinfo`.
    #[must_use]
    pub fn of(object: &Object<'a>) -> Self {
        Self::new(object.section(".modinfo").unwrap_or_default())
    }

    /// The texts in the bytes of a `.modinfo` section.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// All pairs in the order of the section. Texts that are not UTF-8 or have no `=` are no pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let texts = self.bytes.split(|&byte| byte == 0);
        texts.filter_map(|text| str::from_utf8(text).ok()?.split_once('='))
    }

    /// Every value of `key`.
    pub fn all<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.iter().filter(move |&(name, _)| name == key).map(|(_, value)| value)
    }

    /// The first value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.all(key).next()
    }
}
