//! The address of every symbol, in four bytes each: the link's only table by symbol, small enough to stay near while the
//! applying pass asks it in random order.

use alloc::vec::Vec;

use ::object::LittleEndian as LE;

use crate::{
    Addr, Layout, Machine, Relax, SymbolPlace,
    addr::index,
    layout::Slots,
    object::{MOST_SYMBOLS, Sym},
};

/// The codes of symbols: from here on a distance from the base; below, the position of an [`Other`].
const DISTANCES: i32 = i32::MIN + (1 << 28);

/// There is at most one [`Other`] for each symbol, and one for all that have no address.
const _: () = assert!(MOST_SYMBOLS < DISTANCES.abs_diff(i32::MIN) as usize);

/// The run addresses of all symbols of an image.
#[derive(Clone, Debug)]
pub(crate) struct Targets<'l> {
    base: Addr,
    slots: &'l Slots,
    codes: Vec<i32>,
    /// The first one has no address.
    others: Vec<Other>,
}

/// A symbol of which a distance does not say everything: it may be anywhere, or be asked for its slot.
#[derive(Clone, Copy, Debug)]
struct Other {
    addr: Addr,
    /// Its slot, if that is known without a search.
    slot: Option<u32>,
}

/// What stands for symbols without an address.
const NOWHERE: Other = Other { addr: Addr(0), slot: None };

impl<'l> Targets<'l> {
    /// The symbols that the object defines, and the address 0 for every other symbol.
    pub(super) fn new(layout: &'l Layout<'_>, base: Addr) -> Self {
        let slots = &layout.slots;
        let others = Vec::with_capacity(slots.symbols.len().saturating_add(layout.imports.len()).saturating_add(1));
        let mut targets = Self { base, slots, codes: Vec::new(), others };
        targets.others.push(NOWHERE);
        let direct = layout.placement.direct();
        let code = |(number, sym): (u32, &Sym)| {
            let place = direct.get(usize::from(sym.st_shndx.get(LE).0)).copied().unwrap_or(u32::MAX);
            let offset = sym.st_value.get(LE).wrapping_add(place.into());
            // The place of a section that is not in the image is a number that is too large.
            match (i32::try_from(offset), i32::try_from(place)) {
                (Ok(offset), Ok(_)) => offset,
                _ => targets.rare(layout, number, sym),
            }
        };
        targets.codes = (0..).zip(layout.object.symbols.iter()).map(code).collect();
        for &(symbol, place) in &layout.placement.commons {
            targets.set(symbol, base.offset(place.into()));
        }
        targets.note_slots(layout);
        targets
    }

    /// Keeps the slots at hand that many relocations will ask for: those of symbols of the image, which an instruction
    /// insisted on, and all of them where nothing is rewritten. Imports that are out of reach follow in [`Targets::set`].
    fn note_slots(&mut self, layout: &Layout<'_>) {
        let rewritten = layout.options.relax == Relax::WherePossible && layout.object.machine == Machine::X86_64;
        for (slot, &symbol) in (0..).zip(&self.slots.symbols) {
            let Some(addr) = self.addr(symbol) else { continue };
            let Some(code) = self.codes.get_mut(index(symbol)) else { continue };
            if *code >= DISTANCES || !rewritten {
                *code = push(&mut self.others, Other { addr, slot: Some(slot) });
            }
        }
    }

    /// The address of a symbol, if there is such a symbol.
    pub(crate) fn addr(&self, symbol: u32) -> Option<Addr> {
        self.distances().of(symbol).map(|distance| self.base.offset(distance))
    }

    /// The addresses of the symbols from `first` on, in their order.
    pub(crate) fn from(&self, first: u32) -> impl Iterator<Item = Addr> + '_ {
        let (codes, distances) = (self.codes.get(index(first)..).unwrap_or_default(), self.distances());
        codes.iter().map(move |&code| self.base.offset(distances.decode(code).unwrap_or(0)))
    }

    /// The symbols' distances from the base.
    #[inline]
    pub(super) fn distances(&self) -> Distances<'_> {
        Distances { base: self.base, codes: &self.codes, others: &self.others }
    }

    /// The slot of a symbol, if it has one.
    pub(super) fn slot(&self, symbol: u32) -> Option<u32> {
        let other = position(*self.codes.get(index(symbol))?).and_then(|position| self.others.get(position));
        other.and_then(|other| other.slot).or_else(|| self.slots.of(symbol))
    }

    /// Gives a symbol an address.
    pub(super) fn set(&mut self, symbol: u32, addr: Addr) {
        let near = self.near(addr);
        let Some(code) = self.codes.get_mut(index(symbol)) else { return };
        match (position(*code).filter(|&position| position != 0), near) {
            (Some(position), _) => {
                if let Some(other) = self.others.get_mut(position) {
                    other.addr = addr;
                }
            }
            (None, Some(near)) => *code = near,
            (None, None) => *code = push(&mut self.others, Other { addr, slot: self.slots.of(symbol) }),
        }
    }

    /// The code of an address whose distance is a code.
    fn near(&self, addr: Addr) -> Option<i32> {
        let distance = i32::try_from(addr.0.wrapping_sub(self.base.0).cast_signed());
        distance.ok().filter(|&distance| distance >= DISTANCES)
    }

    /// The code of a symbol whose value is no offset within the image, or whose section its record does not tell.
    #[cold]
    #[inline(never)]
    fn rare(&mut self, layout: &Layout<'_>, number: u32, sym: &Sym) -> i32 {
        let value = sym.st_value.get(LE);
        let addr = match layout.object.place(number, sym) {
            SymbolPlace::Section(section) => match layout.placement.of(section) {
                Some(place) => self.base.offset(place.into()).offset(value),
                // Of a symbol that is not loaded, the value does not count.
                None => Addr(value),
            },
            SymbolPlace::Absolute => Addr(value),
            SymbolPlace::Undefined | SymbolPlace::Common => NOWHERE.addr,
        };
        match self.near(addr) {
            _ if addr == NOWHERE.addr => i32::MIN,
            Some(near) => near,
            None => push(&mut self.others, Other { addr, slot: None }),
        }
    }
}

/// What [`Targets`] says of all symbols, for a loop that asks often.
#[derive(Clone, Copy)]
pub(super) struct Distances<'t> {
    base: Addr,
    codes: &'t [i32],
    others: &'t [Other],
}

impl Distances<'_> {
    /// The distance of a symbol from the base in bytes modulo 2^64, if there is such a symbol.
    #[inline]
    pub(super) fn of(&self, symbol: u32) -> Option<u64> {
        self.decode(*self.codes.get(index(symbol))?)
    }

    #[inline]
    fn decode(&self, code: i32) -> Option<u64> {
        match position(code) {
            None => Some(i64::from(code).cast_unsigned()),
            Some(position) => Some(self.others.get(position)?.addr.0.wrapping_sub(self.base.0)),
        }
    }
}

/// The position of the [`Other`] for which a code stands.
#[inline]
fn position(code: i32) -> Option<usize> {
    if code < DISTANCES { Some(index(code.abs_diff(i32::MIN))) } else { None }
}

/// Adds an entry and answers its code.
fn push(others: &mut Vec<Other>, other: Other) -> i32 {
    let position = i32::try_from(others.len()).unwrap_or(0);
    others.push(other);
    i32::MIN.saturating_add(position)
}
