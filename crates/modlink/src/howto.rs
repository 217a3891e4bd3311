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
    /// S + A - P, 4 bytes, signed.
    Distance,
    /// An instruction that may be rewritten.
    Rewrite,
    /// GOT + G + A - P, 4 bytes, signed.
    Slot,
    /// S + A, 8 bytes.
    Word,
    /// None.
    None,
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
    /// All of these.
    pub(crate) const ALL: u8 = USED | SLOT | STUB | DATA | LOOK | REFUSAL;
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
            (Formula::Slot, 4, Fit::Signed) => Shortcut::Slot,
            _ => Shortcut::None,
        };
        Self { name, formula, size, fit, needs, shortcut }
    }

    /// The ends of what the field holds.
    pub(crate) fn limits(&self) -> Limits {
        let bits = u32::from(self.size) * 8;
        // The largest unsigned and the largest signed number of so many bits.
        let whole = u64::MAX.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0);
        let half = whole >> 1;
        let least = -half.cast_signed() - 1;
        match self.fit {
            Fit::Wrap => Limits { min: i64::MIN, max: u64::MAX },
            Fit::Signed => Limits { min: least, max: half },
            Fit::Unsigned => Limits { min: 0, max: whole },
            Fit::Either => Limits { min: least, max: whole },
            Fit::Both => Limits { min: 0, max: half },
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
    ///
    /// This is the only routine that writes relocated bytes.
    #[inline]
    pub(crate) fn store(&self, value: u64, field: &mut [u8]) -> Result<(), Misfit> {
        let signed = value.cast_signed();
        match self.size {
            4 => {
                let low = value & 0xffff_ffff;
                let fits = match self.fit {
                    Fit::Signed => i32::try_from(signed).is_ok(),
                    Fit::Unsigned => low == value,
                    Fit::Wrap => true,
                    Fit::Either => low == value || i32::try_from(signed).is_ok(),
                    Fit::Both => value >> 31 == 0,
                };
                put(field, value.to_le_bytes().first_chunk::<4>(), fits)
            }
            8 => put(field, Some(&value.to_le_bytes()), true),
            2 => put(field, value.to_le_bytes().first_chunk::<2>(), self.holds(signed)),
            1 => put(field, value.to_le_bytes().first_chunk::<1>(), self.holds(signed)),
            _ => Ok(()),
        }
    }

    fn holds(&self, value: i64) -> bool {
        let Limits { min, max } = self.limits();
        match u64::try_from(value) {
            Ok(value) => value <= max,
            Err(_) => value >= min,
        }
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

#[inline]
fn put<const N: usize>(field: &mut [u8], bytes: Option<&[u8; N]>, fits: bool) -> Result<(), Misfit> {
    let (Some(field), Some(bytes)) = (field.first_chunk_mut::<N>(), bytes) else { return Err(Misfit::Field) };
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
