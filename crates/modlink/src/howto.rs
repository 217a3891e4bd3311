//! How each relocation type is computed, checked and stored: one constant table per machine, one routine for all.

mod aout;
mod i386;
mod x86_64;

use crate::{Format, Limits, Machine, Remedy, addr::index};

/// The value of a relocation, in the letters of the psABIs: S the symbol's address, A the addend, P the place, G the
/// symbol's slot relative to the global offset table, GOT the table's address, Z the symbol's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// Nothing is stored.
    Nothing,
    /// S + A.
    Absolute,
    /// S + A - P.
    Relative,
    /// S + A - P, or the same to a stub that jumps to S: only ever a call or a jump.
    Branch,
    /// GOT + G + A - P: a slot, relative to the place.
    Slot,
    /// As `Slot`, of an instruction that may be rewritten to do without.
    SlotRelaxable,
    /// G + A: a slot, relative to the table.
    SlotInTable,
    /// G + A, or GOT + G + A in an instruction without base register (i386 psABI, `R_386_GOT32X`).
    SlotByInstruction,
    /// GOT + A - P.
    Table,
    /// S + A - GOT.
    FromTable,
    /// Z + A.
    Size,
    /// Thread-local storage: refused.
    ThreadLocal,
    /// Of linked files only: refused.
    Dynamic,
    /// No type of the machine: refused.
    Unknown,
}

/// Which values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Whatever the arithmetic of the machine's word gives.
    Wrap,
    /// A signed number.
    Signed,
    /// An unsigned number.
    Unsigned,
    /// A signed or an unsigned number.
    Either,
    /// A number that is the same whether it is read signed or unsigned.
    Both,
}

/// The types that nearly all relocations of real objects have, and for which the passes have a short path. Everything
/// else, and what does not fit on a short path, goes the long way, which knows all types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quick {
    /// No short path.
    No,
    /// S + A - P in 4 bytes.
    Distance,
    /// The same, and only ever a call or a jump.
    Call,
    /// S + A in 8 bytes.
    Address,
    /// A slot in 4 bytes that the instruction may do without.
    Relaxable,
}

impl Quick {
    /// See [`Asks::of`], for a symbol in another object and for one in the image: that one needs nothing but a slot.
    const fn asks(self) -> [u8; 2] {
        match self {
            Self::No => [need::LOOK; 2],
            Self::Distance => [need::LOOK, 0],
            Self::Call => [need::USED | need::STUB, 0],
            Self::Address => [need::USED | need::DATA, 0],
            Self::Relaxable => [need::USED | need::DATA | need::SLOT, need::LOOK_AT_LOAD],
        }
    }
}

/// One relocation type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Howto {
    /// The psABI's name.
    pub(crate) name: &'static str,
    /// What is stored.
    pub(crate) formula: Formula,
    /// The size of the field in bytes.
    pub(crate) size: u8,
    /// Which values the field holds.
    pub(crate) fit: Fit,
    /// What the layout has to provide, see [`need`].
    pub(crate) needs: u8,
    /// Which straight line of the applying pass may serve it.
    pub(crate) shortcut: Shortcut,
}

/// The types of which objects are full, for which the applying pass has straight lines. A shortcut does what
/// [`Howto::store`] would do, or nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortcut {
    /// None.
    None,
    /// S + A - P, 4 bytes, signed.
    Distance,
    /// S + A, 8 bytes.
    Word,
    /// An instruction that may be rewritten.
    Rewrite,
}

/// What relocations ask of the layout for their symbol, as bits.
pub(crate) mod need {
    /// The symbol's address, at least.
    pub(crate) const USED: u8 = 1;
    /// A slot of the global offset table.
    pub(crate) const SLOT: u8 = 2;
    /// A stub, should the symbol be far.
    pub(crate) const STUB: u8 = 4;
    /// The address for something else than a call.
    pub(crate) const DATA: u8 = 8;
    /// A look at the instruction.
    pub(crate) const LOOK: u8 = 16;
    /// What nothing can give.
    pub(crate) const REFUSAL: u8 = 128;
    /// What a symbol of the image has by being there: all but a slot.
    pub(crate) const INSIDE: u8 = USED | STUB | DATA | LOOK;
}

impl Howto {
    const fn new(name: &'static str, formula: Formula, size: u8, fit: Fit) -> Self {
        let needs = match formula {
            Formula::Nothing => 0,
            Formula::Absolute | Formula::FromTable | Formula::Size | Formula::Table => need::USED | need::DATA,
            Formula::Relative => need::USED | need::LOOK,
            Formula::Branch => need::USED | need::STUB,
            Formula::SlotRelaxable => need::USED | need::DATA | need::SLOT,
            Formula::Slot | Formula::SlotInTable | Formula::SlotByInstruction => need::USED | need::DATA | need::SLOT,
            Formula::ThreadLocal | Formula::Dynamic | Formula::Unknown => need::REFUSAL,
        };
        let shortcut = match (formula, size, fit) {
            (Formula::Relative | Formula::Branch, 4, Fit::Signed) => Shortcut::Distance,
            (Formula::Absolute, 8, _) => Shortcut::Word,
            (Formula::SlotRelaxable, ..) => Shortcut::Rewrite,
            _ => Shortcut::None,
        };
        Self { name, formula, size, fit, needs, shortcut }
    }

    const fn quick(&self) -> Quick {
        match (self.formula, self.size, self.fit) {
            (Formula::Relative, 4, Fit::Signed) => Quick::Distance,
            (Formula::Branch, 4, Fit::Signed) => Quick::Call,
            (Formula::Absolute, 8, Fit::Wrap) => Quick::Address,
            (Formula::SlotRelaxable, 4, Fit::Signed) => Quick::Relaxable,
            _ => Quick::No,
        }
    }

    /// The ends of what the field holds.
    pub(crate) fn limits(&self) -> Limits {
        let bits = u32::from(self.size) * 8;
        let (whole, half) = (1_i128 << bits, 1_i128 << (bits.max(1) - 1));
        match self.fit {
            Fit::Wrap => Limits { min: -whole, max: whole },
            Fit::Signed => Limits { min: -half, max: half - 1 },
            Fit::Unsigned => Limits { min: 0, max: whole - 1 },
            Fit::Either => Limits { min: -half, max: whole - 1 },
            Fit::Both => Limits { min: 0, max: half - 1 },
        }
    }

    /// What the author can do when a value does not fit.
    pub(crate) fn remedy(&self, value: u64) -> Remedy {
        match (self.formula, self.fit, self.size) {
            (_, Fit::Both, 4) => Remedy::LowMemory,
            (Formula::Relative | Formula::Branch | Formula::Slot | Formula::SlotRelaxable, _, 4) => Remedy::CompilePic,
            (Formula::Absolute, Fit::Signed, 4) if value >> 32 != 0 => Remedy::NotKernelModel,
            (Formula::Absolute, _, 4) => Remedy::CompilePicOrLow,
            _ => Remedy::None,
        }
    }

    /// Stores `value` at the start of `field`, if it fits there.
    #[inline]
    pub(crate) fn store(&self, value: u64, field: &mut [u8]) -> Result<(), Misfit> {
        match self.size {
            0 => Ok(()),
            1 => put::<1>(field, value, self.holds(value)),
            2 => put::<2>(field, value, self.holds(value)),
            4 => put::<4>(field, value, self.holds(value)),
            _ => put::<8>(field, value, true),
        }
    }

    fn holds(&self, value: u64) -> bool {
        if self.fit == Fit::Wrap {
            return true;
        }
        let limits = self.limits();
        let read = match self.fit {
            Fit::Unsigned | Fit::Both => i128::from(value),
            Fit::Either if value.cast_signed() >= 0 => i128::from(value),
            _ => i128::from(value.cast_signed()),
        };
        (limits.min..=limits.max).contains(&read)
    }
}

/// Why nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The value is outside of the limits.
    Value,
    /// The field is outside of the section.
    Field,
}

/// Stores a distance of 32 bits at the start of `field`, if it is one: [`Howto::store`] for [`Quick::Distance`].
#[inline]
pub(crate) fn store_distance(value: u64, field: &mut [u8]) -> Result<(), Misfit> {
    put::<4>(field, value, i32::try_from(value.cast_signed()).is_ok())
}

/// Stores an address at the start of `field`: [`Howto::store`] for [`Quick::Address`].
#[inline]
pub(crate) fn store_address(value: u64, field: &mut [u8]) -> Result<(), Misfit> {
    put::<8>(field, value, true)
}

/// The one routine that writes relocated bytes: the lowest `N` bytes of `value`, given that it fits.
#[inline]
fn put<const N: usize>(field: &mut [u8], value: u64, fits: bool) -> Result<(), Misfit> {
    let bytes = value.to_le_bytes();
    let (Some(field), Some(bytes)) = (field.first_chunk_mut::<N>(), bytes.first_chunk::<N>()) else { return Err(Misfit::Field) };
    if !fits {
        return Err(Misfit::Value);
    }
    *field = *bytes;
    Ok(())
}

/// The relocation types of a machine and format, by number.
pub(crate) type Table = [Howto; TYPES];

/// One more than the largest number of a type, rounded up to a power of two so that a mask makes an index.
pub(crate) const TYPES: usize = 64;

/// All types of a machine in a format.
pub(crate) fn table(machine: Machine, format: Format) -> &'static Table {
    match (machine, format) {
        (Machine::X86_64, Format::Aout) => &aout::TABLE,
        (Machine::X86_64, _) => &x86_64::TABLE,
        (Machine::I386, _) => &i386::TABLE,
    }
}

/// The type of number `number`, if the table has so many.
#[inline]
pub(crate) fn find(table: &'static Table, number: u32) -> Option<&'static Howto> {
    table.get(index(number))
}

/// The type of a number that the checking pass has found below the number of types.
#[inline]
pub(crate) fn checked(table: &'static Table, number: u32) -> &'static Howto {
    const { assert!(TYPES.is_power_of_two()) };
    &table[index(number) & (TYPES - 1)]
}

/// Rows of `(number, howto)` as a table by number; an unlisted number is unknown.
const fn by_number(rows: &[(usize, Howto)]) -> Table {
    let mut table = [Howto::new("", Formula::Unknown, 0, Fit::Wrap); TYPES];
    let mut at = 0;
    while at < rows.len() {
        table[rows[at].0] = rows[at].1;
        at += 1;
    }
    table
}
