//! Reading: an a.out object becomes the sections `.text`, `.data` and `.bss`, with ELF records.

use alloc::{borrow::Cow, vec, vec::Vec};

use ::object::{LittleEndian as LE, U16, U32, U64, elf};

use super::records::{Header, Nlist, Relocation, kind, machine};
use crate::{
    Error, FileTable, Format, Machine, Object, Result, Site,
    addr::index,
    object::{Class, Homes, Rela, Relocations, Section, Strings, Sym, record},
};

/// Addresses in a file count from 0 on, so alignment up to this is kept; a.out has no field for it.
pub(super) const ALIGN: u64 = 64;

/// The largest alignment of a common symbol; a.out tells only its size.
const COMMON_ALIGN: u64 = 32;

/// The section symbols that relocations of whole segments use, and the null symbol before them.
const SECTIONS: u32 = 4;

/// Text, data and bss: their section indices and where they start in the addresses of the file.
#[derive(Clone, Copy)]
struct Segments {
    text: u64,
    data: u64,
    bss: u64,
}

impl Segments {
    /// The section of a symbol type and the address of its start.
    fn of(self, symbol_type: u8) -> Option<(u16, u64)> {
        match symbol_type {
            kind::TEXT => Some((1, 0)),
            kind::DATA => Some((2, self.text)),
            kind::BSS => Some((3, self.text.saturating_add(self.data))),
            _ => None,
        }
    }
}

/// Checks an a.out object and reads its tables.
pub(crate) fn parse(bytes: &[u8]) -> Result<Object<'_>> {
    let mut file = File { bytes, rest: bytes };
    let header: &[u8; Header::SIZE] = file.take(FileTable::FileHeader, 32)?.first_chunk().ok_or(Error::NotAnObject)?;
    let header = Header::decode(header);
    let machine = match header.machine() {
        machine::NONE | machine::I386 => Machine::I386,
        machine::X86_64 => Machine::X86_64,
        other => return Err(Error::WrongMachine { class: 0, byte_order: 1, machine: other.into() }),
    };
    let text = file.take(FileTable::SectionData, header.text)?;
    let data = file.take(FileTable::SectionData, header.data)?;
    let text_relocations = file.table(FileTable::Relocations, header.text_relocations)?;
    let data_relocations = file.table(FileTable::Relocations, header.data_relocations)?;
    let nlist: &[[u8; Nlist::SIZE]] = file.table(FileTable::Symbols, header.symbols)?;
    let strings = file.strings()?;
    let segments = Segments { text: header.text.into(), data: header.data.into(), bss: header.bss.into() };
    let (symbols, numbers, first_global) = symbols(nlist, strings, segments)?;
    let reader = Reader { machine, segments, numbers: &numbers };
    let relocations = [(1, ".text", text, text_relocations), (2, ".data", data, data_relocations)];
    let relocations = relocations
        .into_iter()
        .map(|(target, name, bytes, records)| Ok(Relocations { target, entries: Cow::Owned(reader.relocations(name, bytes, records)?) }));
    let sections = sections(text, data, segments);
    Ok(Object {
        bytes,
        format: Format::Aout,
        machine,
        first_global,
        extended: &[],
        homes: Homes::check(&symbols, &sections, &[], strings)?,
        symbols: Cow::Owned(symbols),
        sections,
        strings,
        relocations: relocations.collect::<Result<_>>()?,
    })
}

fn sections<'a>(text: &'a [u8], data: &'a [u8], segments: Segments) -> Vec<Section<'a>> {
    let section = |name, data, size, class| Section { name, data, size, align: ALIGN, class, discarded: false };
    vec![
        section("", &[], 0, Class::Unloaded),
        section(".text", text, segments.text, Class::Text),
        section(".data", data, segments.data, Class::Data),
        section(".bss", &[], segments.bss, Class::Bss),
    ]
}

/// The parts of the file, which follow each other.
struct File<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> File<'a> {
    fn take(&mut self, table: FileTable, size: u32) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(index(size)) else {
            let file = self.bytes.len() as u64;
            let offset = file.saturating_sub(self.rest.len() as u64);
            return Err(Error::Truncated { table, section: 0, offset, size: size.into(), file });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn table<const N: usize>(&mut self, table: FileTable, size: u32) -> Result<&'a [[u8; N]]> {
        match self.take(table, size)?.as_chunks() {
            (records, []) => Ok(records),
            _ => Err(Error::BadTable { table, section: 0 }),
        }
    }

    /// The names; the size in front of them counts itself. A file without names may end here.
    fn strings(&mut self) -> Result<Strings<'a>> {
        let bad = Error::BadTable { table: FileTable::SymbolNames, section: 0 };
        let Some((size, _)) = self.rest.split_first_chunk::<4>() else {
            return if self.rest.is_empty() { Ok(Strings::default()) } else { Err(bad) };
        };
        let size = u32::from_le_bytes(*size);
        let names = self.take(FileTable::SymbolNames, size)?.get(4..).ok_or(bad)?;
        Strings::new(names, FileTable::SymbolNames, 0)
    }
}

/// A symbol of the file, in the new order or not at all.
type Numbers = Vec<Option<u32>>;

/// The symbols as ELF records, locals first; for each symbol of the file its new number; and the first global one.
fn symbols(nlist: &[[u8; Nlist::SIZE]], strings: Strings<'_>, segments: Segments) -> Result<(Vec<Sym>, Numbers, u32)> {
    let mut symbols: Vec<Sym> = [0, 1, 2, 3].into_iter().map(section_symbol).collect();
    let mut numbers: Numbers = vec![None; nlist.len()];
    let mut first_global = SECTIONS;
    for global in [false, true] {
        for (record, number) in nlist.iter().zip(&mut numbers) {
            let record = Nlist::decode(record);
            let weak = kind::WEAK.contains(&record.kind);
            let is_global = weak || record.kind & kind::EXTERNAL != 0;
            if record.kind & kind::STAB != 0 || is_global != global {
                continue;
            }
            *number = u32::try_from(symbols.len()).ok();
            symbols.push(symbol(&record, strings, segments)?);
        }
        if !global {
            first_global = u32::try_from(symbols.len()).unwrap_or(u32::MAX);
        }
    }
    Ok((symbols, numbers, first_global))
}

fn section_symbol(section: u16) -> Sym {
    let kind = if section == 0 { elf::STT_NOTYPE } else { elf::STT_SECTION };
    raw(0, elf::SymbolInfo::new(elf::STB_LOCAL, kind), section, 0, 0)
}

fn raw(name: u32, info: elf::SymbolInfo, section: u16, value: u64, size: u64) -> Sym {
    Sym {
        st_name: U32::new(LE, name),
        st_info: info,
        st_other: elf::SymbolOther(0),
        st_shndx: U16::new(LE, elf::SymbolSection(section)),
        st_value: U64::new(LE, value),
        st_size: U64::new(LE, size),
    }
}

fn symbol(record: &Nlist, strings: Strings<'_>, segments: Segments) -> Result<Sym> {
    let name = name(record.name, strings)?;
    let weak = kind::WEAK.iter().position(|&weak| weak == record.kind);
    let strong = weak.and_then(|at| kind::STRONG.get(at).copied()).unwrap_or(record.kind & kind::MASK);
    let binding = match (weak, record.kind & kind::EXTERNAL) {
        (Some(_), _) => elf::STB_WEAK,
        (None, 0) => elf::STB_LOCAL,
        (None, _) => elf::STB_GLOBAL,
    };
    let info = elf::SymbolInfo::new(binding, elf::STT_NOTYPE);
    let value = u64::from(record.value);
    Ok(match (strong, segments.of(strong)) {
        (_, Some((section, start))) => raw(name, info, section, value.wrapping_sub(start), 0),
        (kind::UNDEFINED, None) if value == 0 || weak.is_some() => raw(name, info, elf::SHN_UNDEF.0, 0, 0),
        (kind::UNDEFINED, None) => {
            let align = value.checked_next_power_of_two().unwrap_or(COMMON_ALIGN).min(COMMON_ALIGN);
            raw(name, info, elf::SHN_COMMON.0, align, value)
        }
        // File names, warnings and sets: their value is a number at most.
        _ => raw(name, info, elf::SHN_ABS.0, value, 0),
    })
}

/// The offset of a name without its leading `_`, which the compilers of the time put in front of every one.
fn name(offset: u32, strings: Strings<'_>) -> Result<u32> {
    let bad = || Error::BadTable { table: FileTable::SymbolNames, section: 0 };
    if offset == 0 {
        // The NUL that ends the last name is an empty one.
        return u32::try_from(strings.len().saturating_sub(1)).map_err(|_| bad());
    }
    let offset = offset.checked_sub(4).filter(|&at| index(at) < strings.len()).ok_or_else(bad)?;
    Ok(if strings.get(offset).starts_with('_') { offset.saturating_add(1) } else { offset })
}

/// What a relocation needs to become one with an explicit addend.
struct Reader<'r> {
    machine: Machine,
    segments: Segments,
    numbers: &'r [Option<u32>],
}

impl Reader<'_> {
    fn relocations(&self, name: &str, bytes: &[u8], records: &[[u8; Relocation::SIZE]]) -> Result<Vec<Rela>> {
        let start = match name {
            ".text" => 0,
            _ => self.segments.text,
        };
        records.iter().filter_map(|record| self.relocation(name, bytes, start, &Relocation::decode(record)).transpose()).collect()
    }

    /// The field holds, for the addresses of the file, what it is to hold for those of the image: the file's address of
    /// a segment that is meant, and if relative, less the file's address of the field. The addend has neither.
    fn relocation(&self, name: &str, bytes: &[u8], start: u64, record: &Relocation) -> Result<Option<Rela>> {
        let site = || Site { section: name.into(), offset: record.address.into() };
        let field = bytes.get(index(record.address)..).unwrap_or_default();
        let stored = match (record.length, self.machine) {
            (2, _) => field.first_chunk().map(|field| i64::from(i32::from_le_bytes(*field))),
            (3, Machine::X86_64) => field.first_chunk().map(|field| i64::from_le_bytes(*field)),
            (length, _) => return Err(Error::UnimplementedRelocation { site: site(), length }),
        };
        let Some(stored) = stored else {
            return Err(Error::RelocationOutsideSection { site: site(), size: bytes.len() as u64 });
        };
        let (symbol, meant) = self.target(record).ok_or_else(|| Error::BadRelocation { site: site(), symbol: record.symbol })?;
        let place = if record.relative { start.saturating_add(record.address.into()) } else { 0 };
        let addend = stored.wrapping_sub_unsigned(meant).wrapping_add_unsigned(place);
        if symbol == 0 && !record.relative {
            // A number stays what it is.
            return Ok(None);
        }
        Ok(Some(record::relocation(record.address.into(), symbol, self.number(record), addend)))
    }

    /// The symbol, and the file's address that the field already counts.
    fn target(&self, record: &Relocation) -> Option<(u32, u64)> {
        if record.external {
            return Some(((*self.numbers.get(index(record.symbol))?)?, 0));
        }
        match u8::try_from(record.symbol).ok()? & !kind::EXTERNAL {
            kind::ABSOLUTE => Some((0, 0)),
            segment => self.segments.of(segment).map(|(section, start)| (section.into(), start)),
        }
    }

    /// The number of the relocation type in the tables of `howto`.
    fn number(&self, record: &Relocation) -> u32 {
        let [r_386_32, r_386_pc32] = [elf::R_386_32, elf::R_386_PC32].map(|kind| kind.0);
        match (self.machine, record.length, record.relative) {
            (Machine::I386, _, false) => r_386_32,
            (Machine::I386, _, true) => r_386_pc32,
            (Machine::X86_64, 2, false) => elf::R_X86_64_32.0,
            (Machine::X86_64, 2, true) => elf::R_X86_64_PC32.0,
            (Machine::X86_64, _, false) => elf::R_X86_64_64.0,
            (Machine::X86_64, _, true) => elf::R_X86_64_PC64.0,
        }
    }
}
