//! Computing and storing every relocated value.

use ::object::LittleEndian as LE;

use crate::{
    Addr, Error, Layout, Relax, Result,
    addr::index,
    howto::{self, Formula, Howto, Misfit, Shortcut},
    layout::{STUB, site, unloaded_home},
    link::{Targets, relax},
    object::{Class, Rela, Relocations, Section},
};

type Shortcuts = [Shortcut; howto::TYPES];

/// The applying pass over all relocations.
pub(super) struct Pass<'l> {
    layout: &'l Layout<'l>,
    base: Addr,
    targets: &'l Targets<'l>,
    types: &'static howto::Table,
    /// The straight line of each type where instructions are rewritten and where they are not: the table's column that
    /// the pass reads most, close together.
    rewriting: Shortcuts,
    keeping: Shortcuts,
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
    pub(super) fn new(layout: &'l Layout<'_>, base: Addr, targets: &'l Targets<'l>) -> Self {
        let object = layout.object;
        let types = howto::table(object.machine, object.format);
        let rewriting = types.map(|howto| howto.shortcut);
        Self {
            layout,
            base,
            targets,
            types,
            rewriting,
            keeping: rewriting.map(|shortcut| if shortcut == Shortcut::Rewrite { Shortcut::Slot } else { shortcut }),
            table: base.offset(layout.placement.table.into()).0,
            stubs: base.offset(layout.placement.stubs.into()).0,
            slot: object.machine.pointer().into(),
            discarded: object.sections.iter().any(|section| section.discarded),
        }
    }

    /// Copies a section that runs at `start` from the base to `bytes` and applies its relocations.
    pub(super) fn section(&self, section: &Section<'_>, start: u32, tables: &[Relocations<'_>], bytes: &mut [u8]) -> Result<()> {
        let mut copy = Copy { from: section.data, done: 0 };
        for table in tables {
            if self.discarded && section.class == Class::EhFrame {
                copy.all(bytes);
                self.unwind_tables(section, start, &table.entries, bytes)?;
            } else {
                self.table(section, start, &table.entries, bytes, &mut copy)?;
            }
        }
        copy.all(bytes);
        Ok(())
    }

    /// Applies one table. Bytes are copied a piece at a time and relocated while they are in the nearest cache; the
    /// relocations of an assembler are in the order of their places, and any other order is right too.
    fn table(&self, section: &Section<'_>, start: u32, entries: &[Rela], bytes: &mut [u8], copy: &mut Copy<'_>) -> Result<()> {
        let shortcuts = match self.layout.options.relax {
            Relax::WherePossible if section.class.is_code() => &self.rewriting,
            _ => &self.keeping,
        };
        let mut rest = entries;
        loop {
            let copied = bytes.get_mut(..copy.done).unwrap_or_default();
            rest = self.straight(start, shortcuts, rest, copied);
            let [entry, behind @ ..] = rest else { return Ok(()) };
            if copy.covers(entry) {
                self.one(section, start, entry, bytes)?;
                rest = behind;
            } else {
                copy.more(bytes);
            }
        }
    }

    /// Unwind tables of an object with discarded groups: the entries of code that is not there stay empty.
    fn unwind_tables(&self, section: &Section<'_>, start: u32, entries: &[Rela], bytes: &mut [u8]) -> Result<()> {
        let (object, placement) = (self.layout.object, &self.layout.placement);
        let mut there = entries.iter().filter(|entry| unloaded_home(object, placement, entry.r_sym(LE, false)).is_none());
        there.try_for_each(|entry| self.one(section, start, entry, bytes))
    }

    /// Applies relocations as long as they are of the frequent types and in reach, and answers the others. This loop
    /// decides how fast the pass is, so it does nothing else. It computes with distances from the base: those of the
    /// image and of imports in reach fit in 32 bits.
    #[inline(never)]
    fn straight<'e>(&self, start: u32, shortcuts: &Shortcuts, entries: &'e [Rela], bytes: &mut [u8]) -> &'e [Rela] {
        let (distances, start, base) = (self.targets.distances(), u64::from(start), self.base.0);
        let mut apply = |entry: &Rela| {
            let Some(target) = distances.of(entry.r_sym(LE, false)) else { return false };
            let (at, addend) = (checked_offset(entry), entry.r_addend.get(LE));
            let plus = target.wrapping_add_signed(addend);
            let distance = signed(plus.wrapping_sub(at as u64).wrapping_sub(start));
            // No `match`: the compiler would make a table of jumps of it, which costs twice as much.
            let shortcut = shortcut(shortcuts, entry);
            if shortcut == Shortcut::Distance {
                return distance.is_some_and(|distance| put(bytes, at, distance.to_le_bytes()));
            }
            if shortcut == Shortcut::Rewrite {
                return match distance {
                    Some(distance) => relax::load(bytes, at, addend, distance),
                    None => self.slot(entry, start, bytes),
                };
            }
            if shortcut == Shortcut::Word { put(bytes, at, plus.wrapping_add(base).to_le_bytes()) } else { self.slot(entry, start, bytes) }
        };
        let mut rest = entries.iter();
        loop {
            let before = rest.as_slice();
            match rest.next() {
                Some(entry) if apply(entry) => {}
                _ => return before,
            }
        }
    }

    /// Makes an instruction of the section at `start` refer to its slot, if it may and there is one.
    #[inline(never)]
    fn slot(&self, entry: &Rela, start: u64, bytes: &mut [u8]) -> bool {
        if !matches!(shortcut(&self.keeping, entry), Shortcut::Slot) {
            return false;
        }
        let Some(slot) = self.targets.slot(entry.r_sym(LE, false)) else { return false };
        let slot = self.table.wrapping_add(u64::from(slot).wrapping_mul(self.slot));
        let (at, place) = (checked_offset(entry), self.base.offset(start).offset(entry.r_offset.get(LE)).0);
        let distance = signed(slot.wrapping_add_signed(entry.r_addend.get(LE)).wrapping_sub(place));
        distance.is_some_and(|distance| put(bytes, at, distance.to_le_bytes()))
    }

    /// Applies any relocation.
    fn one(&self, section: &Section<'_>, start: u32, entry: &Rela, bytes: &mut [u8]) -> Result<()> {
        let Ok(at) = usize::try_from(entry.r_offset.get(LE)) else { return Err(outside(section, entry)) };
        let howto = howto::checked(self.types, entry.r_type(LE, false).0);
        let symbol = entry.r_sym(LE, false);
        let target = self.targets.addr(symbol).unwrap_or_default().0;
        let addend = entry.r_addend.get(LE);
        let place = self.base.offset(start.into()).offset(entry.r_offset.get(LE)).0;
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
            let slot = u64::from(self.targets.slot(symbol).unwrap_or(0));
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

/// How many bytes are copied at a time: so few that they are still in the nearest cache when they are relocated, and that
/// a copy is done by ordinary moves. A C library copies larger pieces by one string instruction, which is slow where it
/// meets pages that are not there yet.
const PIECE: usize = 2 << 10;

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

/// The straight line for a relocation, whose type the checking pass has found below the number of types.
#[inline]
fn shortcut(shortcuts: &Shortcuts, entry: &Rela) -> Shortcut {
    const { assert!(howto::TYPES.is_power_of_two()) };
    shortcuts[index(entry.r_type(LE, false).0) & (howto::TYPES - 1)]
}

/// The offset of a relocation in bytes. The checking pass has found it inside of its section, which is part of an image,
/// so 32 bits hold it; and with so few a sum of it and a field's size needs no check.
#[inline]
fn checked_offset(entry: &Rela) -> usize {
    index(entry.r_offset.get(LE) as u32)
}

/// The number as a signed one of 32 bits, if it is one.
#[inline]
fn signed(number: u64) -> Option<i32> {
    let low = number as i32;
    (i64::from(low).cast_unsigned() == number).then_some(low)
}

/// Stores `field` at `at`, if that is inside.
#[inline]
fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) -> bool {
    let place = at.checked_add(N).and_then(|end| bytes.get_mut(at..end)).and_then(<[u8]>::first_chunk_mut);
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
