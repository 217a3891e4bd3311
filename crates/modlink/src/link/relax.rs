//! Rewriting instructions that load an address from a slot into ones that do without (x86-64 psABI 1.0, appendix B.2
//! "Optimize GOTPCRELX Relocations").

use ::object::LittleEndian as LE;

use crate::object::Rela;

/// A displacement of an instruction's last field is relative to the end of the instruction, 4 bytes behind the field.
const ADDEND: i64 = -4;

/// Opcode and ModRM of `mov slot(%rip), %reg` as a number in which the bits of [`LOAD_MASK`] count: all but the register.
const LOAD: u16 = 0x058b;
const LOAD_MASK: u16 = 0xc7ff;

/// The opcode of `lea`.
const LEA: u8 = 0x8d;

/// An instruction whose operand is a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `mov slot(%rip), %reg`.
    Load,
    /// `call *slot(%rip)`.
    Call,
    /// `jmp *slot(%rip)`.
    Jump,
    /// `test %reg, slot(%rip)`.
    Test,
    /// `add`, `or`, `adc`, `sbb`, `and`, `sub`, `xor` or `cmp slot(%rip), %reg`: bits 3 to 5 say which.
    Arithmetic(u8),
}

/// The instruction whose field is at `offset`: its form, and its bytes before the field: opcode and ModRM.
fn form(bytes: &[u8], offset: usize) -> Option<Form> {
    let &[opcode, modrm] = bytes.get(offset.checked_sub(2)?..offset)?.first_chunk::<2>()?;
    let relative_to_rip = modrm & 0xc7 == 0x05;
    match (opcode, modrm) {
        (0x8b, _) if relative_to_rip => Some(Form::Load),
        (0xff, 0x15) => Some(Form::Call),
        (0xff, 0x25) => Some(Form::Jump),
        (0x85, _) if relative_to_rip => Some(Form::Test),
        (op, _) if relative_to_rip && op & 0xc7 == 0x03 => Some(Form::Arithmetic(op & 0x38)),
        _ => None,
    }
}

/// In which bits an instruction whose bytes before the field are `before` is unlike the most frequent form,
/// [`Form::Load`], with the addend that all compilers give it; 0 if in none. One number, so that one branch decides.
#[inline]
fn unlike_load(before: [u8; 2], addend: i64) -> u64 {
    u64::from((u16::from_le_bytes(before) & LOAD_MASK) ^ LOAD) | (addend ^ ADDEND).cast_unsigned()
}

/// [`unlike_load`] of the instruction at a relocation; nothing when there is none.
#[inline]
pub(crate) fn unlike_load_at(data: &[u8], entry: &Rela) -> Option<u64> {
    let offset = usize::try_from(entry.r_offset.get(LE)).ok()?;
    let before = data.get(offset.checked_sub(2)?..offset)?.first_chunk()?;
    Some(unlike_load(*before, entry.r_addend.get(LE)))
}

/// Whether the instruction at a relocation becomes one with a 32-bit distance, which always reaches within an image.
#[cold]
#[inline(never)]
pub(crate) fn reaches_own_image(data: &[u8], entry: &Rela) -> bool {
    let Ok(offset) = usize::try_from(entry.r_offset.get(LE)) else { return false };
    entry.r_addend.get(LE) == ADDEND && matches!(form(data, offset), Some(Form::Load | Form::Call | Form::Jump))
}

/// Whether the field at `offset` is the distance of a `call`, `jmp` or conditional jump. No operand that is relative to
/// `%rip` has such a byte in front of its displacement.
pub(crate) fn is_direct_branch(data: &[u8], offset: u64) -> bool {
    let Ok(offset) = usize::try_from(offset) else { return false };
    matches!(data.get(..offset), Some([.., 0xe8 | 0xe9] | [.., 0x0f, 0x80..=0x8f]))
}

/// Rewrites `mov slot(%rip), %reg`, by far the most frequent form, into `lea target(%rip), %reg`; `distance` is the new
/// value of the field at `offset`. False, and nothing changed, when the instruction is of another form.
#[inline]
pub(crate) fn load(bytes: &mut [u8], offset: usize, addend: i64, distance: i32) -> bool {
    let (Some(start), Some(end)) = (offset.checked_sub(2), offset.checked_add(4)) else { return false };
    let instruction = bytes.get_mut(start..end).and_then(<[u8]>::split_first_chunk_mut::<2>);
    let Some((before, field)) = instruction.and_then(|(before, field)| Some((before, field.first_chunk_mut()?))) else { return false };
    if unlike_load(*before, addend) != 0 {
        return false;
    }
    let [opcode, _] = before;
    *opcode = LEA;
    *field = distance.to_le_bytes();
    true
}

/// Rewrites the instruction whose field is at `offset` so that it uses `target` itself; `place` is the run address of
/// the field. False, and nothing changed, when there is no such form or the target is out of its reach.
#[inline]
pub(crate) fn rewrite(bytes: &mut [u8], offset: usize, addend: i64, target: u64, place: u64) -> bool {
    if addend != ADDEND {
        return false;
    }
    let distance = target.wrapping_sub(place).wrapping_sub(4).cast_signed();
    let Some(form) = form(bytes, offset) else { return false };
    match form {
        Form::Load | Form::Call => match i32::try_from(distance) {
            Ok(distance) => replace(bytes, offset, form, distance).is_some(),
            Err(_) => false,
        },
        // The jump is one byte shorter, so it ends one byte earlier.
        Form::Jump => match distance.checked_add(1).map(i32::try_from) {
            Some(Ok(distance)) => replace(bytes, offset, form, distance).is_some(),
            _ => false,
        },
        // Below 2 GiB an immediate is the same number however it is extended.
        Form::Test | Form::Arithmetic(_) => match i32::try_from(target) {
            Ok(target) => replace(bytes, offset, form, target).is_some(),
            Err(_) => false,
        },
    }
}

fn replace(bytes: &mut [u8], offset: usize, form: Form, number: i32) -> Option<()> {
    let start = offset.checked_sub(2)?;
    let before = bytes.get(start.checked_sub(1)?..start).and_then(|rex| rex.first().copied());
    let instruction = bytes.get_mut(start..)?.first_chunk_mut::<6>()?;
    let [_, modrm, ..] = *instruction;
    let [a, b, c, d] = number.to_le_bytes();
    let register = (modrm >> 3) & 7;
    *instruction = match form {
        Form::Load => [LEA, modrm, a, b, c, d],
        Form::Call => [0x67, 0xe8, a, b, c, d],
        Form::Jump => [0xe9, a, b, c, d, 0x90],
        Form::Test => [0xf7, 0xc0 | register, a, b, c, d],
        Form::Arithmetic(operation) => [0x81, 0xc0 | operation | register, a, b, c, d],
    };
    if let (Form::Test | Form::Arithmetic(_), Some(rex @ 0x40..=0x4f)) = (form, before) {
        // The register moves from the field that REX.R extends to the one that REX.B extends.
        let moved = (rex & !0x04) | ((rex & 0x04) >> 2);
        *bytes.get_mut(start.checked_sub(1)?)? = moved;
    }
    Some(())
}
