//! An ELF64 object taken apart into sections, changed, and put together again.
//!
//! Sections and symbols keep their numbers, and new ones get numbers behind the old: so whatever refers to a number (relocations,
//! groups, `sh_link`, address tables of clang) stays right without being known here. A dropped section leaves an inactive header
//! behind (`SHT_NULL`, gABI chapter 4).

use std::borrow::Cow;
use std::collections::HashSet;

use object::elf::{self, FileHeader64, Rela64, Sym64};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{LittleEndian as LE, pod};

use super::Error;

/// A section: its header without the place in the file, its name and its contents.
pub(super) struct Section<'a> {
    name: Vec<u8>,
    kind: u32,
    flags: u64,
    address: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_size: u64,
    /// `sh_size`, which differs from the contents' length for `SHT_NOBITS`.
    size: u64,
    data: Cow<'a, [u8]>,
}

/// The binding of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Local,
    Global,
    Weak,
}

/// A symbol, as far as making a module looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol<'a> {
    /// Name.
    pub(super) name: &'a [u8],
    /// Whether this object defines it.
    pub(super) defined: bool,
    /// Who sees it, and whether it may stay undefined.
    pub(super) binding: Binding,
    /// Whether its visibility lets other objects see it.
    pub(super) visible: bool,
    /// Whether a relocation of a section that gets memory uses it.
    pub(super) used: bool,
}

/// An object file.
pub(super) struct Elf<'a> {
    identification: [u8; 16],
    machine: u16,
    flags: u32,
    names_index: usize,
    symtab: usize,
    pub(super) sections: Vec<Section<'a>>,
}

/// The reader's complaint as an error of ours.
fn elf(error: object::read::Error) -> Error {
    Error::Elf { reason: error.to_string() }
}

/// An error of our own reading.
fn damaged(reason: &str) -> Error {
    Error::Elf { reason: reason.to_owned() }
}

impl<'a> Elf<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// [`Error::Elf`], [`Error::NotRelocatable`], [`Error::NoSymbols`].
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = FileHeader64::<LE>::parse(bytes).map_err(elf)?;
        header.endian().map_err(elf)?;
        if header.e_type.get(LE) != elf::ET_REL {
            return Err(Error::NotRelocatable { kind: header.e_type.get(LE).0 });
        }
        let table = header.sections(LE, bytes).map_err(elf)?;
        let mut sections = Vec::new();
        for section in table.iter() {
            let entry = |name: &[u8], data: &'a [u8]| Section {
                name: name.to_vec(),
                kind: section.sh_type.get(LE).0,
                flags: section.sh_flags.get(LE).0,
                address: section.sh_addr.get(LE),
                link: section.sh_link.get(LE),
                info: section.sh_info.get(LE),
                align: section.sh_addralign.get(LE),
                entry_size: section.sh_entsize.get(LE),
                size: section.sh_size.get(LE),
                data: Cow::Borrowed(data),
            };
            let name = table.section_name(LE, section).map_err(elf)?;
            sections.push(entry(name, section.data(LE, bytes).map_err(elf)?));
        }
        // Each byte belongs to one section: so the result cannot be much larger than the object, whatever its headers claim.
        let claimed = sections.iter().try_fold(0_usize, |sum, section| sum.checked_add(section.data.len()));
        if claimed.is_none_or(|claimed| claimed > bytes.len()) {
            return Err(damaged("sections overlap"));
        }
        let symtab = sections.iter().position(|section| section.kind == elf::SHT_SYMTAB.0).ok_or(Error::NoSymbols)?;
        let names_index = usize::try_from(header.shstrndx(LE, bytes).map_err(elf)?).map_err(|_| damaged("section names"))?;
        let identification = bytes.first_chunk().copied().ok_or_else(|| damaged("header"))?;
        Ok(Self { identification, machine: header.e_machine.get(LE).0, flags: header.e_flags.get(LE).0, names_index, symtab, sections })
    }

    /// The contents of the first section of this name.
    pub(super) fn section(&self, name: &str) -> Option<&[u8]> {
        self.sections.iter().find(|section| section.name == name.as_bytes()).map(|section| &*section.data)
    }

    /// All symbols, in order.
    ///
    /// # Errors
    /// [`Error::Elf`] for a damaged table.
    pub(super) fn symbols(&self) -> Result<Vec<Symbol<'_>>, Error> {
        let used = self.used_symbols()?;
        let strings = self.strings()?;
        let symbol = |(index, symbol): (usize, &Sym64<LE>)| {
            let name = usize::try_from(symbol.st_name.get(LE)).ok().and_then(|at| strings.get(at..));
            let name = name.and_then(|tail| tail.split(|byte| *byte == 0).next()).ok_or_else(|| damaged("a symbol's name"))?;
            let binding = match symbol.st_bind() {
                elf::STB_LOCAL => Binding::Local,
                elf::STB_WEAK => Binding::Weak,
                _ => Binding::Global,
            };
            let defined = symbol.st_shndx.get(LE) != elf::SHN_UNDEF;
            let visible = symbol.st_visibility() != elf::STV_HIDDEN;
            Ok(Symbol { name, defined, binding, visible, used: u32::try_from(index).is_ok_and(|index| used.contains(&index)) })
        };
        self.raw_symbols()?.iter().enumerate().map(symbol).collect()
    }

    /// The symbol table as it lies in the file.
    fn raw_symbols(&self) -> Result<&[Sym64<LE>], Error> {
        let data = self.sections.get(self.symtab).map(|section| &*section.data).unwrap_or_default();
        let (symbols, rest) = entries::<Sym64<LE>>(data);
        if rest.is_empty() { Ok(symbols) } else { Err(damaged("the symbol table has a broken last entry")) }
    }

    /// The index of the section that holds the names of symbols.
    fn strings_index(&self) -> Result<usize, Error> {
        let link = self.sections.get(self.symtab).and_then(|symtab| usize::try_from(symtab.link).ok());
        link.filter(|link| *link < self.sections.len()).ok_or_else(|| damaged("the symbol table has no strings"))
    }

    /// The names of symbols.
    fn strings(&self) -> Result<&[u8], Error> {
        let index = self.strings_index()?;
        Ok(self.sections.get(index).map(|section| &*section.data).unwrap_or_default())
    }

    /// Numbers of the symbols that relocations of sections with memory use.
    fn used_symbols(&self) -> Result<HashSet<u32>, Error> {
        let mut used = HashSet::new();
        for section in self.sections.iter().filter(|section| section.kind == elf::SHT_RELA.0) {
            let target = usize::try_from(section.info).ok().and_then(|index| self.sections.get(index));
            let target = target.ok_or_else(|| damaged("a relocation section belongs to no section"))?;
            if target.flags & elf::SHF_ALLOC.0 != 0 {
                used.extend(entries::<Rela64<LE>>(&section.data).0.iter().map(|rela| rela.r_sym(LE, false)));
            }
        }
        Ok(used)
    }

    /// Drops the section of this name and its relocations: their headers become inactive, and symbols in them absolute,
    /// nameless and local.
    ///
    /// # Errors
    /// [`Error::Elf`] for a damaged symbol table.
    pub(super) fn drop_section(&mut self, name: &str) -> Result<(), Error> {
        let Some(index) = self.sections.iter().position(|section| section.name == name.as_bytes()) else { return Ok(()) };
        let number = u32::try_from(index).map_err(|_| Error::TooLarge)?;
        let inactive = || Section {
            name: Vec::new(),
            kind: elf::SHT_NULL.0,
            flags: 0,
            address: 0,
            link: 0,
            info: 0,
            align: 0,
            entry_size: 0,
            size: 0,
            data: Cow::Borrowed(&[]),
        };
        let relocations = [elf::SHT_RELA.0, elf::SHT_REL.0];
        for (at, section) in self.sections.iter_mut().enumerate() {
            if at == index || (relocations.contains(&section.kind) && section.info == number) {
                *section = inactive();
            }
        }
        self.raw_symbols()?;
        // Sections of the reserved range are numbered elsewhere (`SHT_SYMTAB_SHNDX`); there the symbol keeps its name.
        let wanted = u16::try_from(index).ok().filter(|index| *index < elf::SHN_LORESERVE);
        let symtab = self.sections.get_mut(self.symtab).ok_or(Error::NoSymbols)?;
        for entry in symtab.data.to_mut().chunks_exact_mut(size_of::<Sym64<LE>>()) {
            let Some((symbol, _)) = pod::from_bytes_mut::<Sym64<LE>>(entry).ok() else { continue };
            if wanted.is_some_and(|wanted| symbol.st_shndx.get(LE).0 == wanted) && symbol.st_bind() == elf::STB_LOCAL {
                symbol.st_name.set(LE, 0);
                symbol.st_shndx.set(LE, elf::SHN_ABS);
                symbol.st_value.set(LE, 0);
                symbol.st_size.set(LE, 0);
                symbol.set_st_info(elf::STB_LOCAL, elf::STT_NOTYPE);
            }
        }
        Ok(())
    }

    /// Puts bytes behind the contents of the section of this name, which is made where it is missing: constant data with memory.
    pub(super) fn append(&mut self, name: &str, bytes: &[u8], align: u64) {
        if let Some(section) = self.sections.iter_mut().find(|section| section.name == name.as_bytes()) {
            section.extend(bytes);
            return;
        }
        self.sections.push(Section {
            name: name.as_bytes().to_vec(),
            kind: elf::SHT_PROGBITS.0,
            flags: elf::SHF_ALLOC.0,
            address: 0,
            link: 0,
            info: 0,
            align,
            entry_size: 0,
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            data: Cow::Owned(bytes.to_vec()),
        });
    }

    /// Adds global absolute symbols, behind all others.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the strings outgrow 4 GiB; [`Error::Elf`] for a damaged table.
    pub(super) fn add_absolute(&mut self, symbols: &[(String, u64)]) -> Result<(), Error> {
        let strings = self.strings_index()?;
        let (mut names, mut table) = (Vec::new(), Vec::new());
        let base = self.strings()?.len();
        for (name, value) in symbols {
            let at = base.checked_add(names.len()).and_then(|at| u32::try_from(at).ok()).ok_or(Error::TooLarge)?;
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            // `st_name`, `st_info` (global, no type), `st_other`, `st_shndx`, `st_value`, `st_size`.
            table.extend_from_slice(&at.to_le_bytes());
            table.extend_from_slice(&[elf::STB_GLOBAL.0 << 4, 0]);
            table.extend_from_slice(&elf::SHN_ABS.0.to_le_bytes());
            table.extend_from_slice(&value.to_le_bytes());
            table.extend_from_slice(&0_u64.to_le_bytes());
        }
        let symtab = u32::try_from(self.symtab).map_err(|_| Error::TooLarge)?;
        let indexes = vec![0; symbols.len().checked_mul(4).ok_or(Error::TooLarge)?];
        for (at, section) in self.sections.iter_mut().enumerate() {
            if at == strings {
                section.extend(&names);
            } else if at == self.symtab {
                section.extend(&table);
            } else if section.kind == elf::SHT_SYMTAB_SHNDX.0 && section.link == symtab {
                section.extend(&indexes);
            }
        }
        Ok(())
    }
}

impl Section<'_> {
    /// Puts bytes behind the contents.
    fn extend(&mut self, bytes: &[u8]) {
        self.data.to_mut().extend_from_slice(bytes);
        self.size = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
    }
}

/// The whole entries of a table, and the bytes behind the last.
fn entries<T: pod::Pod>(data: &[u8]) -> (&[T], &[u8]) {
    let count = data.len() / size_of::<T>();
    pod::slice_from_bytes(data, count).unwrap_or((&[], data))
}

impl Elf<'_> {
    /// Puts the object together again: header, contents in the order of their numbers, section headers.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn write(mut self) -> Result<Vec<u8>, Error> {
        let offsets = self.write_names()?;
        let mut out = vec![0; size_of::<FileHeader64<LE>>()];
        let mut places = Vec::new();
        for section in &self.sections {
            let align = usize::try_from(section.align).map_err(|_| Error::TooLarge)?.clamp(1, 4096);
            out.resize(out.len().checked_next_multiple_of(align).ok_or(Error::TooLarge)?, 0);
            places.push(u64::try_from(out.len()).map_err(|_| Error::TooLarge)?);
            if section.kind != elf::SHT_NOBITS.0 {
                out.extend_from_slice(&section.data);
            }
        }
        out.resize(out.len().checked_next_multiple_of(8).ok_or(Error::TooLarge)?, 0);
        let table = u64::try_from(out.len()).map_err(|_| Error::TooLarge)?;
        self.escape()?;
        for ((section, name), place) in self.sections.iter().zip(&offsets).zip(&places) {
            let place = if section.kind == elf::SHT_NULL.0 { 0 } else { *place };
            out.extend_from_slice(&name.to_le_bytes());
            out.extend_from_slice(&section.kind.to_le_bytes());
            for word in [section.flags, section.address, place, section.size] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(&section.link.to_le_bytes());
            out.extend_from_slice(&section.info.to_le_bytes());
            out.extend_from_slice(&section.align.to_le_bytes());
            out.extend_from_slice(&section.entry_size.to_le_bytes());
        }
        let header = self.header(table);
        out.splice(..header.len(), header);
        Ok(out)
    }

    /// Writes the names of all sections; answers where each one stands.
    fn write_names(&mut self) -> Result<Vec<u32>, Error> {
        let (mut names, mut offsets) = (vec![0], Vec::new());
        for section in &self.sections {
            if section.name.is_empty() {
                offsets.push(0);
                continue;
            }
            offsets.push(u32::try_from(names.len()).map_err(|_| Error::TooLarge)?);
            names.extend_from_slice(&section.name);
            names.push(0);
        }
        // Some assemblers keep the names of sections and of symbols in one section: then the names of symbols must stay in place.
        let shared = self.strings_index()? == self.names_index;
        let section = self.sections.get_mut(self.names_index).ok_or_else(|| damaged("there are no section names"))?;
        if shared {
            let base = u32::try_from(section.data.len()).map_err(|_| Error::TooLarge)?;
            section.extend(&names);
            return offsets.into_iter().map(|at| if at == 0 { Some(0) } else { at.checked_add(base) }.ok_or(Error::TooLarge)).collect();
        }
        section.data = Cow::Owned(Vec::new());
        section.extend(&names);
        Ok(offsets)
    }

    /// Sets the fields of section 0 that stand in for counts over 65,279 (gABI chapter 4).
    fn escape(&mut self) -> Result<(), Error> {
        let reserved = usize::from(elf::SHN_LORESERVE);
        let (count, names) = (self.sections.len(), self.names_index);
        if let Some(first) = self.sections.first_mut() {
            first.size = if count < reserved { 0 } else { u64::try_from(count).map_err(|_| Error::TooLarge)? };
            first.link = if names < reserved { 0 } else { u32::try_from(names).map_err(|_| Error::TooLarge)? };
        }
        Ok(())
    }

    /// The file header, for section headers at `table`.
    fn header(&self, table: u64) -> Vec<u8> {
        let small = |number: usize, instead: u16| u16::try_from(number).ok().filter(|n| *n < elf::SHN_LORESERVE).unwrap_or(instead);
        let mut header = self.identification.to_vec();
        header.extend_from_slice(&elf::ET_REL.0.to_le_bytes());
        header.extend_from_slice(&self.machine.to_le_bytes());
        header.extend_from_slice(&1_u32.to_le_bytes());
        for word in [0, 0, table] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        header.extend_from_slice(&self.flags.to_le_bytes());
        // Sizes of the header, of a program header and of a section header, with the number of each.
        let halves = [64, 0, 0, 64, small(self.sections.len(), 0), small(self.names_index, elf::SHN_XINDEX.0)];
        for half in halves {
            header.extend_from_slice(&half.to_le_bytes());
        }
        header
    }
}
