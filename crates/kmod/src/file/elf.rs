//! The sections of an ELF object, by name: 32 and 64 bits, both byte orders (gABI chapter 4).

use std::borrow::Cow;
use std::ops::Range;

use super::source::Source;
use crate::error::Part;
use crate::{Error, Result};

/// `e_machine` and the two identification bytes that say for which machine an object was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// 32 or 64 bits.
    pub class: Class,
    /// Byte order.
    pub order: Order,
    /// `e_machine`.
    pub number: u16,
}

/// `EI_CLASS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`.
    Elf32,
    /// `ELFCLASS64`.
    Elf64,
}

/// `EI_DATA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `ELFDATA2LSB`.
    Little,
    /// `ELFDATA2MSB`.
    Big,
}

impl Order {
    /// The 16-bit number at `at`.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u16::from_le_bytes(raw) } else { u16::from_be_bytes(raw) })
    }

    /// The 32-bit number at `at`.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
    }

    /// The 64-bit number at `at`.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u64::from_le_bytes(raw) } else { u64::from_be_bytes(raw) })
    }
}

impl Machine {
    /// A number of the class's word size at `at`.
    pub(super) fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        match self.class {
            Class::Elf32 => self.order.u32(bytes, at).map(u64::from),
            Class::Elf64 => self.order.u64(bytes, at),
        }
    }

    /// Size of an address, in bytes.
    pub(super) fn word_size(self) -> usize {
        match self.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }
}

/// What is needed of one section header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    kind: u32,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
}

/// Offsets in a file header and in a section header, and the sizes of both (gABI figures 4-3 and 4-8).
#[derive(Debug)]
struct Shape {
    header: u64,
    shoff: usize,
    shentsize: usize,
    section: usize,
    offset: usize,
    size: usize,
    link: usize,
    info: usize,
}

const ELF32: Shape = Shape { header: 52, shoff: 32, shentsize: 46, section: 40, offset: 16, size: 20, link: 24, info: 28 };
const ELF64: Shape = Shape { header: 64, shoff: 40, shentsize: 58, section: 64, offset: 24, size: 32, link: 40, info: 44 };

const SHT_NULL: u32 = 0;
const SHT_NOBITS: u32 = 8;
const SHN_XINDEX: u16 = 0xffff;

/// An ELF object whose section headers have been read. They are taken apart when they are asked for: most never are.
#[derive(Debug)]
pub(super) struct Elf<'s> {
    pub(super) source: &'s Source,
    pub(super) machine: Machine,
    shape: &'static Shape,
    /// The section header table.
    table: Cow<'s, [u8]>,
    /// The names of the sections.
    names: Cow<'s, [u8]>,
}

impl Section {
    /// Where its bytes are in the file.
    pub(super) fn range(&self) -> Range<u64> {
        let takes_space = !matches!(self.kind, SHT_NULL | SHT_NOBITS);
        self.offset..if takes_space { self.offset.saturating_add(self.size) } else { self.offset }
    }
}

impl<'s> Elf<'s> {
    /// Reads the file header, the section headers and their names.
    pub(super) fn parse(source: &'s Source) -> Result<Self> {
        let ident = source.read(Part::ElfHeader, 0, 16).map_err(|_| Error::NotAnObject)?;
        if !ident.starts_with(b"\x7fELF") {
            return Err(Error::NotAnObject);
        }
        let class = match ident.get(4) {
            Some(1) => Class::Elf32,
            Some(2) => Class::Elf64,
            other => return Err(Error::BadIdent { index: 4, found: other.copied().unwrap_or_default() }),
        };
        let order = match ident.get(5) {
            Some(1) => Order::Little,
            Some(2) => Order::Big,
            other => return Err(Error::BadIdent { index: 5, found: other.copied().unwrap_or_default() }),
        };
        let shape = if class == Class::Elf32 { &ELF32 } else { &ELF64 };
        let header = source.read(Part::ElfHeader, 0, shape.header)?;
        let number = order.u16(&header, 18).unwrap_or_default();
        let machine = Machine { class, order, number };
        let (table, names) = sections(source, machine, shape, &header)?;
        let mut elf = Self { source, machine, shape, table, names: Cow::Borrowed(&[]) };
        if let Some(names) = elf.numbered(names) {
            elf.names = elf.data(names)?;
        }
        Ok(elf)
    }

    /// The bytes of a section; none for one that takes no space in the file.
    pub(super) fn data(&self, section: Section) -> Result<Cow<'s, [u8]>> {
        if matches!(section.kind, SHT_NULL | SHT_NOBITS) {
            return Ok(Cow::Borrowed(&[]));
        }
        self.source.read(Part::SectionData, section.offset, section.size)
    }

    /// The first section of this name.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        let rest = |rest: &[u8]| rest.strip_prefix(name.as_bytes()).is_some_and(|behind| behind.first() == Some(&0));
        self.named_entries().find(|(_, name)| rest(name)).and_then(|(entry, _)| self.decode(entry))
    }

    /// The bytes of the first section of this name; empty if there is none.
    pub(super) fn data_of(&self, name: &str) -> Result<Cow<'s, [u8]>> {
        self.section(name).map_or(Ok(Cow::Borrowed(&[][..])), |s| self.data(s))
    }

    /// The section with this number in the section header table.
    pub(super) fn numbered(&self, index: u32) -> Option<Section> {
        let at = usize::try_from(index).ok()?.checked_mul(self.shape.section)?;
        self.table.get(at..at.checked_add(self.shape.section)?).and_then(|entry| self.decode(entry))
    }

    /// What depmod looks for, from one look at all names.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        for (entry, name) in self.named_entries() {
            // The first eight letters tell all but a few apart.
            let Some(eight) = name.first_chunk::<8>() else { continue };
            match eight {
                b".symtab\0" if parts.symtab.is_none() => parts.symtab = self.decode(entry),
                b".strtab\0" if parts.strtab.is_none() => parts.strtab = self.decode(entry),
                b".modinfo" if name.get(8) == Some(&0) && parts.modinfo.is_none() => parts.modinfo = self.decode(entry),
                b"__ksymta" | b"__kcrcta" => parts.exports = true,
                _ => {}
            }
        }
        parts
    }

    /// All section headers, each with what stands in the table of names from its name on.
    fn named_entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.chunks_exact(self.shape.section).filter_map(|entry| {
            let at = usize::try_from(self.machine.order.u32(entry, 0)?).ok()?;
            Some((entry, self.names.get(at..)?))
        })
    }

    fn decode(&self, entry: &[u8]) -> Option<Section> {
        section(entry, self.machine, self.shape)
    }
}

/// What depmod looks for in a module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) symtab: Option<Section>,
    pub(super) strtab: Option<Section>,
    pub(super) modinfo: Option<Section>,
    /// Whether there is a table of exports, or one of their checksums.
    pub(super) exports: bool,
}

/// Where the names of sections are in front of the section header table, as linkers place them, in bytes.
const NAMES: u64 = 1024;

/// The part of a file that holds the section headers with their names, if the file header `head` is that of an object and the linker
/// placed them as all do. Only a guess at what is worth reading at once: everything is checked when it is used.
pub(super) fn headers(head: &[u8]) -> Option<Range<u64>> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let (class, shape) = if head.get(4) == Some(&1) { (Class::Elf32, &ELF32) } else { (Class::Elf64, &ELF64) };
    let order = if head.get(5) == Some(&2) { Order::Big } else { Order::Little };
    let machine = Machine { class, order, number: 0 };
    let start = machine.word(head, shape.shoff)?;
    let size = u64::from(order.u16(head, shape.shentsize)?) * u64::from(order.u16(head, shape.shentsize + 2)?);
    Some(start.saturating_sub(NAMES)..start.checked_add(size)?)
}

/// Reads the section header table; its bytes and the index of the one that holds the names.
///
/// With more than 65,279 sections `e_shnum` is 0 and `e_shstrndx` is `SHN_XINDEX`: the true numbers are in the first entry.
fn sections<'s>(source: &'s Source, machine: Machine, shape: &Shape, header: &[u8]) -> Result<(Cow<'s, [u8]>, u32)> {
    let bad = |found: u64| Error::BadValue { part: Part::SectionHeaders, found };
    let offset = machine.word(header, shape.shoff).unwrap_or_default();
    let field = |at: usize| machine.order.u16(header, shape.shentsize + at).unwrap_or_default();
    let (entry_size, count, names) = (field(0), field(2), field(4));
    if offset == 0 {
        return Ok((Cow::Borrowed(&[]), 0));
    }
    if usize::from(entry_size) != shape.section {
        return Err(bad(entry_size.into()));
    }
    let first = || {
        let entry = source.read(Part::SectionHeaders, offset, entry_size.into())?;
        section(&entry, machine, shape).ok_or_else(|| bad(0))
    };
    let count = if count == 0 { first()?.size } else { count.into() };
    let names = if names == SHN_XINDEX { first()?.link } else { names.into() };
    let size = count.checked_mul(entry_size.into()).ok_or_else(|| bad(count))?;
    Ok((source.read(Part::SectionHeaders, offset, size)?, names))
}

fn section(entry: &[u8], machine: Machine, shape: &Shape) -> Option<Section> {
    Some(Section {
        kind: machine.order.u32(entry, 4)?,
        offset: machine.word(entry, shape.offset)?,
        size: machine.word(entry, shape.size)?,
        link: machine.order.u32(entry, shape.link)?,
        info: machine.order.u32(entry, shape.info)?,
    })
}
