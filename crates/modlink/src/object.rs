//! A relocatable object whose structure has been checked, whatever its file format.

mod elf;
mod group;
pub(crate) mod home;
pub(crate) mod record;
mod section;
mod strings;
pub(crate) mod symbol;

use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, ops::Range};

use ::object::{LittleEndian as LE, U32};

pub(crate) use home::{Homes, MOST_SYMBOLS};
pub(crate) use section::{Class, Section};
pub(crate) use strings::Strings;
pub use symbol::{Binding, Symbol, SymbolIndex, SymbolKind, SymbolPlace, Visibility};
pub(crate) use symbol::{Rela, Sym};

use crate::{Error, Result, addr::index, aout};

/// The container of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ELF with 64-bit records.
    Elf64,
    /// ELF with 32-bit records.
    Elf32,
    /// a.out with magic 0407 (`OMAGIC`).
    Aout,
}

/// The machine that runs an object's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64 with 64-bit pointers.
    X86_64,
    /// i386.
    I386,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
            Self::I386 => "i386",
        })
    }
}

impl Machine {
    /// One past the highest address, if that is a 64-bit number.
    pub(crate) const fn address_limit(self) -> u64 {
        match self {
            Self::X86_64 => u64::MAX,
            Self::I386 => 1 << 32,
        }
    }

    /// The size of a pointer, and so of a slot of the global offset table, in bytes.
    pub(crate) const fn pointer(self) -> u32 {
        match self {
            Self::X86_64 => 8,
            Self::I386 => 4,
        }
    }
}

/// The relocations of one section.
#[derive(Clone, Debug)]
pub(crate) struct Relocations<'a> {
    /// The index of the section whose bytes they change.
    pub(crate) target: u32,
    /// With explicit addends; transcoded when the file keeps them in the section.
    pub(crate) entries: Cow<'a, [Rela]>,
}

/// A relocatable object whose structure has been checked: nothing in it reaches outside of the file.
///
/// ELF64 records are borrowed from the file; the records of the other formats are transcoded into ELF64 ones.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) format: Format,
    pub(crate) machine: Machine,
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) symbols: Cow<'a, [Sym]>,
    /// The first symbol that is not local (gABI: `sh_info` of the symbol table).
    pub(crate) first_global: u32,
    /// `SHT_SYMTAB_SHNDX`: the section of each symbol whose `st_shndx` is `SHN_XINDEX`.
    pub(crate) extended: &'a [U32<LE>],
    pub(crate) strings: Strings<'a>,
    /// Where each symbol is.
    pub(crate) homes: Homes,
    /// Of loaded sections only, in the order of their targets.
    pub(crate) relocations: Vec<Relocations<'a>>,
}

impl<'a> Object<'a> {
    /// Checks `bytes` as an object: ELF64 for x86-64, ELF32 for i386, or an a.out of either.
    ///
    /// # Errors
    ///
    /// Every way in which the structure of the file can be wrong; see [`Error`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        match bytes {
            [0x7f, b'E', b'L', b'F', ..] => elf::parse(bytes),
            [0x07, 0x01, ..] => aout::read::parse(bytes),
            _ => Err(Error::NotAnObject),
        }
    }

    /// The container.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The bytes of the first section called `name`; empty for one without bytes.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|section| section.name == name).map(|section| section.data)
    }

    /// All symbols in the order of the file, the null symbol included.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol<'a>> + '_ {
        (0..).zip(self.symbols.iter()).map(|(index, sym)| self.view(SymbolIndex(index), sym))
    }

    /// The symbols that are not local, in the order of the file.
    pub fn globals(&self) -> impl Iterator<Item = Symbol<'a>> + '_ {
        let globals = self.symbols.get(index(self.first_global)..).unwrap_or_default();
        (self.first_global..).zip(globals).map(|(index, sym)| self.view(SymbolIndex(index), sym))
    }

    /// The symbol of an index, if there is one.
    #[must_use]
    pub fn symbol(&self, symbol: SymbolIndex) -> Option<Symbol<'a>> {
        self.symbols.get(index(symbol.0)).map(|sym| self.view(symbol, sym))
    }

    /// The symbol called `name`: a global or weak definition, or else a local one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Symbol<'a>> {
        let named = |sym: &Sym| self.strings.is(sym.st_name.get(LE), name) && symbol::has_name(sym);
        let first = index(self.first_global);
        let globals = self.symbols.get(first..).unwrap_or_default();
        let at = match globals.iter().position(|sym| named(sym) && symbol::is_definition(sym)) {
            Some(at) => first + at,
            None => self.symbols.get(..first).unwrap_or_default().iter().position(|sym| named(sym) && symbol::is_definition(sym))?,
        };
        self.symbol(SymbolIndex(u32::try_from(at).ok()?))
    }

    /// The name by which errors call a symbol: its own, or that of the section that it stands for.
    pub(crate) fn symbol_name(&self, symbol: u32) -> &'a str {
        let Some(view) = self.symbol(SymbolIndex(symbol)) else { return "" };
        match view.place {
            SymbolPlace::Section(section) if view.kind == SymbolKind::Section => self.section_name(section),
            _ => view.name,
        }
    }

    /// The name of a section, or nothing for an index without one.
    pub(crate) fn section_name(&self, section: u32) -> &'a str {
        self.sections.get(index(section)).map_or("", |section| section.name)
    }

    /// Where symbol `at` is defined.
    #[inline]
    pub(crate) fn place(&self, at: u32, sym: &Sym) -> SymbolPlace {
        symbol::place(sym, || self.extended.get(index(at)).map_or(0, |section| section.get(LE)))
    }

    /// The bytes of the file that hold each section's `sh_addr`; nothing for a.out.
    pub(crate) fn address_fields(&self) -> Option<impl Iterator<Item = Range<usize>> + use<>> {
        // gABI `Elf64_Ehdr.e_shoff`, `sizeof(Elf64_Shdr)`, `Elf64_Shdr.sh_addr`, and those of `Elf32_*`.
        let (table, size, addr, width) = match self.format {
            Format::Elf64 => (u64::from_le_bytes(*self.bytes.get(40..)?.first_chunk()?), 64, 16, 8),
            Format::Elf32 => (u32::from_le_bytes(*self.bytes.get(32..)?.first_chunk()?).into(), 40, 12, 4),
            Format::Aout => return None,
        };
        let first = usize::try_from(table).ok()?.checked_add(addr)?;
        let field = move |number: usize| {
            let start = first.checked_add(number.checked_mul(size)?)?;
            Some(start..start.checked_add(width)?)
        };
        Some((0..self.sections.len()).map_while(field))
    }

    fn view(&self, at: SymbolIndex, sym: &Sym) -> Symbol<'a> {
        symbol::view(at, sym, self.place(at.0, sym), self.strings.get(sym.st_name.get(LE)))
    }
}
