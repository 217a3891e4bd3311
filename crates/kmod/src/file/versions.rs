//! Checksums of the prototypes a module was compiled against: the classic `__versions` and its extended form.
//!
//! A `__versions` record is 64 bytes: the checksum in a word of the machine, then the name. Linux 6.14 added
//! `__version_ext_crcs` (32-bit numbers) and `__version_ext_names` (texts ended by zero bytes) for names that do not fit.

use super::elf::Elf;
use super::symbols::until_zero;
use crate::{Result, text};

/// Size of a classic record, in bytes.
const RECORD: usize = 64;

/// One symbol of a module's version table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Name of the symbol.
    pub name: String,
    /// Checksum.
    pub crc: u64,
}

/// The extended table if there is one, else the classic one: the kernel prefers them in this order too.
pub(super) fn versions(elf: &Elf<'_>) -> Result<Vec<Version>> {
    let extended = extended(elf)?;
    if extended.is_empty() { classic(elf) } else { Ok(extended) }
}

fn classic(elf: &Elf<'_>) -> Result<Vec<Version>> {
    let table = elf.data_of("__versions")?;
    let entries = table.chunks_exact(RECORD).filter_map(|record| {
        let crc = elf.machine.word(record, 0)?;
        let name = until_zero(record.get(elf.machine.word_size()..)?);
        let name = name.strip_prefix(b".").unwrap_or(name);
        Some(Version { name: text::of_bytes(name).into_owned(), crc })
    });
    Ok(entries.collect())
}

fn extended(elf: &Elf<'_>) -> Result<Vec<Version>> {
    let names = elf.data_of("__version_ext_names")?;
    let crcs = elf.data_of("__version_ext_crcs")?;
    let crcs = crcs.chunks_exact(4).filter_map(|c| elf.machine.order.u32(c, 0));
    let names = names.split(|&b| b == 0).filter(|n| !n.is_empty());
    Ok(names.zip(crcs).map(|(n, crc)| Version { name: text::of_bytes(n).into_owned(), crc: crc.into() }).collect())
}
