//! Computing and storing every relocated value.

use ::object::LittleEndian as LE;

use crate::{
    Addr, Error, Layout, Relax, Result,
    addr::index,
    howto::{self, Formula, Howto, Misfit, Quick, store_address, store_distance},
    layout::{STUB, outside, site, unloaded_home},
    link::relax,
    object::{Class, Rela, Section},
};

/// The applying pass over all relocations.
pub(super) struct Pass<'l> {
    layout: &'l Layout<'l>,
    values: &'l [u64],
    types: &'static howto::Table,
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
        Self {
            layout,
            values,
            types: howto::table(object.machine, object.format),
            table: base.offset(layout.placement.table.into()).0,
            stubs: base.offset(layout.placement.stubs.into()).0,
            slot: object.machine.pointer().into(),
            discarded: object.sections.iter().any(|section| section.discarded),
        }
    }

    /// Applies the relocations `entries` of a section that runs at `run` to its bytes.
    pub(super) fn section(&self, section: &Section<'_>, run: u64, entries: &[Rela], bytes: &mut [u8]) -> Result<()> {
        let relax = self.relaxes(section);
        if self.discarded && section.class == Class::EhFrame {
            return self.unwind_tables(section, run, entries, bytes);
        }
        let mut rest = entries;
        while let Some((entry, tail)) =
            rest.get(quick_stores(self.types, self.values, (run, relax), bytes, rest)..).and_then(<[Rela]>::split_first)
        {
            let target = self.values.get(index(entry.r_sym(LE, false))).copied().unwrap_or(0);
            let place = run.wrapping_add(entry.r_offset.get(LE));
            if !self.through_slot(entry, place, bytes) {
                self.any(section, entry, (target, place), bytes)?;
            }
            rest = tail;
        }
        Ok(())
    }

    /// The short path of a symbol that is out of reach: loads read its slot, calls go through its stub.
    #[inline(never)]
    fn through_slot(&self, entry: &Rela, place: u64, bytes: &mut [u8]) -> bool {
        let slots = &self.layout.slots;
        let (symbol, addend) = (entry.r_sym(LE, false), entry.r_addend.get(LE));
        let target = match self.types.quick(entry.r_type(LE, false).0) {
            Quick::Relaxable if addend == relax::ADDEND && relax::is_load_at(bytes, entry.r_offset.get(LE)) => {
                slots.of(symbol).map(|slot| (self.table, slot, self.slot))
            }
            Quick::Call => slots.stub_of(symbol).map(|stub| (self.stubs, stub, STUB.into())),
            _ => None,
        };
        let Some((start, number, size)) = target else { return false };
        let target = start.wrapping_add(u64::from(number).wrapping_mul(size));
        let distance = target.wrapping_add_signed(addend).wrapping_sub(place);
        let around = relax::surroundings(bytes, entry.r_offset.get(LE));
        around.is_some_and(|mut around| store_distance(distance, around.field()).is_ok())
    }

    /// As [`Pass::section`], of unwind tables some of whose code is not in the image: those entries stay empty.
    #[cold]
    fn unwind_tables(&self, section: &Section<'_>, run: u64, entries: &[Rela], bytes: &mut [u8]) -> Result<()> {
        for entry in entries {
            let symbol = entry.r_sym(LE, false);
            if unloaded_home(self.layout.object, &self.layout.placement, symbol).is_none() {
                let target = self.values.get(index(symbol)).copied().unwrap_or(0);
                self.any(section, entry, (target, run.wrapping_add(entry.r_offset.get(LE))), bytes)?;
            }
        }
        Ok(())
    }

    /// Applies a relocation of any type, or says why it cannot be.
    #[inline(never)]
    fn any(&self, section: &Section<'_>, entry: &Rela, (target, place): (u64, u64), bytes: &mut [u8]) -> Result<()> {
        let Some(howto) = self.types.find(entry.r_type(LE, false).0) else { return Ok(()) };
        let addend = entry.r_addend.get(LE);
        let plus = target.wrapping_add_signed(addend);
        let Ok(at) = usize::try_from(entry.r_offset.get(LE)) else { return Err(outside(section, entry)) };
        let value = match howto.formula {
            Formula::Nothing => return Ok(()),
            Formula::Absolute => plus,
            Formula::Relative | Formula::Branch => plus.wrapping_sub(place),
            Formula::SlotRelaxable if self.relaxes(section) && relax::rewrite(bytes, at, addend, target, place) => return Ok(()),
            formula => {
                let before = bytes.get(..at).unwrap_or_default();
                self.uncommon(formula, entry.r_sym(LE, false), addend, place, plus, before)
            }
        };
        let Some(field) = bytes.get_mut(at..) else { return Err(outside(section, entry)) };
        match howto.store(value, field) {
            Ok(()) => Ok(()),
            Err(misfit) => self.far(section, entry, howto, (place, value), misfit, bytes),
        }
    }

    fn relaxes(&self, section: &Section<'_>) -> bool {
        self.layout.options.relax == Relax::WherePossible && section.class.is_code()
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

/// The value as the field's reader would read it.
fn readable(howto: &Howto, value: u64) -> i128 {
    match howto.fit {
        howto::Fit::Unsigned | howto::Fit::Both => value.into(),
        _ => value.cast_signed().into(),
    }
}

/// Applies `entries`, of a section that runs at `run`, on the short path, up to the first one that needs the long way,
/// and returns how many were applied. A function of its own, small enough to be kept in registers: at 100,000 functions
/// it runs 700,000 times.
#[inline(never)]
fn quick_stores(types: &howto::Table, values: &[u64], (run, relax): (u64, bool), bytes: &mut [u8], entries: &[Rela]) -> usize {
    let long_way = |entry: &Rela| {
        let (offset, addend) = (entry.r_offset.get(LE), entry.r_addend.get(LE));
        let Some(&target) = values.get(index(entry.r_sym(LE, false))) else { return true };
        let Some(mut around) = relax::surroundings(bytes, offset) else { return true };
        let plus = target.wrapping_add_signed(addend);
        let distance = plus.wrapping_sub(run.wrapping_add(offset));
        // Comparisons rather than a jump through a table: the types of an object come in patterns.
        let quick = types.quick(entry.r_type(LE, false).0);
        let stored = if quick == Quick::Relaxable {
            relax && around.load_address(addend, distance)
        } else if quick == Quick::Address {
            store_address(plus, around.field()).is_ok()
        } else {
            quick != Quick::No && store_distance(distance, around.field()).is_ok()
        };
        !stored
    };
    entries.iter().position(long_way).unwrap_or(entries.len())
}
