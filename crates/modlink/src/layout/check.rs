//! The checking pass over all relocations: each is inside of its section, of a known type and against a symbol that
//! exists; and each leaves a mark on its symbol, from which slots, stubs and imports follow.

use alloc::vec::Vec;

use ::object::LittleEndian as LE;

use super::{Relax, place::Placement};
use crate::{
    Error, Machine, Object, Result, Site, SymbolIndex, SymbolPlace,
    addr::index,
    howto::{self, Formula, Howto, need},
    link::relax,
    object::{Class, Rela, Section},
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
pub(super) struct Marks(Vec<u8>);

impl Marks {
    fn new(object: &Object<'_>, placement: &Placement) -> Self {
        let mark = |(number, sym)| match object.place(number, sym) {
            SymbolPlace::Undefined => home::UNDEFINED,
            SymbolPlace::Absolute => 0,
            SymbolPlace::Common => home::IMAGE,
            SymbolPlace::Section(section) if placement.of(section).is_some() => home::IMAGE,
            SymbolPlace::Section(_) => home::UNLOADED,
        };
        Self((0..).zip(object.symbols.iter()).map(mark).collect())
    }

    /// The number of symbols.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn select(&self, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = u32> {
        (0..).zip(self.0.iter()).filter(move |&(_, &mark)| wanted(mark)).map(|(symbol, _)| symbol)
    }

    /// The symbols with a mark.
    pub(super) fn with(&self, mark: u8) -> impl Iterator<Item = u32> {
        self.select(move |marks| marks & mark != 0)
    }

    /// The symbols that are called and may be out of reach.
    pub(super) fn wanting_stub(&self) -> impl Iterator<Item = u32> {
        self.select(wants_stub)
    }

    /// Whether a symbol is called and may be out of reach.
    pub(super) fn wants_stub(&self, symbol: u32) -> bool {
        self.0.get(index(symbol)).copied().is_some_and(wants_stub)
    }

    /// The used symbols that are defined in no section, common block or number of the object.
    pub(super) fn undefined(&self) -> impl Iterator<Item = (SymbolIndex, u8)> {
        let used = |mark: u8| mark & (need::USED | home::UNDEFINED) == need::USED | home::UNDEFINED;
        // Symbol 0 is no symbol: relocations use it for the value 0.
        (0..)
            .zip(self.0.iter())
            .filter(move |&(number, &mark)| number != 0 && used(mark))
            .map(|(number, &mark)| (SymbolIndex(number), mark))
    }
}

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
    if marks.with(home::UNLOADED).any(|symbol| marks.0.get(index(symbol)).is_some_and(|mark| mark & need::USED != 0)) {
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
        let size = section.data.len() as u64;
        for entry in entries {
            let Some(howto) = howto::find(self.table, entry.r_type(LE, false).0) else {
                return Err(self.unknown(section, entry));
            };
            let offset = entry.r_offset.get(LE);
            if offset > size || size - offset < u64::from(howto.size) {
                return Err(Error::RelocationOutsideSection { site: site(section, entry), size: section.size });
            }
            let symbol = entry.r_sym(LE, false);
            let Some(mark) = marks.0.get_mut(index(symbol)) else {
                if howto.formula == Formula::Nothing {
                    continue;
                }
                let count = self.object.symbols.len() as u64;
                return Err(Error::BadSymbolIndex { site: site(section, entry), symbol, count });
            };
            *mark |= match howto.needs & need::LOOK {
                0 => howto.needs,
                _ => self.look(section, entry, howto, *mark)?,
            };
        }
        Ok(())
    }

    /// What a relocation needs that depends on its instruction and on where its symbol is.
    #[inline]
    fn look(&self, section: &Section<'_>, entry: &Rela, howto: &Howto, mark: u8) -> Result<u8> {
        let here = mark & home::IMAGE != 0;
        match howto.formula {
            Formula::Relative if here => Ok(need::USED | need::DATA),
            Formula::Relative => Ok(match self.is_far_call(section, entry, howto) {
                true => need::USED | need::STUB,
                false => need::USED | need::DATA,
            }),
            Formula::SlotRelaxable => {
                let without =
                    here && self.relax == Relax::WherePossible && section.class.is_code() && relax::reaches_own_image(section.data, entry);
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
                let howto = howto::find(self.table, entry.r_type(LE, false).0);
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

    fn unknown(&self, section: &Section<'_>, entry: &Rela) -> Error {
        let number = entry.r_type(LE, false).0;
        Error::UnknownRelocation { site: site(section, entry), number, machine: self.object.machine }
    }
}

/// The section that defines `symbol`, if it is not in the image.
pub(crate) fn unloaded_home<'o>(object: &'o Object<'o>, placement: &Placement, symbol: u32) -> Option<&'o Section<'o>> {
    match object.symbol(SymbolIndex(symbol))?.place {
        SymbolPlace::Section(section) if placement.of(section).is_none() => object.sections.get(index(section)),
        _ => None,
    }
}

/// The place of a relocation, for errors.
pub(crate) fn site(section: &Section<'_>, entry: &Rela) -> Site {
    Site { section: section.name.into(), offset: entry.r_offset.get(LE) }
}
