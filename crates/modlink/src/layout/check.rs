//! The checking pass over all relocations: each is inside of its section, of a known type and against a symbol that
//! exists; and each leaves a mark on its symbol, from which slots, stubs and imports follow.

use alloc::vec::Vec;

use ::object::LittleEndian as LE;

use super::{Relax, place::Placement};
use crate::{
    Error, Machine, Object, Result, Site, SymbolIndex, SymbolPlace,
    addr::index,
    howto::{self, Asks, Formula, Howto, need},
    link::relax,
    object::{Class, Rela, Section, Sym},
};

/// Marks beside those of [`need`]: where the symbol is.
mod home {
    /// In the image.
    pub(super) const IMAGE: u8 = 32;
    /// In another object.
    pub(super) const UNDEFINED: u8 = 64;
    /// In a section that is not loaded.
    pub(super) const UNLOADED: u8 = 128;
}

/// What all relocations together ask for, by symbol.
#[derive(Debug)]
pub(super) struct Marks {
    by_symbol: Vec<u8>,
    /// The symbols that are more than an address of the image: the others, most of them, ask for nothing.
    notable: Vec<(u32, u8)>,
}

impl Marks {
    fn new(object: &Object<'_>, placement: &Placement) -> Self {
        let of_place = |place| match place {
            SymbolPlace::Undefined => home::UNDEFINED,
            SymbolPlace::Absolute => 0,
            SymbolPlace::Common => home::IMAGE,
            SymbolPlace::Section(section) if placement.of(section).is_some() => home::IMAGE,
            SymbolPlace::Section(_) => home::UNLOADED,
        };
        let ordinary: Vec<u8> = object.ordinary_places().map(of_place).collect();
        let mark = |(number, sym): (u32, &Sym)| match ordinary.get(usize::from(sym.st_shndx.get(LE).0)) {
            Some(&mark) => mark,
            None => of_place(object.place(number, sym)),
        };
        Self { by_symbol: (0..).zip(object.symbols.iter()).map(mark).collect(), notable: Vec::new() }
    }

    /// Finds the notable symbols, when all marks are made.
    fn note(&mut self) {
        const PLAIN: u8 = home::IMAGE;
        const BITS: u8 = home::IMAGE | need::SLOT;
        // Whole blocks of plain ones are passed over at once.
        for (first, block) in (0_u32..).step_by(BLOCK).zip(self.by_symbol.chunks(BLOCK)) {
            if block.iter().fold(0, |all, mark| all | ((mark & BITS) ^ PLAIN)) != 0 {
                self.notable.extend((first..).zip(block.iter().copied()).filter(|(_, mark)| mark & BITS != PLAIN));
            }
        }
    }

    /// The number of symbols.
    pub(super) fn len(&self) -> usize {
        self.by_symbol.len()
    }

    fn select(&self, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = u32> {
        self.notable.iter().filter(move |&&(_, mark)| wanted(mark)).map(|&(symbol, _)| symbol)
    }

    /// The symbols that are called and may be out of reach.
    pub(super) fn wanting_stub(&self) -> impl Iterator<Item = u32> {
        self.select(wants_stub)
    }

    /// The other symbols that need a slot.
    pub(super) fn wanting_slot(&self) -> impl Iterator<Item = u32> {
        self.select(|mark| mark & need::SLOT != 0 && !wants_stub(mark))
    }

    /// The used symbols that are defined in no section, common block or number of the object.
    pub(super) fn undefined(&self) -> impl Iterator<Item = (SymbolIndex, u8)> {
        let used = |mark: u8| mark & (need::USED | home::UNDEFINED) == need::USED | home::UNDEFINED;
        // Symbol 0 is no symbol: relocations use it for the value 0.
        let undefined = self.notable.iter().filter(move |&&(number, mark)| number != 0 && used(mark));
        undefined.map(|&(number, mark)| (SymbolIndex(number), mark))
    }

    /// Whether a relocation uses a symbol of a section that is not loaded.
    fn uses_unloaded(&self) -> bool {
        let both = need::USED | home::UNLOADED;
        self.notable.iter().any(|(_, mark)| mark & both == both)
    }
}

/// Checks and marks `entries` on the short path, up to the first one that needs the long way, and returns how many were
/// checked. A function of its own, small enough to be kept in registers: at 100,000 functions it runs 700,000 times.
#[inline(never)]
fn quick_checks(asks: &Asks, relax: bool, data: &[u8], entries: &[Rela], marks: &mut [u8]) -> usize {
    // Fields of every size that start before this end inside of the section.
    let safe = (data.len() as u64).saturating_sub(LONGEST - 1);
    let long_way = |entry: &Rela| {
        let Some(mark) = marks.get_mut(index(entry.r_sym(LE, false))) else { return true };
        let asked = asks.of(entry.r_type(LE, false).0, *mark & home::IMAGE != 0);
        if asked == 0 {
            // Most symbols; not storing what is there keeps those that many relocations use, a section's, from waiting.
        } else if asked & need::LOOK == 0 {
            *mark |= asked;
        } else if asked != need::LOOK_AT_LOAD || !relax || !relax::load_reaches_own_image(data, entry) {
            return true;
        }
        entry.r_offset.get(LE) >= safe
    };
    entries.iter().position(long_way).unwrap_or(entries.len())
}

/// The size of the longest field of a relocation in bytes.
const LONGEST: u64 = 8;

/// How many marks are looked at together.
const BLOCK: usize = 32;

fn wants_stub(mark: u8) -> bool {
    mark & need::STUB != 0 && mark & home::IMAGE == 0
}

/// Checks every relocation of every loaded section.
pub(super) fn relocations(object: &Object<'_>, placement: &Placement, relax: Relax) -> Result<Marks> {
    let mut marks = Marks::new(object, placement);
    let pass = Pass { object, table: howto::table(object.machine, object.format), relax };
    for table in &object.relocations {
        let Some(section) = object.sections.get(index(table.target)) else { continue };
        if !section.discarded {
            pass.section(section, &table.entries, &mut marks)?;
        }
    }
    marks.note();
    if marks.uses_unloaded() {
        pass.refuse_unloaded(placement)?;
    }
    Ok(marks)
}

struct Pass<'o> {
    object: &'o Object<'o>,
    table: &'static howto::Table,
    relax: Relax,
}

impl Pass<'_> {
    fn section(&self, section: &Section<'_>, entries: &[Rela], marks: &mut Marks) -> Result<()> {
        let relax = self.relax == Relax::WherePossible && section.class.is_code();
        let mut rest = entries;
        while let Some((entry, tail)) =
            rest.get(quick_checks(self.table.asks(), relax, section.data, rest, &mut marks.by_symbol)..).and_then(<[Rela]>::split_first)
        {
            self.any(section, entry, marks)?;
            rest = tail;
        }
        Ok(())
    }

    /// Checks and marks a relocation of any type, or says what is wrong with it.
    #[inline(never)]
    fn any(&self, section: &Section<'_>, entry: &Rela, marks: &mut Marks) -> Result<()> {
        let Some(howto) = self.table.find(entry.r_type(LE, false).0) else {
            let number = entry.r_type(LE, false).0;
            return Err(Error::UnknownRelocation { site: site(section, entry), number, machine: self.object.machine });
        };
        let (size, offset) = (section.data.len() as u64, entry.r_offset.get(LE));
        if offset > size || size - offset < u64::from(howto.size) {
            return Err(outside(section, entry));
        }
        let symbol = entry.r_sym(LE, false);
        let Some(mark) = marks.by_symbol.get_mut(index(symbol)) else {
            let count = self.object.symbols.len() as u64;
            return match howto.formula {
                Formula::Nothing => Ok(()),
                _ => Err(Error::BadSymbolIndex { site: site(section, entry), symbol, count }),
            };
        };
        *mark |= match howto.needs & need::LOOK {
            0 => howto.needs,
            _ => self.look(section, entry, howto, *mark)?,
        };
        Ok(())
    }

    /// What a relocation needs that depends on its instruction and on where its symbol is.
    fn look(&self, section: &Section<'_>, entry: &Rela, howto: &Howto, mark: u8) -> Result<u8> {
        let here = mark & home::IMAGE != 0;
        match howto.formula {
            Formula::Relative => Ok(match !here && self.is_far_call(section, entry, howto) {
                true => need::USED | need::STUB,
                false => need::USED | need::DATA,
            }),
            Formula::SlotRelaxable => {
                let relax = self.relax == Relax::WherePossible && section.class.is_code();
                let without = here && relax && relax::reaches_own_image(section.data, entry);
                Ok(if without { need::USED | need::DATA } else { need::USED | need::DATA | need::SLOT })
            }
            Formula::ThreadLocal => Err(Error::ThreadLocalRelocation {
                site: site(section, entry),
                relocation: howto.name,
                symbol: self.object.symbol_name(entry.r_sym(LE, false)).into(),
            }),
            _ => Err(Error::DynamicRelocation { site: site(section, entry), relocation: howto.name }),
        }
    }

    fn is_far_call(&self, section: &Section<'_>, entry: &Rela, howto: &Howto) -> bool {
        self.object.machine == Machine::X86_64
            && howto.size == 4
            && section.class.is_code()
            && relax::is_direct_branch(section.data, entry.r_offset.get(LE))
    }

    /// Finds the first relocation against a symbol that is not loaded. Unwind tables may describe code of a discarded
    /// group; the applying pass leaves those entries empty.
    fn refuse_unloaded(&self, placement: &Placement) -> Result<()> {
        for table in &self.object.relocations {
            let Some(section) = self.object.sections.get(index(table.target)).filter(|section| !section.discarded) else {
                continue;
            };
            for entry in table.entries.iter() {
                let symbol = entry.r_sym(LE, false);
                let Some(home) = unloaded_home(self.object, placement, symbol) else { continue };
                let howto = self.table.find(entry.r_type(LE, false).0);
                let Some(howto) = howto.filter(|howto| howto.needs & need::USED != 0) else { continue };
                if section.class == Class::EhFrame && home.discarded {
                    continue;
                }
                return Err(Error::SymbolNotLoaded {
                    site: site(section, entry),
                    relocation: howto.name,
                    symbol: self.object.symbol_name(symbol).into(),
                    section: home.name.into(),
                });
            }
        }
        Ok(())
    }
}

/// The section that defines `symbol`, if it is not in the image.
pub(crate) fn unloaded_home<'o>(object: &'o Object<'o>, placement: &Placement, symbol: u32) -> Option<&'o Section<'o>> {
    match object.symbol(SymbolIndex(symbol))?.place {
        SymbolPlace::Section(section) if placement.of(section).is_none() => object.sections.get(index(section)),
        _ => None,
    }
}

/// The error of a field that is not inside of its section.
#[cold]
pub(crate) fn outside(section: &Section<'_>, entry: &Rela) -> Error {
    Error::RelocationOutsideSection { site: site(section, entry), size: section.size }
}

/// The place of a relocation, for errors.
pub(crate) fn site(section: &Section<'_>, entry: &Rela) -> Site {
    Site { section: section.name.into(), offset: entry.r_offset.get(LE) }
}
