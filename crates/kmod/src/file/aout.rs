//! The globals of a classic a.out object (magic `OMAGIC`): it has no export table, so every global symbol is offered.

use super::source::Source;
use crate::error::Part;
use crate::{Error, Result};

const OMAGIC: u16 = 0o407;
const HEADER: u64 = 32;
const NLIST: usize = 12;
const N_EXT: u8 = 1;
const N_TYPE: u8 = 0x1e;
const N_UNDF: u8 = 0;

/// A global symbol of an a.out object, without the leading underscore of its assembler name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global<'a> {
    /// Defined here, or a common block.
    Defined(&'a [u8]),
    /// Wanted from elsewhere.
    Undefined(&'a [u8]),
}

/// Whether the file begins like an a.out object.
pub(super) fn is_aout(source: &Source) -> bool {
    source.read(Part::AoutHeader, 0, 2).is_ok_and(|b| *b == OMAGIC.to_le_bytes())
}

/// Calls `visit` for each global symbol (Linux 2.0 `include/linux/a.out.h`, `<linux/nlist.h>`).
pub(super) fn each_global(source: &Source, visit: &mut dyn FnMut(Global<'_>)) -> Result<()> {
    let header = source.read(Part::AoutHeader, 0, HEADER)?;
    let word = |index: usize| -> u64 {
        let raw = header.get(index * 4..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u32::from_le_bytes(raw).into()
    };
    let (text, data, symbols) = (word(1), word(2), word(4));
    let relocations = word(6) + word(7);
    let symbols_at = HEADER + text + data + relocations;
    let strings_at = symbols_at + symbols;
    let table = source.read(Part::Symbols, symbols_at, symbols)?;
    let strings = source.read(Part::Strings, strings_at, source.size().saturating_sub(strings_at))?;
    for entry in table.chunks_exact(NLIST) {
        let &[a, b, c, d, kind, _, _, _, e, f, g, h] = entry else { continue };
        if kind & N_EXT == 0 {
            continue;
        }
        let start = u32::from_le_bytes([a, b, c, d]);
        let name = usize::try_from(start).ok().and_then(|s| strings.get(s..));
        let name = super::symbols::until_zero(name.ok_or(Error::BadValue { part: Part::Strings, found: start.into() })?);
        let name = name.strip_prefix(b"_").unwrap_or(name);
        let common = u32::from_le_bytes([e, f, g, h]) != 0;
        visit(if kind & N_TYPE == N_UNDF && !common { Global::Undefined(name) } else { Global::Defined(name) });
    }
    Ok(())
}
