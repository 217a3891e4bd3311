//! The records of the two ELF classes: 64-bit ones are borrowed, 32-bit ones transcoded.

use alloc::{borrow::Cow, vec::Vec};

use ::object::{
    LittleEndian as LE, U64,
    elf::{self, FileHeader32, FileHeader64},
    pod,
    read::elf::FileHeader,
};

use crate::{
    Error, Format, Machine, Result, Site,
    howto::{self, Howto},
    object::{Rela, Section, Sym, record},
};

/// How the tables of one ELF class become the records that everything else works on.
pub(super) trait Records: FileHeader<Endian = LE> {
    /// The container that this class is.
    const FORMAT: Format;
    /// The type of this class's relocation sections: the psABI of a machine uses one of the two.
    const RELOCATIONS: elf::SectionType;

    /// The machine, if its objects of this class are linked here.
    fn machine(machine: elf::Machine) -> Option<Machine>;

    /// The symbols in `data`; nothing when it is no whole number of records.
    fn symbols(data: &[u8]) -> Option<Cow<'_, [Sym]>>;

    /// The relocations in `data` of section `target`; nothing when it is no whole number of records.
    fn relocations<'a>(data: &'a [u8], target: &Section<'_>) -> Option<Result<Cow<'a, [Rela]>>>;
}

impl Records for FileHeader64<LE> {
    const FORMAT: Format = Format::Elf64;
    const RELOCATIONS: elf::SectionType = elf::SHT_RELA;

    fn machine(machine: elf::Machine) -> Option<Machine> {
        (machine == elf::EM_X86_64).then_some(Machine::X86_64)
    }

    fn symbols(data: &[u8]) -> Option<Cow<'_, [Sym]>> {
        pod::slice_from_all_bytes(data).ok().map(Cow::Borrowed)
    }

    fn relocations<'a>(data: &'a [u8], _target: &Section<'_>) -> Option<Result<Cow<'a, [Rela]>>> {
        pod::slice_from_all_bytes(data).ok().map(|entries| Ok(Cow::Borrowed(entries)))
    }
}

/// `EM_486`, which old assemblers wrote for i386 code (modutils accepts it).
const EM_486: elf::Machine = elf::Machine(6);

impl Records for FileHeader32<LE> {
    const FORMAT: Format = Format::Elf32;
    const RELOCATIONS: elf::SectionType = elf::SHT_REL;

    fn machine(machine: elf::Machine) -> Option<Machine> {
        (machine == elf::EM_386 || machine == EM_486).then_some(Machine::I386)
    }

    fn symbols(data: &[u8]) -> Option<Cow<'_, [Sym]>> {
        let symbols: &[elf::Sym32<LE>] = pod::slice_from_all_bytes(data).ok()?;
        Some(Cow::Owned(symbols.iter().map(widen).collect()))
    }

    fn relocations<'a>(data: &'a [u8], target: &Section<'_>) -> Option<Result<Cow<'a, [Rela]>>> {
        let entries: &[elf::Rel32<LE>] = pod::slice_from_all_bytes(data).ok()?;
        let widened: Result<Vec<Rela>> = entries.iter().map(|entry| explicit(entry, target)).collect();
        Some(widened.map(Cow::Owned))
    }
}

fn widen(sym: &elf::Sym32<LE>) -> Sym {
    Sym {
        st_name: sym.st_name,
        st_info: sym.st_info,
        st_other: sym.st_other,
        st_shndx: sym.st_shndx,
        st_value: U64::new(LE, sym.st_value.get(LE).into()),
        st_size: U64::new(LE, sym.st_size.get(LE).into()),
    }
}

/// The relocation with the addend that the section holds in its field.
fn explicit(entry: &elf::Rel32<LE>, target: &Section<'_>) -> Result<Rela> {
    let kind = entry.r_type(LE);
    let offset = entry.r_offset.get(LE).into();
    let addend = match howto::find(howto::table(Machine::I386, Format::Elf32), kind.0) {
        Some(howto) => stored(howto, target.data, offset)
            .ok_or_else(|| Error::RelocationOutsideSection { site: Site { section: target.name.into(), offset }, size: target.size })?,
        // The checking pass refuses the type.
        None => 0,
    };
    Ok(record::relocation(offset, entry.r_sym(LE), kind.0, addend))
}

/// The signed number in the field of a relocation; nothing when it is not inside of `data`.
fn stored(howto: &Howto, data: &[u8], offset: u64) -> Option<i64> {
    let field = data.get(usize::try_from(offset).ok()?..)?;
    Some(match howto.size {
        0 => 0,
        1 => i8::from_le_bytes(*field.first_chunk()?).into(),
        2 => i16::from_le_bytes(*field.first_chunk()?).into(),
        4 => i32::from_le_bytes(*field.first_chunk()?).into(),
        _ => i64::from_le_bytes(*field.first_chunk()?),
    })
}
