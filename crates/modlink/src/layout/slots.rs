//! The slots of the global offset table and the stubs for calls that do not reach.

use alloc::vec::Vec;

use super::check::Marks;
use crate::addr::index;

/// The size of a stub in bytes: `jmp *slot(%rip)` and padding.
pub(crate) const STUB: u32 = 8;

/// Which symbols have a slot; the first ones have a stub too, which jumps through it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// The symbols in the order of their slots.
    pub(crate) symbols: Vec<u32>,
    /// How many of the first slots have a stub.
    pub(crate) stubs: u32,
}

impl Slots {
    /// One slot for each symbol that a relocation wants one for, whatever the number and types of those.
    pub(super) fn new(marks: &Marks) -> Self {
        let mut slots = Self::default();
        slots.symbols.extend(marks.wanting_stub());
        slots.stubs = u32::try_from(slots.symbols.len()).unwrap_or(u32::MAX);
        slots.symbols.extend(marks.wanting_slot_only());
        slots
    }

    /// The slot of a symbol, if it has one: those with a stub and those without are each in the order of the symbols.
    pub(crate) fn of(&self, symbol: u32) -> Option<u32> {
        let (with_stub, others) = self.symbols.split_at_checked(index(self.stubs))?;
        let slot = match with_stub.binary_search(&symbol) {
            Ok(at) => at,
            Err(_) => with_stub.len().checked_add(others.binary_search(&symbol).ok()?)?,
        };
        u32::try_from(slot).ok()
    }

    /// The stub of a symbol, if it has one.
    pub(crate) fn stub_of(&self, symbol: u32) -> Option<u32> {
        self.of(symbol).filter(|&slot| slot < self.stubs)
    }

    /// The size of all stubs in bytes.
    pub(super) fn stub_bytes(&self) -> u64 {
        u64::from(self.stubs) * u64::from(STUB)
    }

    /// The size of the global offset table in bytes.
    pub(super) fn table_bytes(&self, pointer: u32) -> u64 {
        self.symbols.len() as u64 * u64::from(pointer)
    }
}
