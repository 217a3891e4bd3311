//! The tables beside the sections of a program: symbols, names, groups, relocations.

use alloc::{borrow::Cow, vec::Vec};

use ::object::{LittleEndian as LE, U32, elf, pod, read::elf::SectionHeader};

use super::Records;
use crate::{
    Error, FileTable, Result,
    addr::index,
    object::{Class, Relocations, Section, Strings, Sym, group::Group},
};

/// The section indices of an object's tables.
#[derive(Default)]
pub(super) struct Tables {
    symbols: Option<u32>,
    extended: Option<u32>,
    groups: Vec<u32>,
    relocations: Vec<u32>,
}

impl Tables {
    /// Remembers section `number` if it is a table.
    pub(super) fn note<Elf: Records>(&mut self, number: u32, header: &Elf::SectionHeader) -> Result<()> {
        match header.sh_type(LE) {
            elf::SHT_SYMTAB if self.symbols.is_some() => {
                return Err(Error::TwoSymbolTables { section: number });
            }
            elf::SHT_SYMTAB => self.symbols = Some(number),
            elf::SHT_SYMTAB_SHNDX => self.extended = Some(number),
            elf::SHT_GROUP => self.groups.push(number),
            elf::SHT_REL | elf::SHT_RELA => self.relocations.push(number),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn symbols<'a, Elf: Records>(&self, headers: &[Elf::SectionHeader], sections: &[Section<'a>]) -> Result<Cow<'a, [Sym]>> {
        let Some(number) = self.symbols else { return Ok(Cow::Borrowed(&[])) };
        let bad = Error::BadTable { table: FileTable::Symbols, section: number };
        let data = data(sections, number);
        let symbols = Elf::symbols(data).ok_or(bad.clone())?;
        let globals = header::<Elf>(headers, number).map_or(0, |header| header.sh_info(LE));
        if index(globals) > symbols.len() { Err(bad) } else { Ok(symbols) }
    }

    /// The first symbol that is not local.
    pub(super) fn first_global<H: SectionHeader<Endian = LE>>(&self, headers: &[H], symbols: usize) -> u32 {
        let first = self.symbols.and_then(|number| headers.get(index(number))).map_or(0, |header| header.sh_info(LE));
        u32::try_from(symbols).map_or(first, |count| first.min(count))
    }

    pub(super) fn strings<'a, H: SectionHeader<Endian = LE>>(&self, headers: &[H], sections: &[Section<'a>]) -> Result<Strings<'a>> {
        let Some(symbols) = self.symbols else { return Ok(Strings::default()) };
        let section = headers.get(index(symbols)).map_or(0, |header| header.sh_link(LE));
        if headers.get(index(section)).is_none_or(|header| header.sh_type(LE) != elf::SHT_STRTAB) {
            return Err(Error::BadSectionIndex { table: FileTable::SymbolNames, entry: symbols.into(), section });
        }
        Strings::new(data(sections, section), FileTable::SymbolNames, section)
    }

    pub(super) fn extended<'a>(&self, sections: &[Section<'a>]) -> Result<&'a [U32<LE>]> {
        let Some(section) = self.extended else { return Ok(&[]) };
        words(data(sections, section)).ok_or(Error::BadTable { table: FileTable::SymbolSections, section })
    }

    pub(super) fn groups<'a, H: SectionHeader<Endian = LE>>(
        &self,
        headers: &[H],
        sections: &[Section<'a>],
        symbols: &[Sym],
        strings: Strings<'a>,
    ) -> Result<Vec<Group<'a>>> {
        let group = |&section: &u32| {
            let bad = Error::BadTable { table: FileTable::Group, section };
            let header = headers.get(index(section)).ok_or(bad.clone())?;
            let symbol = symbols.get(index(header.sh_info(LE))).ok_or(bad.clone())?;
            // `ld -r` may name a group by a section symbol; then the section's name is the signature.
            let signature = match symbol.st_type() {
                elf::STT_SECTION => {
                    let at = symbol.st_shndx.get(LE).0;
                    sections.get(usize::from(at)).map_or("", |section| section.name)
                }
                _ => strings.get(symbol.st_name.get(LE)),
            };
            Ok(Group { section, signature, words: words(data(sections, section)).ok_or(bad)? })
        };
        self.groups.iter().map(group).collect()
    }

    /// The relocations of every loaded section, in the order of those sections.
    pub(super) fn relocations<'a, Elf: Records>(
        &self,
        headers: &[Elf::SectionHeader],
        sections: &[Section<'a>],
    ) -> Result<Vec<Relocations<'a>>> {
        let mut all = Vec::with_capacity(self.relocations.len());
        for &number in &self.relocations {
            let Some(header) = header::<Elf>(headers, number) else { continue };
            let target = header.sh_info(LE);
            let Some(section) = sections.get(index(target)) else {
                return Err(Error::BadSectionIndex { table: FileTable::Relocations, entry: number.into(), section: target });
            };
            let data = data(sections, number);
            if section.class == Class::Unloaded || section.discarded || data.is_empty() {
                continue;
            }
            let bad = Error::BadTable { table: FileTable::Relocations, section: number };
            if header.sh_type(LE) != Elf::RELOCATIONS || Some(header.sh_link(LE)) != self.symbols {
                return Err(bad);
            }
            if section.size > 0 && section.data.is_empty() {
                return Err(Error::RelocatedBss { section: section.name.into() });
            }
            all.push(Relocations { target, entries: Elf::relocations(data, section).ok_or(bad)?? });
        }
        all.sort_by_key(|table| table.target);
        Ok(all)
    }
}

fn header<Elf: Records>(headers: &[Elf::SectionHeader], number: u32) -> Option<&Elf::SectionHeader> {
    headers.get(index(number))
}

fn data<'a>(sections: &[Section<'a>], number: u32) -> &'a [u8] {
    sections.get(index(number)).map_or(&[], |section| section.data)
}

fn words(data: &[u8]) -> Option<&[U32<LE>]> {
    pod::slice_from_all_bytes(data).ok()
}
