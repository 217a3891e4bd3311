//! ELF objects (gABI chapter 4), of both classes.

mod records;
mod tables;

use alloc::vec::Vec;

use ::object::{
    LittleEndian as LE,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::SectionHeader,
};

use self::{records::Records, tables::Tables};
use super::{Class, Homes, Object, Section, Strings, group, section};
use crate::{Error, FileTable, Result, SymbolPlace, addr::index};

/// Checks an ELF file and reads its tables.
pub(super) fn parse(bytes: &[u8]) -> Result<Object<'_>> {
    match bytes {
        [_, _, _, _, 2, 1, ..] => read::<FileHeader64<LE>>(bytes),
        [_, _, _, _, 1, 1, ..] => read::<FileHeader32<LE>>(bytes),
        [_, _, _, _, class, byte_order, ..] => Err(Error::WrongMachine { class: *class, byte_order: *byte_order, machine: 0 }),
        _ => Err(truncated_header(bytes)),
    }
}

fn truncated_header(bytes: &[u8]) -> Error {
    let file = bytes.len() as u64;
    Error::Truncated { table: FileTable::FileHeader, section: 0, offset: 0, size: 64, file }
}

fn read<Elf: Records>(bytes: &[u8]) -> Result<Object<'_>> {
    let header = Elf::parse(bytes).map_err(|_| truncated_header(bytes))?;
    let machine = header.e_machine(LE);
    let Some(known) = Elf::machine(machine) else {
        let ident = header.e_ident();
        return Err(Error::WrongMachine { class: ident.class.0, byte_order: ident.data.0, machine: machine.0 });
    };
    if header.e_type(LE) != elf::ET_REL {
        return Err(Error::NotRelocatable { file_type: header.e_type(LE).0 });
    }
    let headers = section_headers(header, bytes)?;
    let names = section_names(header, bytes, headers)?;
    let mut tables = Tables::default();
    let mut sections = sections::<Elf>(bytes, headers, names, &mut tables)?;
    let symbols = tables.symbols::<Elf>(headers, &sections)?;
    let strings = tables.strings(headers, &sections)?;
    let extended = tables.extended(&sections)?;
    group::discard_duplicates(&tables.groups(headers, &sections, &symbols, strings)?, &mut sections)?;

    let homes = Homes::check(&symbols, &sections, extended, strings)?;
    let mut object = Object {
        bytes,
        format: Elf::FORMAT,
        machine: known,
        first_global: tables.first_global(headers, symbols.len()),
        sections,
        symbols,
        extended,
        strings,
        relocations: Vec::new(),
        homes,
    };
    keep_function_sections(&mut object);
    object.relocations = tables.relocations::<Elf>(headers, &object.sections)?;
    Ok(object)
}

fn section_headers<'a, Elf: Records>(header: &Elf, bytes: &'a [u8]) -> Result<&'a [Elf::SectionHeader]> {
    header.section_headers(LE, bytes).map_err(|_| Error::Truncated {
        table: FileTable::SectionHeaders,
        section: 0,
        offset: header.e_shoff(LE).into(),
        size: u64::from(header.e_shentsize(LE)) * u64::from(header.e_shnum(LE)),
        file: bytes.len() as u64,
    })
}

fn section_names<'a, Elf: Records>(header: &Elf, bytes: &'a [u8], headers: &[Elf::SectionHeader]) -> Result<Strings<'a>> {
    if headers.is_empty() {
        return Ok(Strings::default());
    }
    let bad = Error::BadTable { table: FileTable::SectionNames, section: 0 };
    let at = header.section_strings_index(LE, bytes).map_err(|_| bad.clone())?;
    let section = u32::try_from(at.0).map_err(|_| bad.clone())?;
    let names = headers.get(at.0).ok_or(bad)?;
    Strings::new(file_bytes::<Elf>(bytes, names, section)?, FileTable::SectionNames, section)
}

/// The bytes of a section in the file.
fn file_bytes<'a, Elf: Records>(bytes: &'a [u8], header: &Elf::SectionHeader, section: u32) -> Result<&'a [u8]> {
    let (offset, size) = (header.sh_offset(LE).into(), header.sh_size(LE).into());
    let range = || {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    };
    range().ok_or(Error::Truncated { table: FileTable::SectionData, section, offset, size, file: bytes.len() as u64 })
}

fn sections<'a, Elf: Records>(
    bytes: &'a [u8],
    headers: &[Elf::SectionHeader],
    names: Strings<'a>,
    tables: &mut Tables,
) -> Result<Vec<Section<'a>>> {
    let mut sections = Vec::with_capacity(headers.len());
    let mut claimed = 0_u64;
    for (number, header) in (0_u32..).zip(headers) {
        if number == 0 {
            // Section 0 is no section: its fields hold counts that do not fit in the file header.
            sections.push(Section { name: "", data: &[], size: 0, align: 1, class: Class::Unloaded, discarded: false });
            continue;
        }
        if index(header.sh_name(LE)) >= names.len() {
            return Err(Error::BadTable { table: FileTable::SectionNames, section: number });
        }
        let section = section::<Elf>(bytes, header, number, names.get(header.sh_name(LE)))?;
        claimed = claimed.saturating_add(section.data.len() as u64);
        tables.note::<Elf>(number, header)?;
        sections.push(section);
    }
    // Together with the checks of every single section this bounds the work and memory that a file can cost.
    let file = bytes.len() as u64;
    if claimed > file { Err(Error::OverlappingSections { claimed, file }) } else { Ok(sections) }
}

fn section<'a, Elf: Records>(bytes: &'a [u8], header: &Elf::SectionHeader, number: u32, name: &'a str) -> Result<Section<'a>> {
    let kind = header.sh_type(LE);
    let flags = header.sh_flags(LE).0;
    let size: u64 = header.sh_size(LE).into();
    let data = match kind {
        elf::SHT_NOBITS | elf::SHT_NULL => &[],
        _ => file_bytes::<Elf>(bytes, header, number)?,
    };
    let mut class = section::classify(name, flags, kind);
    let align = Ord::max(header.sh_addralign(LE).into(), 1);
    if class != Class::Unloaded {
        let thread_local = flags & elf::SHF_TLS.0 != 0;
        check_loaded(name, kind, flags, align)?;
        match thread_local {
            true if size > 0 => return Err(Error::ThreadLocal { name: name.into() }),
            true => class = Class::Unloaded,
            false => {}
        }
    }
    Ok(Section { name, data, size, align, class, discarded: false })
}

/// Section types that mean something to a linker, so cannot be the bytes of a program.
const LINKER_TABLES: [elf::SectionType; 9] = [
    elf::SHT_NULL,
    elf::SHT_SYMTAB,
    elf::SHT_RELA,
    elf::SHT_REL,
    elf::SHT_HASH,
    elf::SHT_DYNAMIC,
    elf::SHT_DYNSYM,
    elf::SHT_GROUP,
    elf::SHT_SYMTAB_SHNDX,
];

fn check_loaded(name: &str, kind: elf::SectionType, flags: u64, align: u64) -> Result<()> {
    if LINKER_TABLES.contains(&kind) {
        return Err(Error::UnsupportedSection { section: name.into(), kind: kind.0 });
    }
    if flags & elf::SHF_COMPRESSED.0 != 0 {
        return Err(Error::CompressedSection { section: name.into() });
    }
    if !align.is_power_of_two() {
        return Err(Error::BadAlignment { name: name.into(), align });
    }
    Ok(())
}

/// `-ffunction-sections` names the section of a function `init` like the init section of Linux 2.2; the symbol in it
/// tells them apart, and freeing an ordinary function would be fatal.
fn keep_function_sections(object: &mut Object<'_>) {
    for number in 0..object.sections.len() {
        let Some(Section { name, class: class @ (Class::InitText | Class::InitData), .. }) = object.sections.get(number) else {
            continue;
        };
        let ordinary = if *class == Class::InitText { Class::Text } else { Class::Data };
        let Some(owner) = section::old_init_owner(name) else { continue };
        let owns = |symbol: crate::Symbol<'_>| {
            symbol.name == owner && symbol.value == 0 && matches!(symbol.place, SymbolPlace::Section(at) if index(at) == number)
        };
        if object.symbols().any(owns)
            && let Some(section) = object.sections.get_mut(number)
        {
            section.class = ordinary;
        }
    }
}
