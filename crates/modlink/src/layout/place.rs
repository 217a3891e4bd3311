//! Where sections, common symbols, slots and stubs go.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use ::object::{LittleEndian as LE, elf};

use super::{LayoutOptions, Parts, UseCount, above_page, slots::Slots};
use crate::{
    Error, Object, Result, SymbolPlace,
    addr::{index, round_up},
    object::Class,
};

/// The place of a section that is not in the image.
const NOWHERE: u32 = u32::MAX;

/// The size of the use count in bytes.
const USE_COUNT: u64 = 8;

/// The zeros that end the list of unwind tables.
const TERMINATOR: u64 = 4;

/// The place of everything, as offsets from the base in bytes. An image has at most 1 GiB, so 32 bits do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placement {
    /// By section index: within its class at first, within the image after [`Placement::finish`].
    sections: Vec<u32>,
    /// By class: how far it is filled, and its largest alignment.
    classes: [Area; Class::COUNT],
    /// Common symbols, in the order of the symbol table.
    pub(crate) commons: Vec<(u32, u32)>,
    /// The parts.
    pub(crate) parts: Parts,
    /// The whole image.
    pub(crate) size: u64,
    /// The first stub.
    pub(crate) stubs: u32,
    /// The global offset table.
    pub(crate) table: u32,
    /// The unwind tables without their terminator.
    pub(crate) eh_frame: Range<u64>,
    /// The caller's bytes.
    pub(crate) reserved: Range<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Area {
    size: u64,
    align: u64,
}

impl Area {
    /// Takes `size` bytes and answers where they start.
    fn take(&mut self, size: u64, align: u64, limit: u64) -> Result<u64> {
        let start = round_up(self.size, align);
        let end = start.and_then(|start| start.checked_add(size));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(Error::TooLarge { size: u64::MAX, limit });
        };
        if end > limit {
            return Err(Error::TooLarge { size: end, limit });
        }
        self.size = end;
        self.align = self.align.max(align);
        Ok(start)
    }
}

impl Placement {
    /// Places every loaded section within its class, in the order of the file.
    pub(super) fn sections(object: &Object<'_>, options: &LayoutOptions) -> Result<Self> {
        let mut placement = Self { sections: vec![NOWHERE; object.sections.len()], ..Self::default() };
        for (section, place) in object.sections.iter().zip(&mut placement.sections) {
            let area = section.class.index().and_then(|class| placement.classes.get_mut(class));
            let Some(area) = area.filter(|_| !section.discarded) else { continue };
            if section.align > options.page_size {
                return Err(above_page(section.name, section.align, options));
            }
            // Padding between two unwind tables would read as the end of the list.
            let align = if section.class == Class::EhFrame && area.size > 0 { 1 } else { section.align };
            *place = narrow(area.take(section.size, align, options.max_size)?, options)?;
        }
        if object.homes.commons {
            placement.common_symbols(object, options)?;
        }
        Ok(placement)
    }

    /// Common symbols go behind the variables that start as zero.
    fn common_symbols(&mut self, object: &Object<'_>, options: &LayoutOptions) -> Result<()> {
        let Some(bss) = Class::Bss.index().and_then(|class| self.classes.get_mut(class)) else { return Ok(()) };
        for (number, sym) in (0_u32..).zip(object.symbols.iter()) {
            if object.place(number, sym) != SymbolPlace::Common {
                continue;
            }
            let name = || object.strings.get(sym.st_name.get(LE));
            let align = sym.st_value.get(LE).max(1);
            if !align.is_power_of_two() {
                return Err(Error::BadAlignment { name: name().into(), align });
            }
            if align > options.page_size {
                return Err(above_page(name(), align, options));
            }
            let place = bss.take(sym.st_size.get(LE), align, options.max_size)?;
            self.commons.push((number, narrow(place, options)?));
        }
        Ok(())
    }

    /// Puts the classes, slots and stubs behind each other, and turns every place into one within the image.
    pub(super) fn finish(&mut self, object: &Object<'_>, options: &LayoutOptions, slots: &Slots) -> Result<()> {
        let mut bases = [0_u64; Class::COUNT];
        let mut image = Area::default();
        let limit = options.max_size;
        let pointer = object.machine.pointer();
        let classes = self.classes;
        let [text, rodata, eh_frame, data, bss, init_text, init_data] = classes;
        let [text_at, rodata_at, eh_frame_at, data_at, bss_at, init_text_at, init_data_at] = &mut bases;

        *text_at = image.take(text.size, options.page_size, limit)?;
        let stubs = image.take(slots.stub_bytes(), 8, limit)?;
        let text_end = image.size;

        *rodata_at = image.take(rodata.size, options.page_size, limit)?;
        let table = image.take(slots.table_bytes(pointer), pointer.into(), limit)?;
        *eh_frame_at = image.take(eh_frame.size, eh_frame.align.max(1), limit)?;
        self.eh_frame = *eh_frame_at..image.size;
        if eh_frame.size > 0 {
            image.take(TERMINATOR, 1, limit)?;
        }
        let rodata_end = image.size;

        let count = if options.use_count == UseCount::Reserve { USE_COUNT } else { 0 };
        let data_start = image.take(count, options.page_size, limit)?;
        *data_at = image.take(data.size, data.align.max(1), limit)?;
        *bss_at = image.take(bss.size, bss.align.max(1), limit)?;
        let reserved = image.take(options.reserve, 8, limit)?;
        self.reserved = reserved..image.size;
        let data_end = image.size;

        *init_text_at = image.take(init_text.size, options.page_size, limit)?;
        let init_text_end = image.size;
        *init_data_at = image.take(init_data.size, options.page_size, limit)?;
        let init_data_end = image.size;
        self.size = image.take(0, options.page_size, limit)?;
        self.parts = Parts {
            text: *text_at..text_end,
            rodata: *rodata_at..rodata_end,
            data: data_start..data_end,
            init_text: *init_text_at..init_text_end,
            init_data: *init_data_at..init_data_end,
        };
        self.stubs = narrow(stubs, options)?;
        self.table = narrow(table, options)?;
        self.rebase(object, bases, options)
    }

    fn rebase(&mut self, object: &Object<'_>, bases: [u64; Class::COUNT], options: &LayoutOptions) -> Result<()> {
        let mut starts = [0_u32; Class::COUNT];
        for (start, base) in starts.iter_mut().zip(bases) {
            *start = narrow(base, options)?;
        }
        // Both numbers are below 1 GiB, so their sum fits.
        for (place, section) in self.sections.iter_mut().zip(&object.sections) {
            let start = section.class.index().and_then(|class| starts.get(class));
            if let Some(start) = start.filter(|_| *place != NOWHERE) {
                *place = place.saturating_add(*start);
            }
        }
        let bss = Class::Bss.index().and_then(|class| starts.get(class)).copied().unwrap_or(0);
        for (_, place) in &mut self.commons {
            *place = place.saturating_add(bss);
        }
        Ok(())
    }

    /// Where a section is, if it is in the image.
    #[inline]
    pub(crate) fn of(&self, section: u32) -> Option<u32> {
        self.sections.get(index(section)).copied().filter(|&place| place != NOWHERE)
    }

    /// By section index, for those that fit in a symbol's record (gABI `SHN_LORESERVE`): its place, or a number above 2^31.
    pub(crate) fn direct(&self) -> &[u32] {
        self.sections.get(..usize::from(elf::SHN_LORESERVE)).unwrap_or(&self.sections)
    }

    /// The place of every section, or nothing for those outside of the image.
    pub(crate) fn all(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.sections.iter().map(|&place| (place != NOWHERE).then_some(place))
    }

    /// Where a common symbol is.
    pub(crate) fn common(&self, symbol: u32) -> Option<u32> {
        let at = self.commons.binary_search_by_key(&symbol, |&(number, _)| number).ok()?;
        self.commons.get(at).map(|&(_, place)| place)
    }
}

fn narrow(offset: u64, options: &LayoutOptions) -> Result<u32> {
    u32::try_from(offset).map_err(|_| Error::TooLarge { size: offset, limit: options.max_size })
}
