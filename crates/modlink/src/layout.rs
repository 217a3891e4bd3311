//! The plan of an image: where each section goes, which slots and stubs are reserved, which symbols must be found.
//!
//! Making it is the checking pass. It looks at every relocation once, so that the applying pass has only ranges left
//! to check.

mod check;
mod place;
mod slots;

use alloc::{string::ToString, vec::Vec};
use core::ops::Range;

use crate::{Error, Object, Result, SymbolIndex};
use check::Marks;
pub(crate) use check::{site, unloaded_home};
use place::Placement;
pub(crate) use slots::{STUB, Slots};

/// Whether the writable part starts with a use count (classic `mod_use_count_`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UseCount {
    /// It does not; `mod_use_count_` is a symbol like any other.
    #[default]
    None,
    /// Its first 8 bytes are the count, zero at first, and `mod_use_count_` is their address.
    Reserve,
}

/// Whether instructions are rewritten to do without a slot where that is possible (psABI "Optimize GOTPCRELX").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relax {
    /// Wherever the target is in reach.
    #[default]
    WherePossible,
    /// Nowhere.
    Never,
}

/// What the output buffer holds before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buffer {
    /// Anything: every byte is written, gaps and `.bss` as zeros.
    #[default]
    Dirty,
    /// Zeros, as in a fresh mapping: gaps and `.bss` are left alone, so their pages are never touched.
    Zeroed,
}

/// How an object is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutOptions {
    /// The size in bytes of the pages by which memory is protected: a power of two up to 1 GiB.
    pub page_size: u64,
    /// Whether the writable part starts with a use count.
    pub use_count: UseCount,
    /// Bytes to reserve at the end of the writable part, for the caller ([`Layout::reserved`]).
    pub reserve: u64,
    /// Whether instructions are rewritten.
    pub relax: Relax,
    /// What the output buffer holds before.
    pub buffer: Buffer,
    /// The largest image in bytes; above 1 GiB means 1 GiB.
    pub max_size: u64,
}

/// Above this, references within an image might not reach.
const LARGEST: u64 = 1 << 30;

impl Default for LayoutOptions {
    fn default() -> Self {
        Self {
            page_size: 4096,
            use_count: UseCount::None,
            reserve: 0,
            relax: Relax::WherePossible,
            buffer: Buffer::Dirty,
            max_size: 256 << 20,
        }
    }
}

/// A part of an image: bytes with one kind of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Code, and stubs for calls that do not reach: read and execute.
    Text,
    /// Constants, the global offset table, unwind tables: read only.
    Rodata,
    /// Variables: read and write.
    Data,
    /// Code for the start: read and execute, then free.
    InitText,
    /// Data for the start: read and write, then free.
    InitData,
}

/// The parts of an image as byte ranges from its base: in this order, each starting on a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Code.
    pub text: Range<u64>,
    /// Constants.
    pub rodata: Range<u64>,
    /// Variables.
    pub data: Range<u64>,
    /// Code for the start.
    pub init_text: Range<u64>,
    /// Data for the start.
    pub init_data: Range<u64>,
}

impl Parts {
    /// The range of one part.
    #[must_use]
    pub fn get(&self, part: Part) -> Range<u64> {
        match part {
            Part::Text => &self.text,
            Part::Rodata => &self.rodata,
            Part::Data => &self.data,
            Part::InitText => &self.init_text,
            Part::InitData => &self.init_data,
        }
        .clone()
    }

    /// The part that holds the byte at `offset` from the base.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<Part> {
        [Part::Text, Part::Rodata, Part::Data, Part::InitText, Part::InitData].into_iter().find(|&part| self.get(part).contains(&offset))
    }
}

/// A symbol that the object uses and does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import<'a> {
    /// Its position in the object's symbol table.
    pub index: SymbolIndex,
    /// Its name.
    pub name: &'a str,
    /// Whether it may stay undefined, and is zero then.
    pub weak: bool,
    /// Whether it is only called, so that it may be at any distance.
    pub only_called: bool,
}

/// The plan of an image; see [`Object::layout`].
#[derive(Clone, Debug)]
pub struct Layout<'o> {
    pub(crate) object: &'o Object<'o>,
    pub(crate) options: LayoutOptions,
    pub(crate) placement: Placement,
    pub(crate) slots: Slots,
    /// Undefined symbols that a relocation uses.
    pub(crate) imports: Vec<Import<'o>>,
    /// Undefined symbols that the layout itself defines.
    pub(crate) provided: Vec<(SymbolIndex, u64)>,
}

impl<'a> Object<'a> {
    /// The checking pass: decides where everything goes and looks at every relocation of every loaded section.
    ///
    /// # Errors
    ///
    /// [`Error`]s of sizes and alignments, and of relocations that are outside of their section, against a missing
    /// symbol, or of a type that cannot be linked.
    pub fn layout<'o>(&'o self, options: &LayoutOptions) -> Result<Layout<'o>>
    where
        'a: 'o,
    {
        if !options.page_size.is_power_of_two() || options.page_size > LARGEST {
            return Err(Error::BadPageSize { page: options.page_size });
        }
        let options = LayoutOptions { max_size: options.max_size.min(LARGEST), ..*options };
        let placement = Placement::sections(self, &options)?;
        let marks = check::relocations(self, &placement, options.relax)?;
        Layout::plan(self, options, placement, &marks)
    }
}

/// The symbol that is the global offset table's address (psABI; the assembler adds it to every object that uses one).
const TABLE_SYMBOL: &str = "_GLOBAL_OFFSET_TABLE_";

/// The symbol that is the use count's address (Linux 2.0 `<linux/module.h>`).
const USE_COUNT_SYMBOL: &str = "mod_use_count_";

impl<'o> Layout<'o> {
    fn plan(object: &'o Object<'o>, options: LayoutOptions, mut placement: Placement, marks: &Marks) -> Result<Self> {
        let slots = Slots::new(marks);
        placement.finish(object, &options, &slots)?;
        let mut layout = Self { object, options, placement, slots, imports: Vec::new(), provided: Vec::new() };
        for import in marks.undefined(object) {
            match (import.name, options.use_count) {
                (TABLE_SYMBOL, _) => layout.provided.push((import.index, layout.placement.table.into())),
                (USE_COUNT_SYMBOL, UseCount::Reserve) => {
                    layout.provided.push((import.index, layout.placement.parts.data.start));
                }
                _ => layout.imports.push(import),
            }
        }
        Ok(layout)
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &'o Object<'o> {
        self.object
    }

    /// The parts of the image.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.placement.parts
    }

    /// The size of the image in bytes, a whole number of pages.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.placement.size
    }

    /// The symbols that must be found, in the order of the symbol table: each undefined symbol that a relocation of a
    /// loaded section uses.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = Import<'o>> + '_ {
        self.imports.iter().copied()
    }

    /// The bytes that [`LayoutOptions::reserve`] asked for, as a range from the base.
    #[must_use]
    pub fn reserved(&self) -> Range<u64> {
        self.placement.reserved.clone()
    }

    /// Where the use count is, as an offset from the base in bytes, if one is reserved.
    #[must_use]
    pub fn use_count(&self) -> Option<u64> {
        (self.options.use_count == UseCount::Reserve).then_some(self.placement.parts.data.start)
    }

    /// The unwind tables (`.eh_frame`) as a range from the base; empty if there are none.
    ///
    /// The 4 bytes behind are zero and end the list, as `__register_frame` needs.
    #[must_use]
    pub fn eh_frame(&self) -> Range<u64> {
        self.placement.eh_frame.clone()
    }

    /// Where a symbol will be, as an offset from the base in bytes; nothing for one outside of the image.
    #[must_use]
    pub fn offset_of(&self, symbol: SymbolIndex) -> Option<u64> {
        let view = self.object.symbol(symbol)?;
        match view.place {
            crate::SymbolPlace::Section(section) => {
                let place = self.placement.of(section)?;
                u64::from(place).checked_add(view.value)
            }
            crate::SymbolPlace::Common => self.placement.common(symbol.0).map(u64::from),
            _ => None,
        }
    }

    /// Where a loaded section will be, as an offset from the base in bytes.
    #[must_use]
    pub fn section_offset(&self, name: &str) -> Option<u64> {
        let at = self.object.sections.iter().position(|section| section.name == name)?;
        self.placement.of(u32::try_from(at).ok()?).map(u64::from)
    }
}

/// The error of something whose alignment the base cannot promise.
fn above_page(name: &str, align: u64, options: &LayoutOptions) -> Error {
    Error::AlignmentAbovePage { name: name.to_string(), align, page: options.page_size }
}
