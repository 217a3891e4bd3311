//! Computing and storing every relocated value.

use ::object::LittleEndian as LE;

use crate::{
    Addr, Error, Layout, Relax, Result,
    addr::index,
    howto::{self, Formula, Howto, Misfit, Shortcut},
    layout::{STUB, site, unloaded_home},
    link::relax::{self, Load},
    object::{Class, Rela, Relocations, Section},
};

/// The applying pass over all relocations.
pub(super) struct Pass<'l> {
    layout: &'l Layout<'l>,
    values: &'l [u64],
    types: &'static howto::Table,
    /// The straight line of each type: the table's column that the pass reads most, close together.
    shortcuts: [Shortcut; howto::TYPES],
    /// The run address of the global offset table.
    table: u64,
    /// The run address of the first stub.
    stubs: u64,
    /// The size of a slot in bytes.
    slot: u64,
    /// Whether unwind tables may describe code that is not in the image.
    discarded: bool,
}

impl<'l> Pass<'l> {
    pub(super) fn new(layout: &'l Layout<'_>, base: Addr, values: &'l [u64]) -> Self {
        let object = layout.object;
        let types = howto::table(object.machine, object.format);
        Self {
            layout,
            values,
            types,
            shortcuts: types.map(|howto| howto.shortcut),
            table: base.offset(layout.placement.table.into()).0,
            stubs: base.offset(layout.placement.stubs.into()).0,
            slot: object.machine.pointer().into(),
            discarded: object.sections.iter().any(|section| section.discarded),
        }
    }

    /// Copies a section that runs at `run` to `bytes` and applies its relocations.
    pub(super) fn section(&self, section: &Section<'_>, run: u64, tables: &[Relocations<'_>], bytes: &mut [u8]) -> Result<()> {
        let mut copy = Copy { from: section.data, done: 0 };
        for table in tables {
            if self.discarded && section.class == Class::EhFrame {
                copy.all(bytes);
                self.unwind_tables(section, run, &table.entries, bytes)?;
            } else {
                self.table(section, run, &table.entries, bytes, &mut copy)?;
            }
        }
        copy.all(bytes);
        Ok(())
    }

    /// Applies one table. Bytes are copied a piece at a time and relocated while they are in the nearest cache; the
    /// relocations of an assembler are in the order of their places, and any other order is right too.
    fn table(&self, section: &Section<'_>, run: u64, entries: &[Rela], bytes: &mut [u8], copy: &mut Copy<'_>) -> Result<()> {
        let relax = match self.layout.options.relax {
            Relax::WherePossible if section.class.is_code() => Relax::WherePossible,
            _ => Relax::Never,
        };
        let mut rest = entries;
        loop {
            let copied = bytes.get_mut(..copy.done).unwrap_or_default();
            rest = self.straight(run, relax, rest, copied);
            let [entry, behind @ ..] = rest else { return Ok(()) };
            if copy.covers(entry) {
                self.one(section, run, entry, bytes)?;
                rest = behind;
            } else {
                copy.more(bytes);
            }
        }
    }

    /// Unwind tables of an object with discarded groups: the entries of code that is not there stay empty.
    fn unwind_tables(&self, section: &Section<'_>, run: u64, entries: &[Rela], bytes: &mut [u8]) -> Result<()> {
        let (object, placement) = (self.layout.object, &self.layout.placement);
        let mut there = entries.iter().filter(|entry| unloaded_home(object, placement, entry.r_sym(LE, false)).is_none());
        there.try_for_each(|entry| self.one(section, run, entry, bytes))
    }

    /// Applies relocations as long as they are of the frequent types and in reach, and answers the others. This loop
    /// decides how fast the pass is, so it does nothing else.
    #[inline(never)]
    fn straight<'e>(&self, run: u64, relax: Relax, entries: &'e [Rela], bytes: &mut [u8]) -> &'e [Rela] {
        let values = self.values;
        let mut apply = |entry: &Rela| {
            let offset = entry.r_offset.get(LE);
            let (Some(&target), Ok(at)) = (values.get(index(entry.r_sym(LE, false))), usize::try_from(offset)) else {
                return false;
            };
            let addend = entry.r_addend.get(LE);
            let (plus, place) = (target.wrapping_add_signed(addend), run.wrapping_add(offset));
            match self.shortcuts.get(index(entry.r_type(LE, false).0)).copied().unwrap_or(Shortcut::None) {
                Shortcut::Distance => {
                    let distance = i32::try_from(plus.wrapping_sub(place).cast_signed());
                    distance.is_ok_and(|distance| put(bytes, at, distance.to_le_bytes()))
                }
                Shortcut::Word => put(bytes, at, plus.to_le_bytes()),
                Shortcut::Rewrite => match relax {
                    Relax::Never => self.slot(entry, place, bytes),
                    Relax::WherePossible => match relax::load(bytes, at, addend, target, place) {
                        Load::Rewritten => true,
                        Load::Far => self.slot(entry, place, bytes),
                        Load::OtherForm => false,
                    },
                },
                Shortcut::None => false,
            }
        };
        let applied = entries.iter().take_while(|entry| apply(entry)).count();
        entries.get(applied..).unwrap_or_default()
    }

    /// Makes an instruction refer to its slot, if there is one.
    fn slot(&self, entry: &Rela, place: u64, bytes: &mut [u8]) -> bool {
        let Some(slot) = self.layout.slots.of(entry.r_sym(LE, false)) else { return false };
        let slot = self.table.wrapping_add(u64::from(slot).wrapping_mul(self.slot));
        let distance = slot.wrapping_add_signed(entry.r_addend.get(LE)).wrapping_sub(place);
        match (i32::try_from(distance.cast_signed()), usize::try_from(entry.r_offset.get(LE))) {
            (Ok(distance), Ok(at)) => put(bytes, at, distance.to_le_bytes()),
            _ => false,
        }
    }

    /// Applies any relocation.
    fn one(&self, section: &Section<'_>, run: u64, entry: &Rela, bytes: &mut [u8]) -> Result<()> {
        let Ok(at) = usize::try_from(entry.r_offset.get(LE)) else { return Err(outside(section, entry)) };
        let howto = howto::checked(self.types, entry.r_type(LE, false).0);
        let symbol = entry.r_sym(LE, false);
        let target = self.values.get(index(symbol)).copied().unwrap_or(0);
        let addend = entry.r_addend.get(LE);
        let place = run.wrapping_add(entry.r_offset.get(LE));
        let plus = target.wrapping_add_signed(addend);
        let relax = self.layout.options.relax == Relax::WherePossible && section.class.is_code();
        let value = match howto.formula {
            Formula::Nothing => return Ok(()),
            Formula::Absolute => plus,
            Formula::Relative | Formula::Branch => plus.wrapping_sub(place),
            Formula::SlotRelaxable if relax && relax::rewrite(bytes, at, addend, target, place) => return Ok(()),
            formula => self.uncommon(formula, symbol, addend, place, plus, bytes.get(..at).unwrap_or_default()),
        };
        let Some(field) = bytes.get_mut(at..) else { return Err(outside(section, entry)) };
        match howto.store(value, field) {
            Ok(()) => Ok(()),
            Err(misfit) => self.far(section, entry, howto, (place, value), misfit, bytes),
        }
    }

    /// The value of the rarer types; `before` are the section's bytes in front of the field.
    fn uncommon(&self, formula: Formula, symbol: u32, addend: i64, place: u64, plus: u64, before: &[u8]) -> u64 {
        let in_table = || {
            // The layout reserved a slot for every symbol that reaches this line.
            let slot = u64::from(self.layout.slots.of(symbol).unwrap_or(0));
            slot.wrapping_mul(self.slot).wrapping_add_signed(addend)
        };
        match formula {
            Formula::Slot | Formula::SlotRelaxable => self.table.wrapping_add(in_table()).wrapping_sub(place),
            Formula::SlotInTable => in_table(),
            Formula::SlotByInstruction => match before.last() {
                Some(modrm) if modrm & 0xc7 == 0x05 => self.table.wrapping_add(in_table()),
                _ => in_table(),
            },
            Formula::Table => self.table.wrapping_add_signed(addend).wrapping_sub(place),
            Formula::FromTable => plus.wrapping_sub(self.table),
            Formula::Size => {
                let sym = self.layout.object.symbols.get(index(symbol));
                sym.map_or(0, |sym| sym.st_size.get(LE)).wrapping_add_signed(addend)
            }
            _ => plus,
        }
    }

    /// A value did not fit: a call goes through its stub, everything else is an error.
    #[cold]
    fn far(
        &self,
        section: &Section<'_>,
        entry: &Rela,
        howto: &Howto,
        (place, value): (u64, u64),
        misfit: Misfit,
        bytes: &mut [u8],
    ) -> Result<()> {
        if misfit == Misfit::Field {
            return Err(outside(section, entry));
        }
        let (symbol, offset) = (entry.r_sym(LE, false), entry.r_offset.get(LE));
        let calls = match howto.formula {
            Formula::Branch => true,
            Formula::Relative => section.class.is_code() && relax::is_direct_branch(bytes, offset),
            _ => false,
        };
        if let Some(stub) = self.layout.slots.stub_of(symbol).filter(|_| calls) {
            let stub = self.stubs.wrapping_add(u64::from(stub).wrapping_mul(STUB.into()));
            let distance = stub.wrapping_add_signed(entry.r_addend.get(LE)).wrapping_sub(place);
            let field = usize::try_from(offset).ok().and_then(|at| bytes.get_mut(at..));
            if field.is_some_and(|field| howto.store(distance, field).is_ok()) {
                return Ok(());
            }
        }
        Err(Error::OutOfRange {
            site: site(section, entry),
            relocation: howto.name,
            symbol: self.layout.object.symbol_name(symbol).into(),
            value: readable(howto, value),
            limits: howto.limits(),
            remedy: howto.remedy(value),
        })
    }
}

/// A section on its way into the image.
struct Copy<'a> {
    from: &'a [u8],
    /// How many bytes are there.
    done: usize,
}

/// How many bytes are copied at a time: a third of the usual first-level cache.
const PIECE: usize = 16 << 10;

impl Copy<'_> {
    /// Whether everything that a relocation changes is there.
    fn covers(&self, entry: &Rela) -> bool {
        const WIDEST: usize = 8;
        let end = usize::try_from(entry.r_offset.get(LE)).ok().and_then(|at| at.checked_add(WIDEST));
        self.done >= self.from.len() || end.is_some_and(|end| end <= self.done)
    }

    fn more(&mut self, to: &mut [u8]) {
        self.until(self.done.saturating_add(PIECE), to);
    }

    fn all(&mut self, to: &mut [u8]) {
        self.until(self.from.len(), to);
    }

    fn until(&mut self, end: usize, to: &mut [u8]) {
        let end = end.min(self.from.len());
        if let (Some(to), Some(from)) = (to.get_mut(self.done..end), self.from.get(self.done..end)) {
            to.copy_from_slice(from);
        }
        self.done = end;
    }
}

/// Stores `field` at `at`, if that is inside.
#[inline]
fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) -> bool {
    let place = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    place.is_some_and(|place| {
        *place = field;
        true
    })
}

/// The value as the field's reader would read it.
fn readable(howto: &Howto, value: u64) -> i128 {
    match howto.fit {
        howto::Fit::Unsigned | howto::Fit::Both => value.into(),
        _ => value.cast_signed().into(),
    }
}

#[cold]
fn outside(section: &Section<'_>, entry: &Rela) -> Error {
    Error::RelocationOutsideSection { site: site(section, entry), size: section.size }
}
