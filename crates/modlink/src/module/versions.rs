//! `__versions`: the checksums of the symbols that a module uses (`struct modversion_info` of `<linux/module.h>`).

use core::str;

use crate::{Error, Machine, Object, Result};

/// The size of a record in bytes, on every machine.
const RECORD: usize = 64;

/// The checksums that a module was compiled with, by symbol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Versions<'a> {
    records: &'a [[u8; RECORD]],
    /// The size of the checksum's field, an `unsigned long`.
    long: usize,
}

impl<'a> Versions<'a> {
    /// The records of an object; none if it has no `__versions`.
    ///
    /// # Errors
    ///
    /// [`Error::BadVersions`] if the section is no whole number of records.
    pub fn of(object: &Object<'a>) -> Result<Self> {
        let section = object.section("__versions").unwrap_or_default();
        let long = match object.machine() {
            Machine::X86_64 => 8,
            Machine::I386 => 4,
        };
        match section.as_chunks() {
            (records, []) => Ok(Self { records, long }),
            _ => Err(Error::BadVersions { size: section.len() as u64 }),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Each symbol with its checksum; a record whose name is not UTF-8 names no symbol.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, u32)> + use<'a> {
        let long = self.long;
        self.records.iter().filter_map(move |record| {
            let (crc, name) = record.split_at_checked(long)?;
            let name = name.split(|&byte| byte == 0).next()?;
            // The checksum has 32 bits; where `long` has more, the rest is zero.
            Some((str::from_utf8(name).ok()?, u32::from_le_bytes(*crc.first_chunk()?)))
        })
    }

    /// The checksum of a symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<u32> {
        self.iter().find(|&(name, _)| name == symbol).map(|(_, crc)| crc)
    }
}
