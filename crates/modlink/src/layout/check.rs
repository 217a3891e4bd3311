//! The checking pass over all relocations: each is inside of its section, of a known type and against a symbol that
//! exists; and each leaves a mark on its symbol, from which slots, stubs and imports follow.

use alloc::vec::Vec;

use ::object::{LittleEndian as LE, elf};

use super::{Import, Relax, place::Placement};
use crate::{
    Error, Machine, Object, Result, Site, SymbolIndex, SymbolPlace,
    addr::index,
    howto::{self, Formula, Howto, need},
    link::relax,
    object::{Class, Rela, Section, home},
};

/// What all relocations together ask for.
#[derive(Debug)]
pub(super) struct Marks {
    /// By symbol: where it is, and what it lacks of that which can be asked of it.
    marks: Vec<u8>,
    /// The symbols that are outside of the image and used, and those inside that want a slot: few, in their order.
    listed: Vec<u32>,
}

impl Marks {
    /// The number of symbols.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// Leaves marks on a symbol; false if there is no such symbol.
    #[inline]
    fn leave(&mut self, symbol: u32, marks: u8) {
        let Some(mark) = self.marks.get_mut(index(symbol)) else { return };
        let counts = if home::is_inside(*mark) { need::SLOT } else { need::USED };
        if *mark & marks & counts != 0 {
            self.listed.push(symbol);
        }
        *mark &= !marks;
    }

    fn of(&self, symbol: u32) -> u8 {
        self.marks.get(index(symbol)).copied().unwrap_or(home::UNDEFINED)
    }

    fn select(&self, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = u32> {
        self.listed.iter().copied().filter(move |&symbol| wanted(self.of(symbol)))
    }

    /// The symbols that are called and may be out of reach.
    pub(super) fn wanting_stub(&self) -> impl Iterator<Item = u32> {
        self.select(wants_stub)
    }

    /// The other symbols that want a slot.
    pub(super) fn wanting_slot_only(&self) -> impl Iterator<Item = u32> {
        self.select(|mark| mark & need::SLOT == 0 && !wants_stub(mark))
    }

    /// The used symbols that are defined in no section, common block or number of the object.
    pub(super) fn undefined<'o>(&self, object: &'o Object<'o>) -> impl Iterator<Item = Import<'o>> {
        // Symbol 0 is no symbol: relocations use it for the value 0.
        let undefined = self.select(home::is_undefined).filter(|&symbol| symbol != 0);
        undefined.filter_map(move |symbol| {
            let sym = object.symbols.get(index(symbol))?;
            let name = object.strings.get(sym.st_name.get(LE));
            let weak = sym.st_bind() == elf::STB_WEAK;
            Some(Import { index: SymbolIndex(symbol), name, weak, only_called: self.of(symbol) & need::DATA != 0 })
        })
    }
}

fn wants_stub(mark: u8) -> bool {
    mark & need::STUB == 0 && !home::is_inside(mark)
}

/// Checks every relocation of every loaded section.
pub(super) fn relocations(object: &Object<'_>, placement: &Placement, relax: Relax) -> Result<Marks> {
    let mut marks = Marks { marks: object.homes.marks.clone(), listed: Vec::new() };
    let table = howto::table(object.machine, object.format);
    let pass = Pass { object, table, needs: table.map(|howto| howto.needs), looks: table.map(looks), relax };
    for table in &object.relocations {
        let Some(section) = object.sections.get(index(table.target)) else { continue };
        if !section.discarded {
            pass.section(section, &table.entries, &mut marks)?;
        }
    }
    marks.listed.sort_unstable();
    if marks.select(home::is_unloaded).next().is_some() {
        pass.refuse_unloaded(placement)?;
    }
    Ok(marks)
}

/// The size of the widest field in bytes.
const WIDEST: u64 = 8;

struct Pass<'o> {
    object: &'o Object<'o>,
    table: &'static howto::Table,
    /// What each type needs: the table's column that the pass reads most, close together.
    needs: [u8; howto::TYPES],
    /// By type: what its symbol lacks when a look at the instruction tells whether that is needed at all. It is what a
    /// symbol of the image lacks if the instruction may be rewritten, and what no symbol lacks if not.
    looks: [u8; howto::TYPES],
    relax: Relax,
}

/// An entry of [`Pass::looks`].
fn looks(howto: Howto) -> u8 {
    // No symbol lacks nothing: there is no way to refuse nothing.
    const { assert!(home::IMAGE & need::REFUSAL != 0) };
    if howto.formula == Formula::SlotRelaxable { home::IMAGE } else { 0 }
}

/// Whether an instruction is rewritten to do without what its symbol lacks; `look` is that of [`Pass::looks`].
#[inline]
fn does_without(code: &[u8], entry: &Rela, lacks: u8, look: u8) -> bool {
    let unlike = relax::unlike_load_at(code, entry).unwrap_or(1);
    unlike | u64::from(lacks ^ look) == 0 || (lacks == look && relax::reaches_own_image(code, entry))
}

impl Pass<'_> {
    fn section(&self, section: &Section<'_>, entries: &[Rela], marks: &mut Marks) -> Result<()> {
        let data = section.data;
        // Where nothing is rewritten, nothing of an instruction has to be seen.
        let code = if self.relax == Relax::WherePossible && section.class.is_code() { data } else { &[] };
        let mut rest = entries;
        while let [entry, behind @ ..] = self.skip_free(&marks.marks, data.len() as u64, code, rest) {
            self.one(section, entry, marks)?;
            rest = behind;
        }
        Ok(())
    }

    /// Skips relocations that are right and need nothing: most are within the image, or ask again for what others
    /// have asked for. This loop decides how fast the pass is, so it does nothing else.
    #[inline(never)]
    fn skip_free<'e>(&self, marks: &[u8], size: u64, code: &[u8], entries: &'e [Rela]) -> &'e [Rela] {
        let Some(last) = size.checked_sub(WIDEST) else { return entries };
        let (needs, looks) = (&self.needs, &self.looks);
        let is_free = |entry: &Rela| {
            let (kind, symbol) = (index(entry.r_type(LE, false).0), index(entry.r_sym(LE, false)));
            let (Some(&needs), Some(&look), Some(&mark)) = (needs.get(kind), looks.get(kind), marks.get(symbol)) else { return false };
            if entry.r_offset.get(LE) > last {
                return false;
            }
            needs & mark == 0 || does_without(code, entry, mark, look)
        };
        let mut rest = entries.iter();
        loop {
            let before = rest.as_slice();
            match rest.next() {
                Some(entry) if is_free(entry) => {}
                _ => return before,
            }
        }
    }

    /// Checks any relocation and leaves its marks.
    fn one(&self, section: &Section<'_>, entry: &Rela, marks: &mut Marks) -> Result<()> {
        let symbol = entry.r_sym(LE, false);
        let howto = howto::find(self.table, entry.r_type(LE, false).0);
        let (Some(howto), true) = (howto, index(symbol) < marks.len()) else { return self.without_effect(section, entry) };
        let (offset, size) = (entry.r_offset.get(LE), section.data.len() as u64);
        if offset > size || size - offset < u64::from(howto.size) {
            return Err(Error::RelocationOutsideSection { site: site(section, entry), size: section.size });
        }
        let inside = marks.marks.get(index(symbol)).copied().is_some_and(home::is_inside);
        let code = if self.relax == Relax::WherePossible && section.class.is_code() { section.data } else { &[] };
        if howto.formula == Formula::SlotRelaxable && inside && relax::reaches_own_image(code, entry) {
            return Ok(());
        }
        marks.leave(symbol, self.needs(section, entry, howto)?);
        Ok(())
    }

    /// What a relocation needs that is not free.
    fn needs(&self, section: &Section<'_>, entry: &Rela, howto: &Howto) -> Result<u8> {
        match howto.formula {
            Formula::Relative if self.is_far_call(section, entry, howto) => Ok(need::USED | need::STUB),
            Formula::Relative => Ok(need::USED | need::DATA),
            Formula::ThreadLocal | Formula::Dynamic | Formula::Unknown => Err(self.refused(section, entry, howto)),
            _ => Ok(howto.needs),
        }
    }

    /// A relocation of an unknown type or symbol: fine only if it does nothing.
    #[cold]
    fn without_effect(&self, section: &Section<'_>, entry: &Rela) -> Result<()> {
        match howto::find(self.table, entry.r_type(LE, false).0) {
            Some(Howto { formula: Formula::Nothing, .. }) => Ok(()),
            Some(Howto { formula: Formula::Unknown, .. }) | None => Err(self.unknown(section, entry)),
            Some(_) => Err(Error::BadSymbolIndex {
                site: site(section, entry),
                symbol: entry.r_sym(LE, false),
                count: self.object.symbols.len() as u64,
            }),
        }
    }

    #[cold]
    fn refused(&self, section: &Section<'_>, entry: &Rela, howto: &Howto) -> Error {
        let (site, relocation) = (site(section, entry), howto.name);
        match howto.formula {
            Formula::ThreadLocal => {
                let symbol = self.object.symbol_name(entry.r_sym(LE, false)).into();
                Error::ThreadLocalRelocation { site, relocation, symbol }
            }
            Formula::Dynamic => Error::DynamicRelocation { site, relocation },
            _ => self.unknown(section, entry),
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
