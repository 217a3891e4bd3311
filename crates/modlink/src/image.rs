//! A linked image: its symbols and sections with the addresses at which they run.

use alloc::vec::Vec;

use ::object::LittleEndian as LE;

use crate::{
    Addr, Binding, Layout, Object, Part, SymbolIndex, SymbolKind, SymbolPlace,
    addr::index,
    link::Targets,
    object::{Class, home, symbol},
};

/// The result of [`Layout::link`]: where everything in the written bytes runs.
#[derive(Clone, Debug)]
pub struct Image<'l> {
    layout: &'l Layout<'l>,
    base: Addr,
    targets: Targets<'l>,
}

/// A symbol of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedSymbol<'a> {
    /// Its position in the object's symbol table.
    pub index: SymbolIndex,
    /// Its name.
    pub name: &'a str,
    /// Where it runs.
    pub addr: Addr,
    /// Its size in bytes, 0 when unknown.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
    /// Who sees it.
    pub binding: Binding,
    /// The letter of a load map, as `nm` prints it: T text, R constants, D data, B zeroed data, A number, W weak;
    /// lower case when local.
    pub letter: char,
}

/// A section of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its index in the object.
    pub index: u32,
    /// The part of the image that it is in.
    pub part: Part,
    /// Where it starts, as an offset from the base in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
}

impl<'l> Image<'l> {
    pub(crate) fn new(layout: &'l Layout<'_>, base: Addr, targets: Targets<'l>) -> Self {
        Self { layout, base, targets }
    }

    /// The layout that it was linked from.
    #[must_use]
    pub fn layout(&self) -> &'l Layout<'l> {
        self.layout
    }

    /// The address at which its first byte runs.
    #[must_use]
    pub fn base(&self) -> Addr {
        self.base
    }

    /// The run address of the symbol called `name` that the object defines: a global or weak one, or else a local one.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Addr> {
        self.addr(self.layout.object.find(name)?.index)
    }

    /// The run address of a symbol, an import's included.
    #[must_use]
    pub fn addr(&self, symbol: SymbolIndex) -> Option<Addr> {
        self.targets.addr(symbol.0)
    }

    /// Every symbol with a name that the image defines, local ones included.
    pub fn symbols(&self) -> impl Iterator<Item = PlacedSymbol<'l>> + '_ {
        self.placed(0)
    }

    /// Every symbol that the image defines for others: global and weak ones.
    pub fn globals(&self) -> impl Iterator<Item = PlacedSymbol<'l>> + '_ {
        self.placed(self.layout.object.first_global)
    }

    /// The name and run address of every symbol that the image defines for others, plain numbers included: the same ones
    /// as [`Image::globals`], without all that is said of them there.
    pub fn exports(&self) -> impl Iterator<Item = (&'l str, Addr)> + '_ {
        let object = self.layout.object;
        let first = index(object.first_global);
        let symbols = object.symbols.get(first..).unwrap_or_default();
        let homes = object.homes.marks.get(first..).unwrap_or_default();
        let all = symbols.iter().zip(self.targets.from(object.first_global)).zip(homes);
        let defined = all.filter(|((sym, _), home)| !home::is_elsewhere(**home) && symbol::has_name(sym));
        let named = defined.map(|((sym, addr), _)| (object.strings.get(sym.st_name.get(LE)), addr));
        named.filter(|(name, _)| !name.is_empty())
    }

    fn placed(&self, first: u32) -> impl Iterator<Item = PlacedSymbol<'l>> + '_ {
        let object = self.layout.object;
        let letters: Vec<Option<char>> = self.layout.section_letters().collect();
        let symbols = object.symbols.get(index(first)..).unwrap_or_default();
        (first..).zip(symbols.iter().zip(self.targets.from(first))).filter_map(move |(number, (sym, addr))| {
            let letter = match object.place(number, sym) {
                SymbolPlace::Undefined => return None,
                SymbolPlace::Absolute => 'A',
                SymbolPlace::Common => 'B',
                SymbolPlace::Section(section) => letters.get(index(section)).copied().flatten()?,
            };
            let kind = symbol::kind(sym);
            let name = object.strings.get(sym.st_name.get(LE));
            if name.is_empty() || matches!(kind, SymbolKind::Section | SymbolKind::File) {
                return None;
            }
            let binding = symbol::binding(sym);
            let letter = match binding {
                Binding::Local => letter.to_ascii_lowercase(),
                Binding::Weak => 'W',
                Binding::Global => letter,
            };
            let (index, size) = (SymbolIndex(number), sym.st_size.get(LE));
            Some(PlacedSymbol { index, name, addr, size, kind, binding, letter })
        })
    }
}

impl<'o> Layout<'o> {
    /// The loaded sections, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = PlacedSection<'o>> + '_ {
        let object: &'o Object<'o> = self.object;
        let sections = (0_u32..).zip(object.sections.iter()).zip(self.placement.all());
        sections.filter_map(|((number, section), place)| {
            let part = match section.class {
                Class::Text => Part::Text,
                Class::Rodata | Class::EhFrame => Part::Rodata,
                Class::Data | Class::Bss => Part::Data,
                Class::InitText => Part::InitText,
                Class::InitData => Part::InitData,
                Class::Unloaded => return None,
            };
            Some(PlacedSection { name: section.name, index: number, part, offset: place?.into(), size: section.size, align: section.align })
        })
    }

    /// The letter of what each section holds; nothing for one that is not in the image.
    fn section_letters(&self) -> impl Iterator<Item = Option<char>> + '_ {
        self.object.sections.iter().zip(self.placement.all()).map(|(section, place)| {
            place.and(match section.class {
                Class::Text | Class::InitText => Some('T'),
                Class::Rodata | Class::EhFrame => Some('R'),
                Class::Data | Class::InitData => Some('D'),
                Class::Bss => Some('B'),
                Class::Unloaded => None,
            })
        })
    }
}
