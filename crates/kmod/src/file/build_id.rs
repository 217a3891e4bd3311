//! The note `.note.gnu.build-id`: name size, descriptor size, type, `GNU\0`, descriptor.

use super::elf::Elf;
use crate::Result;

const NT_GNU_BUILD_ID: u32 = 3;

/// The descriptor of the note, `None` if there is no such note.
pub(super) fn build_id(elf: &Elf<'_>) -> Result<Option<Vec<u8>>> {
    let note = elf.data_of(".note.gnu.build-id")?;
    let word = |at| elf.machine.order.u32(&note, at);
    let (Some(name), Some(size), Some(NT_GNU_BUILD_ID)) = (word(0), word(4), word(8)) else { return Ok(None) };
    // Names and descriptors are padded to four bytes.
    let start = usize::try_from(name).ok().and_then(|n| n.checked_next_multiple_of(4)).and_then(|n| n.checked_add(12));
    let range = start.zip(usize::try_from(size).ok()).and_then(|(at, n)| Some(at..at.checked_add(n)?));
    Ok(range.and_then(|r| note.get(r)).filter(|id| !id.is_empty()).map(<[u8]>::to_vec))
}
