//! Sections, and the part of an image to which each belongs.

use ::object::elf;

/// The area of an image to which a section belongs, in the order of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Code; call stubs follow.
    Text,
    /// Constants; the global offset table follows.
    Rodata,
    /// `.eh_frame`, kept together so that unwinders walk it as one list.
    EhFrame,
    /// Variables with values.
    Data,
    /// Variables that start as zero; common symbols follow.
    Bss,
    /// Code that is needed until the module has started.
    InitText,
    /// Data that is needed until the module has started.
    InitData,
    /// Not part of the image.
    Unloaded,
}

impl Class {
    /// How many classes an image has.
    pub(crate) const COUNT: usize = 7;

    /// Whether the section's bytes are instructions.
    #[inline]
    pub(crate) const fn is_code(self) -> bool {
        matches!(self, Self::Text | Self::InitText)
    }

    /// The class's position among those of an image.
    pub(crate) const fn index(self) -> Option<usize> {
        match self {
            Self::Text => Some(0),
            Self::Rodata => Some(1),
            Self::EhFrame => Some(2),
            Self::Data => Some(3),
            Self::Bss => Some(4),
            Self::InitText => Some(5),
            Self::InitData => Some(6),
            Self::Unloaded => None,
        }
    }
}

/// A section of an object.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its bytes in the file; empty when it has none there.
    pub(crate) data: &'a [u8],
    /// Its size in memory, in bytes.
    pub(crate) size: u64,
    /// Its alignment in bytes, a power of two.
    pub(crate) align: u64,
    /// Where it goes.
    pub(crate) class: Class,
    /// Left out because another group of the same signature came first (gABI `GRP_COMDAT`).
    pub(crate) discarded: bool,
}

/// Sections that are read by the loader and never by the module's own code after its start.
const LOADER_ONLY: [&str; 4] = [".modinfo", "__versions", "__version_ext_names", "__version_ext_crcs"];

/// The class of a loaded ELF section by its name, flags and type.
pub(crate) fn classify(name: &str, flags: u64, kind: elf::SectionType) -> Class {
    let has = |flag: elf::SectionFlags| flags & flag.0 != 0;
    if !has(elf::SHF_ALLOC) || has(elf::SHF_EXCLUDE) {
        return Class::Unloaded;
    }
    let code = has(elf::SHF_EXECINSTR);
    if is_init(name) || LOADER_ONLY.contains(&name) {
        return if code { Class::InitText } else { Class::InitData };
    }
    match () {
        () if code => Class::Text,
        () if has(elf::SHF_WRITE) && kind == elf::SHT_NOBITS => Class::Bss,
        () if has(elf::SHF_WRITE) => Class::Data,
        () if name == ".eh_frame" => Class::EhFrame,
        () => Class::Rodata,
    }
}

/// Whether a section is freed after the start: `.init.text`, `.init.data`, `.init.rodata` (Linux since 2.6), or
/// `.text.init`, `.data.init` (Linux 2.2, modutils `obj_load.c`). `.init_array` is not one.
fn is_init(name: &str) -> bool {
    name == ".init" || name.starts_with(".init.") || old_init_owner(name).is_some()
}

/// For a section named in the manner of Linux 2.2, the symbol that it would hold if the compiler had named it after
/// its only function or variable (`-ffunction-sections`): then it is an ordinary section.
pub(crate) fn old_init_owner(name: &str) -> Option<&'static str> {
    matches!(name, ".text.init" | ".data.init").then_some("init")
}
