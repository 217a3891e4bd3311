//! Symbols (gABI chapter 4, "Symbol Table") and the raw records behind them.

use ::object::{LittleEndian as LE, elf};

/// A raw symbol record.
pub(crate) type Sym = elf::Sym64<LE>;

/// A raw relocation record.
pub(crate) type Rela = elf::Rela64<LE>;

/// `SHN_X86_64_LCOMMON` of the x86-64 psABI: a common symbol of the medium and large model.
const SHN_X86_64_LCOMMON: elf::SymbolSection = elf::SymbolSection(0xff02);

/// The position of a symbol in its object's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolIndex(pub u32);

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolPlace {
    /// In another object.
    Undefined,
    /// Nowhere: its value is a plain number.
    Absolute,
    /// In zeroed memory that the linker allocates; its value is the alignment in bytes.
    Common,
    /// In the section of this index; its value is the offset in bytes.
    Section(u32),
}

/// Who sees a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Its object only.
    Local,
    /// Every object.
    Global,
    /// Every object; undefined it is zero, defined it yields to a global one.
    Weak,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Nothing in particular.
    None,
    /// Data.
    Object,
    /// Code.
    Function,
    /// A section.
    Section,
    /// A source file.
    File,
    /// Thread-local data.
    ThreadLocal,
    /// A function that picks the function (`STT_GNU_IFUNC`).
    Indirect,
    /// Anything else.
    Other(u8),
}

/// How far a global symbol is seen after linking (gABI `st_other`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// As its binding says.
    Default,
    /// Not outside of its component.
    Hidden,
    /// Outside too, but its own component uses its own definition.
    Protected,
}

/// A symbol of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its position in the table.
    pub index: SymbolIndex,
    /// Its name; empty for section symbols.
    pub name: &'a str,
    /// Its value; what that is depends on `place`.
    pub value: u64,
    /// Its size in bytes, 0 when unknown.
    pub size: u64,
    /// Where it is defined.
    pub place: SymbolPlace,
    /// Who sees it.
    pub binding: Binding,
    /// What it names.
    pub kind: SymbolKind,
    /// How far it is seen.
    pub visibility: Visibility,
}

impl Symbol<'_> {
    /// Whether the object itself defines it.
    #[must_use]
    pub fn is_defined(&self) -> bool {
        self.place != SymbolPlace::Undefined
    }
}

/// Where `sym` is defined; `extended` gives the index that does not fit in its record.
#[inline]
pub(crate) fn place(sym: &Sym, extended: impl FnOnce() -> u32) -> SymbolPlace {
    match sym.st_shndx.get(LE) {
        elf::SHN_UNDEF => SymbolPlace::Undefined,
        elf::SHN_ABS => SymbolPlace::Absolute,
        elf::SHN_COMMON | SHN_X86_64_LCOMMON => SymbolPlace::Common,
        elf::SHN_XINDEX => SymbolPlace::Section(extended()),
        section => SymbolPlace::Section(u32::from(section.0)),
    }
}

/// Whether `sym` is defined in its object.
#[inline]
pub(crate) fn is_definition(sym: &Sym) -> bool {
    sym.st_shndx.get(LE) != elf::SHN_UNDEF
}

/// Whether `sym` is of a kind that is found by name.
#[inline]
pub(crate) fn has_name(sym: &Sym) -> bool {
    !matches!(sym.st_type(), elf::STT_SECTION | elf::STT_FILE)
}

/// Who sees `sym`.
#[inline]
pub(crate) fn binding(sym: &Sym) -> Binding {
    match sym.st_bind() {
        elf::STB_LOCAL => Binding::Local,
        elf::STB_WEAK => Binding::Weak,
        _ => Binding::Global,
    }
}

/// What `sym` names.
#[inline]
pub(crate) fn kind(sym: &Sym) -> SymbolKind {
    match sym.st_type() {
        elf::STT_NOTYPE => SymbolKind::None,
        elf::STT_OBJECT | elf::STT_COMMON => SymbolKind::Object,
        elf::STT_FUNC => SymbolKind::Function,
        elf::STT_SECTION => SymbolKind::Section,
        elf::STT_FILE => SymbolKind::File,
        elf::STT_TLS => SymbolKind::ThreadLocal,
        elf::STT_GNU_IFUNC => SymbolKind::Indirect,
        other => SymbolKind::Other(other.0),
    }
}

/// The record in words.
pub(crate) fn view<'a>(index: SymbolIndex, sym: &Sym, place: SymbolPlace, name: &'a str) -> Symbol<'a> {
    let visibility = match sym.st_visibility() {
        elf::STV_DEFAULT => Visibility::Default,
        elf::STV_PROTECTED => Visibility::Protected,
        _ => Visibility::Hidden,
    };
    Symbol {
        index,
        name,
        value: sym.st_value.get(LE),
        size: sym.st_size.get(LE),
        place,
        binding: binding(sym),
        kind: kind(sym),
        visibility,
    }
}
