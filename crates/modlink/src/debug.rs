//! What debuggers and profilers get: the object with the addresses at which its sections run.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Addr, Layout, Object, SymbolKind, SymbolPlace, addr::index};

/// A function of an object that [`Layout::debug_object`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedFunction<'a> {
    /// Its name, also where only its own file knows it.
    pub name: &'a str,
    /// Where it runs.
    pub addr: Addr,
    /// Its size in bytes, 0 when unknown.
    pub size: u64,
}

impl Layout<'_> {
    /// A copy of the object whose section headers carry the addresses at which the sections run from `base` on: what a
    /// debugger needs to find symbols and lines (gdb's JIT interface reads a relocatable object with `sh_addr` set).
    /// Nothing for a.out objects, which have no section headers.
    #[must_use]
    pub fn debug_object(&self, base: Addr) -> Option<Vec<u8>> {
        let fields = self.object.address_fields()?;
        let mut copy = self.object.bytes.to_vec();
        for (section, place) in fields.zip(self.placement.all()) {
            let Some(place) = place else { continue };
            let addr = base.offset(place.into()).0.to_le_bytes();
            let Range { start, end } = section;
            let field = copy.get_mut(start..end)?;
            field.copy_from_slice(addr.get(..field.len())?);
        }
        Some(copy)
    }
}

impl<'a> Object<'a> {
    /// The functions of an object made by [`Layout::debug_object`], with the addresses that its section headers carry.
    pub fn placed_functions(&self) -> impl Iterator<Item = PlacedFunction<'a>> + '_ {
        let starts: Vec<u64> = self.address_fields().into_iter().flatten().map(|field| self.address(field)).collect();
        self.symbols().filter(|symbol| symbol.kind == SymbolKind::Function).filter_map(move |symbol| {
            let SymbolPlace::Section(section) = symbol.place else { return None };
            let addr = starts.get(index(section))?.checked_add(symbol.value)?;
            Some(PlacedFunction { name: symbol.name, addr: Addr(addr), size: symbol.size })
        })
    }

    /// The number in a section header's `sh_addr`.
    fn address(&self, field: Range<usize>) -> u64 {
        let bytes = self.bytes.get(field).unwrap_or_default();
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}
