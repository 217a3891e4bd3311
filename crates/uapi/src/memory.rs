//! The memory of a module as `create_module` is asked for it: five parts behind one base address.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Errno;

/// The page size of the hosted kernel, in bytes (x86-64).
pub const PAGE_SIZE: u64 = 4096;

/// Largest image that a kernel gives memory for, in bytes.
pub const MAX_IMAGE_SIZE: u64 = 256 << 20;

/// The parts of an image, in the order in which they lie behind the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// Code: mapped read-execute.
    Text,
    /// Constants and the global offset table: mapped read-only.
    Rodata,
    /// Data and bss: private read-write. Its first word is the use count (`mod_use_count_`).
    Data,
    /// Code that only initialization runs: read-execute, freed after it.
    InitText,
    /// Data that only initialization reads and writes: private read-write, freed after it.
    InitData,
}

impl Part {
    /// All parts in image order.
    pub const ALL: [Self; 5] = [Self::Text, Self::Rodata, Self::Data, Self::InitText, Self::InitData];

    /// Whether the part is freed when initialization is over.
    #[must_use]
    pub const fn is_init(self) -> bool {
        matches!(self, Self::InitText | Self::InitData)
    }
}

/// Where a part lies, relative to the base, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRange {
    /// Distance of its first byte from the base; a multiple of [`PAGE_SIZE`].
    pub offset: u64,
    /// Its length; 0 where the module has no such part.
    pub size: u64,
}

impl PartRange {
    /// The half-open range of offsets, or `None` where it would overflow.
    #[must_use]
    pub fn range(self) -> Option<Range<u64>> {
        Some(self.offset..self.offset.checked_add(self.size)?)
    }
}

/// The memory that an image needs: a range of offsets for each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLayout {
    /// Indexed by [`Part`] in the order of [`Part::ALL`].
    pub parts: [PartRange; 5],
}

impl MemoryLayout {
    /// A layout that gives each part the next whole pages; `sizes` in bytes, in the order of [`Part::ALL`].
    #[must_use]
    pub fn from_sizes(sizes: [u64; 5]) -> Self {
        let mut offset = 0_u64;
        let parts = sizes.map(|size| {
            let range = PartRange { offset, size };
            offset = offset.saturating_add(size.div_ceil(PAGE_SIZE).saturating_mul(PAGE_SIZE));
            range
        });
        Self { parts }
    }

    /// The range of one part.
    #[must_use]
    pub fn part(&self, part: Part) -> PartRange {
        self.parts[part as usize]
    }

    /// Bytes from the base to the end of the last part, in whole pages. Only meaningful once [`check`](Self::check) accepted it.
    #[must_use]
    pub fn size(&self) -> u64 {
        let end = self.parts.iter().filter_map(|part| part.range()).map(|range| range.end).max().unwrap_or(0);
        end.div_ceil(PAGE_SIZE).saturating_mul(PAGE_SIZE)
    }

    /// Bytes that stay when initialization is over: what `lsmod` shows as the size.
    #[must_use]
    pub fn core_size(&self) -> u64 {
        [Part::Text, Part::Rodata, Part::Data].iter().map(|part| self.part(*part).size).fold(0, u64::saturating_add)
    }

    /// Checks a layout that came from outside: page-aligned parts in order, without overlap, a data part with room for the use
    /// count, and a total of at most [`MAX_IMAGE_SIZE`].
    ///
    /// # Errors
    /// `EINVAL` for a layout that makes no sense, `ENOMEM` for one that is too large.
    pub fn check(&self) -> Result<(), Errno> {
        let mut end = 0_u64;
        for part in self.parts {
            let range = part.range().ok_or(Errno::EINVAL)?;
            if range.start % PAGE_SIZE != 0 || range.start < end {
                return Err(Errno::EINVAL);
            }
            if range.end > MAX_IMAGE_SIZE {
                return Err(Errno::ENOMEM);
            }
            end = range.end;
        }
        if self.part(Part::Data).size < 8 { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_IMAGE_SIZE, MemoryLayout, Part, PartRange};
    use crate::Errno;

    #[test]
    fn parts_lie_in_whole_pages_one_behind_the_other() {
        let layout = MemoryLayout::from_sizes([10, 0, 4096, 4097, 1]);
        assert_eq!(layout.check(), Ok(()));
        assert_eq!(layout.part(Part::Rodata), PartRange { offset: 4096, size: 0 });
        assert_eq!(layout.part(Part::InitData).offset, 4096 * 4);
        assert_eq!(layout.size(), 4096 * 5);
        assert_eq!(layout.core_size(), 4106);
    }

    #[test]
    fn senseless_layouts_are_refused() {
        assert_eq!(MemoryLayout::default().check(), Err(Errno::EINVAL), "no room for the use count");
        assert_eq!(MemoryLayout::from_sizes([MAX_IMAGE_SIZE, 0, 8, 0, 0]).check(), Err(Errno::ENOMEM));
        let mut layout = MemoryLayout::from_sizes([8, 8, 8, 0, 0]);
        layout.parts[1].offset = 0;
        assert_eq!(layout.check(), Err(Errno::EINVAL), "overlap");
        layout.parts[1].offset = !4095;
        layout.parts[1].size = 1 << 20;
        assert_eq!(layout.check(), Err(Errno::EINVAL), "overflow");
    }
}
