//! Writing: an ELF object becomes an a.out one. No compiler or assembler writes a.out any more.

use alloc::{vec, vec::Vec};

use ::object::{LittleEndian as LE, elf};

use super::{
    read::ALIGN,
    records::{Header, Nlist, OMAGIC, Relocation, kind, machine},
};
use crate::{
    Binding, Error, Format, Machine, Object, Result, Symbol, SymbolPlace, Visibility,
    addr::{index, round_up},
    layout::site,
    object::{Class, Rela, Section},
};

/// Converts a relocatable ELF object into an a.out one (`OMAGIC`) of the same machine.
///
/// Code and constants become text, variables data, zeroed variables bss; unwind tables are left out. Of an object with
/// an export list (`__ksymtab_strings`) the listed symbols stay external and `init_module` and `cleanup_module` with
/// them, since a.out has no other way to say it; without one, all but hidden symbols do.
///
/// The object has to be compiled for fixed addresses, for instance with
/// `-fno-pic -mcmodel=small -fno-asynchronous-unwind-tables`, or, to run above 2 GiB, with `-mcmodel=large`.
///
/// # Errors
///
/// Those of [`Object::parse`]; [`Error::NotInAout`] for a relocation of a global offset table and the like;
/// [`Error::AlignmentAbovePage`] for alignments above 64 bytes.
pub fn write(elf: &[u8]) -> Result<Vec<u8>> {
    let object = Object::parse(elf)?;
    if object.format() == Format::Aout {
        return Ok(elf.to_vec());
    }
    let mut writer = Writer::new(&object)?;
    let (text_relocations, data_relocations) = writer.relocations()?;
    writer.file(&text_relocations, &data_relocations)
}

/// The largest section that is converted, in bytes: zeroed constants have a size without bytes to bound it.
const LARGEST: u64 = 256 << 20;

/// A segment of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Text,
    Data,
    Bss,
}

/// The segment of a class of sections.
fn segment(class: Class) -> Option<Segment> {
    match class {
        Class::Text | Class::InitText | Class::Rodata => Some(Segment::Text),
        Class::Data | Class::InitData => Some(Segment::Data),
        Class::Bss => Some(Segment::Bss),
        Class::EhFrame | Class::Unloaded => None,
    }
}

struct Writer<'o> {
    object: &'o Object<'o>,
    text: Vec<u8>,
    data: Vec<u8>,
    bss: u64,
    /// By section: its segment and where it starts in there.
    places: Vec<Option<(Segment, u64)>>,
    /// By symbol: its number in the file.
    numbers: Vec<Option<u32>>,
    symbols: Vec<Nlist>,
    strings: Vec<u8>,
}

impl<'o> Writer<'o> {
    fn new(object: &'o Object<'o>) -> Result<Self> {
        let mut writer = Self {
            object,
            text: Vec::new(),
            data: Vec::new(),
            bss: 0,
            places: vec![None; object.sections.len()],
            numbers: vec![None; object.symbols.len()],
            symbols: Vec::new(),
            strings: Vec::new(),
        };
        writer.sections()?;
        writer.symbols()?;
        Ok(writer)
    }

    fn sections(&mut self) -> Result<()> {
        for (section, place) in self.object.sections.iter().zip(&mut self.places) {
            let Some(segment) = segment(section.class).filter(|_| !section.discarded) else { continue };
            if section.align > ALIGN {
                return Err(Error::AlignmentAbovePage { name: section.name.into(), align: section.align, page: ALIGN });
            }
            if section.size > LARGEST {
                return Err(Error::TooLarge { size: section.size, limit: LARGEST });
            }
            let start = match segment {
                Segment::Text => append(&mut self.text, section),
                Segment::Data => append(&mut self.data, section),
                Segment::Bss => {
                    let start = round_up(self.bss, section.align).unwrap_or(u64::MAX);
                    self.bss = start.saturating_add(section.size);
                    Some(start)
                }
            };
            *place = start.map(|start| (segment, start));
        }
        // Fields of the file have 4 bytes, and segments start aligned in the addresses of the file too.
        for bytes in [&mut self.text, &mut self.data] {
            let size = round_up(bytes.len() as u64, ALIGN).and_then(|size| usize::try_from(size).ok());
            bytes.resize(size.unwrap_or(bytes.len()), 0);
        }
        Ok(())
    }

    /// The address of a segment in the file.
    fn start(&self, segment: Segment) -> u64 {
        match segment {
            Segment::Text => 0,
            Segment::Data => self.text.len() as u64,
            Segment::Bss => (self.text.len() as u64).saturating_add(self.data.len() as u64),
        }
    }

    fn symbols(&mut self) -> Result<()> {
        let exports: Option<Vec<&[u8]>> = self.object.section("__ksymtab_strings").map(|names| names.split(|&byte| byte == 0).collect());
        let external = |symbol: &Symbol<'_>| match &exports {
            _ if symbol.binding == Binding::Local => false,
            _ if matches!(symbol.name, "init_module" | "cleanup_module") || !symbol.is_defined() => true,
            Some(names) => names.contains(&symbol.name.as_bytes()),
            None => symbol.visibility != Visibility::Hidden,
        };
        for symbol in self.object.symbols() {
            if symbol.name.is_empty() || matches!(symbol.kind, crate::SymbolKind::Section | crate::SymbolKind::File) {
                continue;
            }
            let Some((strong, value)) = self.kind_and_value(&symbol) else { continue };
            let weak = kind::STRONG.iter().position(|&known| known == strong).and_then(|at| kind::WEAK.get(at));
            let symbol_type = match (external(&symbol), symbol.binding, weak) {
                (true, Binding::Weak, Some(&weak)) => weak,
                (true, _, _) => strong | kind::EXTERNAL,
                (false, _, _) => strong,
            };
            if let Some(number) = self.numbers.get_mut(index(symbol.index.0)) {
                *number = u32::try_from(self.symbols.len()).ok();
            }
            let name = self.name(symbol.name)?;
            self.symbols.push(Nlist { name, kind: symbol_type, value: narrow(value)? });
        }
        Ok(())
    }

    fn kind_and_value(&self, symbol: &Symbol<'_>) -> Option<(u8, u64)> {
        Some(match symbol.place {
            SymbolPlace::Undefined => (kind::UNDEFINED, 0),
            SymbolPlace::Absolute => (kind::ABSOLUTE, symbol.value),
            SymbolPlace::Common => (kind::UNDEFINED, symbol.size),
            SymbolPlace::Section(section) => {
                let (segment, start) = (*self.places.get(index(section))?)?;
                let symbol_type = match segment {
                    Segment::Text => kind::TEXT,
                    Segment::Data => kind::DATA,
                    Segment::Bss => kind::BSS,
                };
                (symbol_type, self.start(segment).wrapping_add(start).wrapping_add(symbol.value))
            }
        })
    }

    /// Adds a name with the leading `_` of the time, and answers its offset.
    fn name(&mut self, name: &str) -> Result<u32> {
        let offset = narrow((self.strings.len() as u64).saturating_add(4))?;
        self.strings.push(b'_');
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        Ok(offset)
    }

    /// The relocations of text and data; their addends go into the fields.
    fn relocations(&mut self) -> Result<(Vec<Relocation>, Vec<Relocation>)> {
        let (mut text, mut data) = (Vec::new(), Vec::new());
        for table in &self.object.relocations {
            let (Some(section), Some(Some((segment, start)))) =
                (self.object.sections.get(index(table.target)), self.places.get(index(table.target)).copied())
            else {
                continue;
            };
            for entry in table.entries.iter() {
                let Some((relocation, stored)) = self.relocation(section, segment, start, entry)? else { continue };
                let bytes = if segment == Segment::Text { &mut self.text } else { &mut self.data };
                let field = bytes.get_mut(index(relocation.address)..).unwrap_or_default();
                let size = 1_usize << relocation.length;
                let fits = size == 8 || i32::try_from(stored).is_ok() || u32::try_from(stored).is_ok();
                match (field.get_mut(..size), stored.to_le_bytes().get(..size)) {
                    (Some(field), Some(stored)) if fits => field.copy_from_slice(stored),
                    _ => return Err(not_in_aout(section, entry)),
                }
                if segment == Segment::Text { text.push(relocation) } else { data.push(relocation) }
            }
        }
        Ok((text, data))
    }

    /// A relocation of the file, and what its field holds: see the reader.
    fn relocation(&self, section: &Section<'_>, segment: Segment, start: u64, entry: &Rela) -> Result<Option<(Relocation, i64)>> {
        let refused = || not_in_aout(section, entry);
        let (relative, length) = self.form(entry).ok_or_else(refused)?;
        let Some(length) = length else { return Ok(None) };
        let address = start.wrapping_add(entry.r_offset.get(LE));
        let symbol = entry.r_sym(LE, false);
        let view = self.object.symbol(crate::SymbolIndex(symbol)).ok_or_else(refused)?;
        let (external, number, meant) = match view.place {
            SymbolPlace::Section(_) => {
                let (symbol_type, value) = self.kind_and_value(&view).ok_or_else(refused)?;
                (false, symbol_type.into(), value)
            }
            _ if symbol == 0 => (false, kind::ABSOLUTE.into(), 0),
            _ => (true, self.numbers.get(index(symbol)).copied().flatten().ok_or_else(refused)?, 0),
        };
        let place = if relative { self.start(segment).wrapping_add(address) } else { 0 };
        let stored = entry.r_addend.get(LE).wrapping_add_unsigned(meant).wrapping_sub_unsigned(place);
        let relocation = Relocation { address: narrow(address)?, symbol: number, relative, length, external };
        Ok(Some((relocation, stored)))
    }

    /// Whether an ELF relocation is relative, and the logarithm of its size; without one, it does nothing.
    fn form(&self, entry: &Rela) -> Option<(bool, Option<u8>)> {
        let number = entry.r_type(LE, false);
        match (self.object.machine(), number) {
            (_, elf::R_X86_64_NONE) => Some((false, None)),
            (Machine::X86_64, elf::R_X86_64_64) => Some((false, Some(3))),
            (Machine::X86_64, elf::R_X86_64_PC64) => Some((true, Some(3))),
            (Machine::X86_64, elf::R_X86_64_32 | elf::R_X86_64_32S) => Some((false, Some(2))),
            (Machine::X86_64, elf::R_X86_64_PC32 | elf::R_X86_64_PLT32) => Some((true, Some(2))),
            (Machine::I386, elf::R_386_32) => Some((false, Some(2))),
            (Machine::I386, elf::R_386_PC32 | elf::R_386_PLT32) => Some((true, Some(2))),
            _ => None,
        }
    }

    fn file(&self, text_relocations: &[Relocation], data_relocations: &[Relocation]) -> Result<Vec<u8>> {
        let machine = match self.object.machine() {
            Machine::X86_64 => machine::X86_64,
            Machine::I386 => machine::I386,
        };
        let table = |count: usize, size: usize| narrow((count as u64).saturating_mul(size as u64));
        let header = Header {
            info: OMAGIC | u32::from(machine) << 16,
            text: narrow(self.text.len() as u64)?,
            data: narrow(self.data.len() as u64)?,
            bss: narrow(self.bss)?,
            symbols: table(self.symbols.len(), Nlist::SIZE)?,
            text_relocations: table(text_relocations.len(), Relocation::SIZE)?,
            data_relocations: table(data_relocations.len(), Relocation::SIZE)?,
        };
        let mut file: Vec<u8> = header.encode().collect();
        file.extend_from_slice(&self.text);
        file.extend_from_slice(&self.data);
        file.extend(text_relocations.iter().chain(data_relocations).flat_map(Relocation::encode));
        file.extend(self.symbols.iter().flat_map(Nlist::encode));
        file.extend(narrow((self.strings.len() as u64).saturating_add(4))?.to_le_bytes());
        file.extend_from_slice(&self.strings);
        Ok(file)
    }
}

/// Appends a section to a segment and answers where it starts.
fn append(segment: &mut Vec<u8>, section: &Section<'_>) -> Option<u64> {
    let start = round_up(segment.len() as u64, section.align)?;
    segment.resize(usize::try_from(start).ok()?, 0);
    segment.extend_from_slice(section.data);
    // Zeroed sections that are not writable have a size only.
    let end = start.checked_add(section.size)?;
    segment.resize(usize::try_from(end).ok()?, 0);
    Some(start)
}

fn narrow(number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::TooLarge { size: number, limit: u32::MAX.into() })
}

fn not_in_aout(section: &Section<'_>, entry: &Rela) -> Error {
    Error::NotInAout { site: site(section, entry), number: entry.r_type(LE, false).0 }
}
