//! Making the records of formats that are transcoded.

use ::object::{I64, LittleEndian as LE, U64, elf};

use super::Rela;

/// A relocation with an explicit addend.
pub(crate) fn relocation(offset: u64, symbol: u32, kind: u32, addend: i64) -> Rela {
    Rela {
        r_offset: U64::new(LE, offset),
        r_info: Rela::r_info(LE, false, symbol, elf::RelocationType(kind)),
        r_addend: I64::new(LE, addend),
    }
}
