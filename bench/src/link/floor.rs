//! The least that any loader of relocatable objects must do: map, copy the sections, walk the relocations and write.

use std::path::Path;

use crate::error::Result;
use crate::mapping::{Mapping, Place};

use super::subject::{Subject, read, refused};

const NAME: &str = "floor";
/// Sizes and offsets of ELF64 (gABI, "ELF Header", "Sections", "Relocation").
const HEADER: usize = 64;
const SECTION: usize = 64;
const RELA: usize = 24;
const SHT_RELA: u32 = 4;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;

/// The floor over one object. It trusts its input, as a floor may: the generator made it.
pub(super) struct Floor {
    object: Vec<u8>,
    loaded: Option<Mapping>,
}

/// The fields of a section header that the floor looks at.
struct Section {
    kind: u32,
    flags: u64,
    offset: usize,
    size: usize,
    info: usize,
    align: usize,
}

impl Floor {
    pub(super) fn new(path: &Path) -> Result<Self> {
        Ok(Self { object: read(path)?, loaded: None })
    }

    fn link(&self) -> Option<Mapping> {
        let object = self.object.as_slice();
        let sections = sections(object)?;
        let mut places = vec![None; sections.len()];
        let mut length = 0_usize;
        for (section, place) in sections.iter().zip(&mut places) {
            if section.flags & SHF_ALLOC != 0 {
                length = length.next_multiple_of(section.align.max(1));
                *place = Some(length);
                length += section.size;
            }
        }
        let mut mapping = Mapping::new(Place::Far, length).ok()?;
        let out = mapping.bytes();
        for (section, place) in sections.iter().zip(&places) {
            if let (Some(place), true) = (place, section.kind != SHT_NOBITS) {
                let bytes = object.get(section.offset..section.offset + section.size)?;
                out.get_mut(*place..place + section.size)?.copy_from_slice(bytes);
            }
        }
        for section in sections.iter().filter(|section| section.kind == SHT_RELA) {
            let Some(Some(place)) = places.get(section.info) else { continue };
            let target = out.get_mut(*place..)?;
            for rela in object.get(section.offset..section.offset + section.size)?.as_chunks::<RELA>().0 {
                write(target, rela);
            }
        }
        Some(mapping)
    }
}

/// Writes eight bytes at the relocation's place; the last one of a section may have no room for them.
#[inline]
fn write(target: &mut [u8], rela: &[u8; RELA]) {
    let (offset, rest) = (word(rela, 0), word(rela, 16));
    let value = offset.wrapping_add(rest).wrapping_add(word(rela, 8));
    if let Some(bytes) = target.get_mut(offset as usize..).and_then(|tail| tail.first_chunk_mut()) {
        *bytes = value.to_le_bytes();
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn sections(object: &[u8]) -> Option<Vec<Section>> {
    let table = usize::try_from(word(object.get(..HEADER)?, 40)).ok()?;
    let count = usize::from(u16::from_le_bytes(*object.get(60..)?.first_chunk()?));
    let headers = object.get(table..table + count * SECTION)?.chunks_exact(SECTION);
    let section = |header: &[u8]| {
        let half = |at: usize| word(header, at) as u32;
        Section {
            kind: half(4),
            flags: word(header, 8),
            offset: word(header, 24) as usize,
            size: word(header, 32) as usize,
            info: half(44) as usize,
            align: word(header, 48) as usize,
        }
    };
    Some(headers.map(section).collect())
}

impl Subject for Floor {
    fn load(&mut self) -> Result<()> {
        self.loaded = Some(self.link().ok_or_else(|| refused(NAME, "not an object of the generator"))?);
        Ok(())
    }

    fn call(&mut self) -> Result<Option<u32>> {
        Ok(None)
    }

    fn unload(&mut self) {
        self.loaded = None;
    }
}
