//! Where each symbol of an object is, as one byte: what the checking pass asks of every relocation.

use alloc::{vec, vec::Vec};

use ::object::{LittleEndian as LE, U32, elf};

use super::{Class, Section, Strings, Sym, symbol};
use crate::{Error, FileTable, Result, SymbolPlace, addr::index, howto::need};

/// In the image: everything but a slot of the global offset table is there already.
pub(crate) const IMAGE: u8 = 32 | need::INSIDE;

/// In another object.
pub(crate) const UNDEFINED: u8 = 64;

/// In a section that is not loaded: the bits of both.
pub(crate) const UNLOADED: u8 = 32 | UNDEFINED;

/// Not known yet.
const RARE: u8 = u8::MAX;

/// A plain number.
const NUMBER: u8 = 0;

/// Whether the symbol is in the image.
#[inline]
pub(crate) const fn is_inside(mark: u8) -> bool {
    mark & UNLOADED == IMAGE & UNLOADED
}

/// Whether the symbol is in another object.
pub(crate) const fn is_undefined(mark: u8) -> bool {
    mark & UNLOADED == UNDEFINED
}

/// Whether the symbol is neither in the image nor a plain number.
#[inline]
pub(crate) const fn is_elsewhere(mark: u8) -> bool {
    mark & UNDEFINED != 0
}

/// Whether the symbol is in a section that is not loaded.
pub(crate) const fn is_unloaded(mark: u8) -> bool {
    mark & UNLOADED == UNLOADED
}

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
        // Section 0 stands for the undefined symbols.
        let mut by_section = vec![UNDEFINED];
        by_section.extend(sections.iter().skip(1).map(|section| match section.class {
            Class::Unloaded => UNLOADED,
            _ if section.discarded => UNLOADED,
            _ => IMAGE,
        }));
        let direct = by_section.get(..usize::from(elf::SHN_LORESERVE)).unwrap_or(&by_section);
        let (mut last_name, mut indirect, mut rare) = (0, false, 0_usize);
        let home = |sym: &Sym| {
            last_name = last_name.max(sym.st_name.get(LE));
            indirect |= sym.st_type() == elf::STT_GNU_IFUNC;
            let home = direct.get(usize::from(sym.st_shndx.get(LE).0)).copied().unwrap_or(RARE);
            rare += usize::from(home == RARE);
            home
        };
        let mut homes = Self { marks: symbols.iter().map(home).collect(), commons: false };
        if last_name != 0 && index(last_name) >= strings.len() {
            return Err(Error::BadTable { table: FileTable::SymbolNames, section: 0 });
        }
        homes.settle(rare, symbols, &by_section, extended)?;
        if indirect {
            homes.refuse_indirect(symbols, strings)?
        }
        Ok(homes)
    }

    /// Finds the homes of the `rare` symbols whose records do not hold the index of a section.
    fn settle(&mut self, rare: usize, symbols: &[Sym], by_section: &[u8], extended: &[U32<LE>]) -> Result<()> {
        let marks = symbols.iter().zip(&mut self.marks).enumerate();
        for (entry, (sym, mark)) in marks.filter(|(_, (_, mark))| **mark == RARE).take(rare) {
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
