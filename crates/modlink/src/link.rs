//! The applying pass: with a base and the addresses of the imports, writes the image.

mod apply;
pub(crate) mod relax;
mod targets;

use alloc::{string::String, vec::Vec};

use crate::{Addr, Buffer, Error, Image, Layout, Result, addr::index, layout::STUB};
use apply::Pass;
pub(crate) use targets::Targets;

/// The opcode of `jmp *disp32(%rip)`.
const JUMP_THROUGH: [u8; 2] = [0xff, 0x25];

/// The size of the jump of a stub in bytes.
const JUMP: u64 = 6;

/// What fills the rest of a stub: `int3`.
const STUB_FILL: [u8; 2] = [0xcc, 0xcc];

impl Layout<'_> {
    /// Writes the image that is right at `base` into `out`, which has [`Layout::size`] bytes anywhere.
    ///
    /// `resolve` gives the address of an import by its name; it is asked once for each of [`Layout::imports`].
    /// After an error the contents of `out` are not to be used.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`] with every import that `resolve` does not know and that is not weak;
    /// [`Error::OutOfRange`] for the first value that does not fit;
    /// [`Error::UnalignedBase`], [`Error::PastAddressSpace`] and [`Error::WrongBuffer`].
    pub fn link<'l>(&'l self, base: Addr, resolve: impl FnMut(&'l str) -> Option<Addr>, out: &mut [u8]) -> Result<Image<'l>> {
        self.check_target(base, out)?;
        let mut targets = Targets::new(self, base);
        let found = self.bind(base, resolve, &mut targets)?;
        self.write(base, &targets, out)?;
        for (import, addr) in self.imports.iter().zip(found) {
            targets.set(import.index.0, addr);
        }
        self.write_slots(&targets, out).and_then(|()| self.write_stubs(out)).ok_or_else(|| self.buffer_error(out.len()))?;
        Ok(Image::new(self, base, targets))
    }

    fn check_target(&self, base: Addr, out: &[u8]) -> Result<()> {
        let page = self.options.page_size;
        if base.0 & page.wrapping_sub(1) != 0 {
            return Err(Error::UnalignedBase { base, page });
        }
        let (machine, size) = (self.object.machine, self.size());
        if base.0.checked_add(size).is_none_or(|end| end > machine.address_limit()) {
            return Err(Error::PastAddressSpace { base, size, machine });
        }
        let found = out.len() as u64;
        if found != size { Err(Error::WrongBuffer { expected: size, found }) } else { Ok(()) }
    }

    /// Finds the imports and answers their addresses. One that is only called and out of reach gets its stub's address
    /// as its value, so that calls need no second look.
    fn bind<'l>(&'l self, base: Addr, mut resolve: impl FnMut(&'l str) -> Option<Addr>, targets: &mut Targets<'_>) -> Result<Vec<Addr>> {
        for &(symbol, offset) in &self.provided {
            targets.set(symbol.0, base.offset(offset));
        }
        let mut undefined: Vec<String> = Vec::new();
        let mut found = Vec::with_capacity(self.imports.len());
        for import in &self.imports {
            let addr = resolve(import.name);
            if addr.is_none() && !import.weak {
                undefined.push(import.name.into());
            }
            let addr = addr.unwrap_or_default();
            let far = import.only_called && !self.reaches(base, addr);
            let stub = if far { self.slots.stub_of(import.index.0) } else { None };
            targets.set(import.index.0, stub.map_or(addr, |stub| self.stub_addr(base, stub)));
            found.push(addr);
        }
        if undefined.is_empty() { Ok(found) } else { Err(Error::Undefined { symbols: undefined }) }
    }

    /// Whether a call from anywhere in the image reaches `addr`, whatever its addend.
    fn reaches(&self, base: Addr, addr: Addr) -> bool {
        const REACH: u64 = 1 << 31;
        const ADDENDS: u64 = 1 << 16;
        base.0.abs_diff(addr.0).saturating_add(self.size()).saturating_add(ADDENDS) < REACH
    }

    fn stub_addr(&self, base: Addr, stub: u32) -> Addr {
        base.offset(self.placement.stubs.into()).offset(u64::from(stub).saturating_mul(STUB.into()))
    }

    fn write(&self, base: Addr, targets: &Targets<'_>, out: &mut [u8]) -> Result<()> {
        if self.options.buffer == Buffer::Dirty {
            out.fill(0);
        }
        let size = out.len();
        let pass = Pass::new(self, base, targets);
        let mut tables = self.object.relocations.as_slice();
        for ((number, section), place) in (0..).zip(&self.object.sections).zip(self.placement.all()) {
            let Some(place) = place else { continue };
            let bytes = window(out, place, section.data.len()).ok_or_else(|| self.buffer_error(size))?;
            tables = tables.get(tables.partition_point(|table| table.target < number)..).unwrap_or_default();
            let (own, others) = tables.split_at(tables.partition_point(|table| table.target == number));
            pass.section(section, place, own, bytes)?;
            tables = others;
        }
        Ok(())
    }

    fn write_slots(&self, targets: &Targets<'_>, out: &mut [u8]) -> Option<()> {
        let pointer = index(self.object.machine.pointer());
        let slots = &self.slots.symbols;
        let table = window(out, self.placement.table, slots.len().checked_mul(pointer)?)?;
        for (slot, &symbol) in table.chunks_exact_mut(pointer).zip(slots) {
            let value = targets.addr(symbol).unwrap_or_default().0.to_le_bytes();
            slot.copy_from_slice(value.get(..pointer)?);
        }
        Some(())
    }

    fn write_stubs(&self, out: &mut [u8]) -> Option<()> {
        const SIZE: usize = STUB as usize;
        let count = index(self.slots.stubs);
        let stubs = window(out, self.placement.stubs, count.checked_mul(SIZE)?)?;
        let distance = u64::from(self.placement.table).wrapping_sub(u64::from(self.placement.stubs));
        // Slot and stub have the same size on x86-64, the only machine with stubs, so the distance stays the same.
        const { assert!(SIZE == 8) };
        let displacement = i32::try_from(distance.wrapping_sub(JUMP).cast_signed()).ok()?;
        for stub in stubs.chunks_exact_mut(SIZE) {
            let (opcode, rest) = stub.split_first_chunk_mut::<2>()?;
            let (field, fill) = rest.split_first_chunk_mut::<4>()?;
            *opcode = JUMP_THROUGH;
            *field = displacement.to_le_bytes();
            fill.copy_from_slice(&STUB_FILL);
        }
        Some(())
    }

    fn buffer_error(&self, found: usize) -> Error {
        Error::WrongBuffer { expected: self.size(), found: found as u64 }
    }
}

/// `size` bytes of the image at `place`.
fn window(out: &mut [u8], place: u32, size: usize) -> Option<&mut [u8]> {
    out.get_mut(index(place)..)?.get_mut(..size)
}
