//! Where each symbol of an object is, and what it lacks of the things that relocations need, as one byte: what the
//! checking pass asks for every relocation.

use alloc::{vec, vec::Vec};

use ::object::{LittleEndian as LE, U32, elf};

use super::{Class, Section, Strings, Sym, symbol};
use crate::{Error, FileTable, Result, SymbolPlace, addr::index, howto::need};

/// The bits that say where the symbol is; all others are those of [`need`], and set for what is not there.
const PLACE: u8 = 32 | 64;

/// In the image: everything but a slot of the global offset table is there already.
pub(crate) const IMAGE: u8 = 32 | (need::ALL & !need::INSIDE);

/// In another object.
pub(crate) const UNDEFINED: u8 = 64 | need::ALL;

/// In a section that is not loaded.
pub(crate) const UNLOADED: u8 = PLACE | need::ALL;

/// A plain number.
const NUMBER: u8 = need::ALL;

/// Not known yet: every other byte has at least the bit of [`need::REFUSAL`], which nothing clears.
const RARE: u8 = 0;

/// Whether the symbol is in the image.
#[inline]
pub(crate) const fn is_inside(mark: u8) -> bool {
    mark & PLACE == IMAGE & PLACE
}

/// Whether the symbol is in another object.
pub(crate) const fn is_undefined(mark: u8) -> bool {
    mark & PLACE == UNDEFINED & PLACE
}

/// Whether the symbol is neither in the image nor a plain number.
#[inline]
pub(crate) const fn is_elsewhere(mark: u8) -> bool {
    mark & UNDEFINED & PLACE != 0
}

/// Whether the symbol is in a section that is not loaded.
pub(crate) const fn is_unloaded(mark: u8) -> bool {
    mark & PLACE == UNLOADED & PLACE
}

/// How many symbols an object may have: more than any file below 6 GiB holds.
pub(crate) const MOST_SYMBOLS: usize = (1 << 28) - 2;

/// The homes of all symbols.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homes {
    /// By symbol.
    pub(crate) marks: Vec<u8>,
    /// Whether any is common.
    pub(crate) commons: bool,
}

impl Homes {
    /// Checks what every later step relies on: each symbol has a name inside of the table, and a section that exists.
    pub(crate) fn check(symbols: &[Sym], sections: &[Section<'_>], extended: &[U32<LE>], strings: Strings<'_>) -> Result<Self> {
        if symbols.len() > MOST_SYMBOLS {
            return Err(Error::BadTable { table: FileTable::Symbols, section: 0 });
        }
        // Section 0 stands for the undefined symbols.
        let mut by_section = vec![UNDEFINED];
        by_section.extend(sections.iter().skip(1).map(|section| match section.class {
            Class::Unloaded => UNLOADED,
            _ if section.discarded => UNLOADED,
            _ => IMAGE,
        }));
        let direct = by_section.get(..usize::from(elf::SHN_LORESERVE)).unwrap_or(&by_section);
        let (mut last_name, mut types) = (0, 0_u32);
        let home = |sym: &Sym| {
            last_name = last_name.max(sym.st_name.get(LE));
            // The type is the lower half of the byte; a bit more of it saves an instruction.
            types |= 1 << (sym.st_info.0 & 31);
            direct.get(usize::from(sym.st_shndx.get(LE).0)).copied().unwrap_or(RARE)
        };
        let mut homes = Self { marks: symbols.iter().map(home).collect(), commons: false };
        if last_name != 0 && index(last_name) >= strings.len() {
            return Err(Error::BadTable { table: FileTable::SymbolNames, section: 0 });
        }
        homes.settle(symbols, &by_section, extended)?;
        if types & ((1 << u32::from(elf::STT_GNU_IFUNC.0)) | (1 << u32::from(elf::STT_GNU_IFUNC.0 | 16))) != 0 {
            homes.refuse_indirect(symbols, strings)?
        }
        Ok(homes)
    }

    /// Finds the homes of the rare symbols whose records do not hold the index of a section.
    fn settle(&mut self, symbols: &[Sym], by_section: &[u8], extended: &[U32<LE>]) -> Result<()> {
        if !self.marks.contains(&RARE) {
            return Ok(());
        }
        let marks = symbols.iter().zip(&mut self.marks).enumerate();
        for (entry, (sym, mark)) in marks.filter(|(_, (_, mark))| **mark == RARE) {
            *mark = match symbol::place(sym, || extended.get(entry).map_or(0, |section| section.get(LE))) {
                SymbolPlace::Section(section) => {
                    let table = FileTable::Symbols;
                    let bad = Error::BadSectionIndex { table, entry: entry as u64, section };
                    by_section.get(index(section)).copied().ok_or(bad)?
                }
                SymbolPlace::Common => {
                    self.commons = true;
                    IMAGE
                }
                SymbolPlace::Absolute => NUMBER,
                SymbolPlace::Undefined => UNDEFINED,
            };
        }
        Ok(())
    }

    fn refuse_indirect(&self, symbols: &[Sym], strings: Strings<'_>) -> Result<()> {
        let mut symbols = symbols.iter().zip(&self.marks);
        let indirect = symbols.find(|(sym, mark)| sym.st_type() == elf::STT_GNU_IFUNC && !is_undefined(**mark));
        match indirect {
            Some((sym, _)) => Err(Error::IndirectFunction { symbol: strings.get(sym.st_name.get(LE)).into() }),
            None => Ok(()),
        }
    }
}
