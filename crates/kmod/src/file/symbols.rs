//! What a module offers to others and what it wants from them.

use std::ops::Range;

use super::elf::{Class, Elf, Machine, Order, Parts, Section};
use crate::error::Part;
use crate::{Error, Result};

const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;
const SHN_XINDEX: u16 = 0xffff;
const STB_WEAK: u8 = 2;
const STT_REGISTER: u8 = 13;
const EM_SPARC: [u16; 3] = [2, 18, 43];

/// A symbol that a module exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Name.
    pub name: String,
    /// Checksum of its prototype; 0 if the module carries none.
    pub crc: u64,
}

/// A symbol that a module leaves undefined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Name.
    pub name: String,
    /// Whether the module can do without it.
    pub weak: bool,
    /// Checksum of the prototype that the module was compiled against, if it says.
    pub crc: Option<u64>,
}

/// One entry of a symbol table that matters: an undefined symbol, or the checksum of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link<'a> {
    Import { name: &'a [u8], weak: bool },
    Export { name: &'a [u8], crc: Crc },
}

/// Where a checksum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crc {
    /// The value of the `__crc_` symbol (`SHN_ABS`).
    Value(u64),
    /// In a section, at an offset.
    At { section: u32, offset: u64 },
}

/// Offsets in a symbol table entry (gABI figure 4-15).
struct Shape {
    size: usize,
    info: usize,
    shndx: usize,
    value: usize,
}

const SYM32: Shape = Shape { size: 16, info: 12, shndx: 14, value: 4 };
const SYM64: Shape = Shape { size: 24, info: 4, shndx: 6, value: 8 };

/// Calls `visit` for each import and each `__crc_` symbol, in the order of the symbol table.
pub(super) fn each_link(elf: &Elf<'_>, visit: &mut impl FnMut(Link<'_>)) -> Result<()> {
    each_link_of(elf, &elf.parts(), visit)
}

/// [`each_link`] of an object whose parts are known.
pub(super) fn each_link_of(elf: &Elf<'_>, parts: &Parts, visit: &mut impl FnMut(Link<'_>)) -> Result<()> {
    let Some(table) = parts.symtab else { return Ok(()) };
    let strings = match parts.strtab.or_else(|| elf.numbered(table.link)) {
        Some(section) => elf.data(section)?,
        None => return Err(Error::BadValue { part: Part::Strings, found: table.link.into() }),
    };
    let shape = shape(elf);
    let range = that_matter(elf, table, parts.exports);
    let entries = elf.source.read(Part::SectionData, range.start, range.end - range.start)?;
    let first = usize::try_from((range.start - table.range().start) / shape.size as u64).unwrap_or(usize::MAX);
    // Written out for the machines of nearly all modules, whose tables are gone through in a few instructions for each symbol.
    match (elf.machine.class, elf.machine.order) {
        (Class::Elf64, Order::Little) => each_entry(elf, (&entries, first), &strings, Order::Little, &SYM64, visit),
        (_, order) => each_entry(elf, (&entries, first), &strings, order, shape, visit),
    }
}

fn shape(elf: &Elf<'_>) -> &'static Shape {
    if elf.machine.class == Class::Elf32 { &SYM32 } else { &SYM64 }
}

/// The part of the symbol table that can hold what [`each_link`] looks for. Undefined symbols are global, and globals stand behind all
/// locals, from the entry on that `sh_info` names (gABI, chapter 4, Symbol Table). Only the checksums of exports may be local, and
/// a module that exports has a section for that.
pub(super) fn that_matter(elf: &Elf<'_>, table: Section, exports: bool) -> Range<u64> {
    let Range { start, end } = table.range();
    let first = if exports { 1 } else { u64::from(table.info).max(1) };
    let skipped = first.saturating_mul(shape(elf).size as u64);
    start.saturating_add(skipped).min(end)..end
}

/// What the checksum of an export is called: this and the export's name.
const CRC: &[u8] = b"__crc_";

/// `entries` are those from the one with the number `first` on.
#[inline(always)]
fn each_entry(
    elf: &Elf<'_>,
    (entries, first): (&[u8], usize),
    strings: &[u8],
    order: Order,
    shape: &Shape,
    visit: &mut impl FnMut(Link<'_>),
) -> Result<()> {
    for (entry, index) in entries.chunks_exact(shape.size).zip(first..) {
        let start = order.u32(entry, 0).unwrap_or_default();
        let Some(rest) = usize::try_from(start).ok().and_then(|s| strings.get(s..)) else {
            return Err(Error::BadValue { part: Part::Strings, found: start.into() });
        };
        let shndx = order.u16(entry, shape.shndx).unwrap_or_default();
        if shndx == SHN_UNDEF {
            let info = entry.get(shape.info).copied().unwrap_or_default();
            if let Some(link) = import(elf.machine, info, until_zero(rest)) {
                visit(link);
            }
        } else if let Some(named) = rest.strip_prefix(CRC) {
            let value = elf.machine.word(entry, shape.value).unwrap_or_default();
            let crc = match shndx {
                SHN_ABS => Crc::Value(value),
                SHN_XINDEX => Crc::At { section: extended_index(elf, index)?, offset: value },
                section => Crc::At { section: section.into(), offset: value },
            };
            visit(Link::Export { name: until_zero(named), crc });
        }
    }
    Ok(())
}

/// Names that never become exports of a module without an export table (modutils 2.0 hides them).
const HIDDEN: [&[u8]; 4] = [b"init_module", b"cleanup_module", b"kernel_version", b"mod_use_count_"];
const STB_GLOBAL: u8 = 1;

/// Calls `visit` with each defined global: what a module of a hosted kernel without an export table offers.
pub(super) fn each_global(elf: &Elf<'_>, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    let Some(table) = elf.section(".symtab") else { return Ok(()) };
    let Some(strings) = elf.numbered(table.link) else { return Ok(()) };
    let (entries, strings) = (elf.data(table)?, elf.data(strings)?);
    let shape = if elf.machine.class == Class::Elf32 { &SYM32 } else { &SYM64 };
    for entry in entries.chunks_exact(shape.size).skip(1) {
        let bind = entry.get(shape.info).copied().unwrap_or_default() >> 4;
        let defined = elf.machine.order.u16(entry, shape.shndx) != Some(SHN_UNDEF);
        let start = elf.machine.order.u32(entry, 0).and_then(|s| usize::try_from(s).ok());
        let name = until_zero(start.and_then(|s| strings.get(s..)).unwrap_or_default());
        if defined && matches!(bind, STB_GLOBAL | STB_WEAK) && !name.is_empty() && !HIDDEN.contains(&name) {
            visit(name);
        }
    }
    Ok(())
}

/// An undefined symbol; leading dots are those of function entry points of old 64-bit PowerPC.
fn import(machine: Machine, info: u8, name: &[u8]) -> Option<Link<'_>> {
    let register = info & 0xf == STT_REGISTER && EM_SPARC.contains(&machine.number);
    let name = name.strip_prefix(b".").unwrap_or(name);
    (!name.is_empty() && !register).then_some(Link::Import { name, weak: info >> 4 == STB_WEAK })
}

/// The section number of a symbol whose own field is too narrow for it (`SHT_SYMTAB_SHNDX`).
fn extended_index(elf: &Elf<'_>, symbol: usize) -> Result<u32> {
    let table = elf.data_of(".symtab_shndx")?;
    let at = symbol.checked_mul(4);
    at.and_then(|at| elf.machine.order.u32(&table, at)).ok_or(Error::BadValue { part: Part::Symbols, found: symbol as u64 })
}

/// The checksum itself.
pub(super) fn crc(elf: &Elf<'_>, crc: Crc) -> Result<u64> {
    match crc {
        Crc::Value(value) => Ok(value),
        Crc::At { section, offset } => {
            let bad = Error::BadValue { part: Part::Symbols, found: section.into() };
            let section = elf.numbered(section).ok_or(bad)?;
            let at = section.offset.saturating_add(offset);
            let bytes = elf.source.read(Part::Versions, at, 4)?;
            Ok(elf.machine.order.u32(&bytes, 0).unwrap_or_default().into())
        }
    }
}

/// The names of `__ksymtab_strings`: what a module exports when it was built without checksums.
pub(super) fn ksymtab_strings(elf: &Elf<'_>, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    for name in elf.data_of("__ksymtab_strings")?.split(|&b| b == 0).filter(|n| !n.is_empty()) {
        visit(name);
    }
    Ok(())
}

/// Up to the first zero byte.
pub(super) fn until_zero(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}
