//! Address space for modules: which ranges of a reservation are taken, and where a reservation fits between the host's own
//! mappings. No memory is touched here.

use std::collections::BTreeMap;
use std::ops::Range;

use uapi::PAGE_SIZE;

/// How far a 4-byte displacement reaches, less what an addend may add.
const REACH: u64 = (2 << 30) - (16 << 20);

/// Distance that a reservation keeps from mappings of others, which may grow.
const MARGIN: u64 = 1 << 20;

/// Lowest address that a process may map by default (`vm.mmap_min_addr`).
const LOWEST: u64 = 64 << 10;

/// The ranges of a reservation that modules have, each with an unmapped page on both sides.
#[derive(Debug)]
pub(crate) struct Ranges {
    span: Range<u64>,
    taken: BTreeMap<u64, u64>,
    used_up_to: u64,
}

/// Address space that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The addresses.
    pub(crate) range: Range<u64>,
    /// Whether somebody's code may have run there before.
    pub(crate) reused: bool,
}

impl Ranges {
    /// All of `span` is free.
    pub(crate) fn new(span: Range<u64>) -> Self {
        Self { used_up_to: span.start, span, taken: BTreeMap::new() }
    }

    /// Takes the first gap that holds `size` bytes in whole pages and a guard page on both sides.
    pub(crate) fn take(&mut self, size: u64) -> Option<Grant> {
        let size = size.max(1).checked_next_multiple_of(PAGE_SIZE)?;
        let mut start = self.span.start.checked_add(PAGE_SIZE)?;
        for (begin, end) in &self.taken {
            if start.checked_add(size)?.checked_add(PAGE_SIZE)? <= *begin {
                break;
            }
            start = end.checked_add(PAGE_SIZE)?;
        }
        let end = start.checked_add(size)?;
        if end.checked_add(PAGE_SIZE)? > self.span.end {
            return None;
        }
        let reused = start < self.used_up_to;
        self.used_up_to = self.used_up_to.max(end);
        self.taken.insert(start, end);
        Some(Grant { range: start..end, reused })
    }

    /// Gives a range back.
    pub(crate) fn give_back(&mut self, range: &Range<u64>) {
        self.taken.remove(&range.start);
    }
}

/// A mapping of this process: its addresses and what is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping<'a> {
    range: Range<u64>,
    path: &'a str,
}

/// Reads `/proc/self/maps` (`proc(5)`); lines of another form are left out.
pub(crate) fn parse_maps(text: &str) -> Vec<Mapping<'_>> {
    text.lines().filter_map(parse_line).collect()
}

/// One line: `start-end perms offset dev inode path`.
fn parse_line(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    Some(Mapping { range, path: words.nth(4).unwrap_or_default() })
}

/// The gaps between mappings, lowest first.
fn gaps(maps: &[Mapping<'_>], end: u64) -> Vec<Range<u64>> {
    let mut start = LOWEST;
    let mut found = Vec::new();
    for mapping in maps {
        found.push(start..mapping.range.start);
        start = start.max(mapping.range.end);
    }
    found.push(start..end);
    found.retain(|gap| gap.start < gap.end);
    found
}

/// A start for `size` bytes from which all of the program around `anchor` is in reach, and the other way round: below it where
/// there is room (above it, its heap grows), else as far above it as possible.
pub(crate) fn near(maps: &[Mapping<'_>], anchor: u64, size: u64) -> Option<u64> {
    let own = maps.iter().find(|mapping| mapping.range.contains(&anchor))?;
    let same = || maps.iter().filter(|mapping| mapping.path == own.path);
    let first = same().map(|mapping| mapping.range.start).min()?;
    let last = same().map(|mapping| mapping.range.end).max()?;
    let window = last.saturating_sub(REACH)..first.saturating_add(REACH);
    let fits = |gap: &Range<u64>| {
        let highest = gap.end.min(window.end).checked_sub(size.checked_add(MARGIN)?)? & !(PAGE_SIZE - 1);
        (highest >= gap.start.checked_add(MARGIN)?.max(window.start)).then_some(highest)
    };
    let gaps = gaps(maps, window.end);
    let below = gaps.iter().rev().filter(|gap| gap.end <= first).find_map(fits);
    below.or_else(|| gaps.iter().rev().filter(|gap| gap.start >= last).find_map(fits))
}

/// A start for `size` bytes below 2 GiB if possible (so that signed and unsigned 4-byte addresses agree), else below 4 GiB.
pub(crate) fn low(maps: &[Mapping<'_>], size: u64) -> Option<u64> {
    [2 << 30, 4 << 30].into_iter().find_map(|limit: u64| {
        gaps(maps, limit).iter().rev().find_map(|gap| {
            let highest = gap.end.min(limit).checked_sub(size.checked_add(MARGIN)?)? & !(PAGE_SIZE - 1);
            (highest >= gap.start.checked_add(MARGIN)?).then_some(highest)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{MARGIN, Ranges, low, near, parse_maps};

    const PIE: &str = "\
555555554000-555555600000 r--p 00000000 fe:00 12 /usr/bin/host
555555600000-555555800000 r-xp 000ac000 fe:00 12 /usr/bin/host
555555800000-555555a00000 rw-p 002ac000 fe:00 12 /usr/bin/host
555555a00000-555555c00000 rw-p 00000000 00:00 0 [heap]
7ffff7a00000-7ffff7c00000 r-xp 00000000 fe:00 13 /lib/libc.so.6
";
    const FIXED: &str = "\
00400000-00600000 r-xp 00000000 fe:00 12 /usr/bin/host
00600000-00700000 rw-p 00200000 fe:00 12 /usr/bin/host
00700000-00900000 rw-p 00000000 00:00 0 [heap]
7ffff7a00000-7ffff7c00000 r-xp 00000000 fe:00 13 /lib/libc.so.6
";

    #[test]
    fn a_reservation_lies_below_a_position_independent_host() {
        let start = near(&parse_maps(PIE), 0x5555_5560_1000, 256 << 20).unwrap();
        assert_eq!(start, 0x5555_5555_4000 - (256 << 20) - MARGIN);
    }

    #[test]
    fn a_reservation_lies_above_a_host_at_a_low_address_and_in_its_reach() {
        let start = near(&parse_maps(FIXED), 0x40_1000, 256 << 20).unwrap();
        assert!(start > 0x90_0000 && start + (256 << 20) < 0x40_0000 + (2 << 30), "{start:#x}");
    }

    #[test]
    fn the_low_arena_is_below_two_gigabytes() {
        for maps in [PIE, FIXED] {
            let start = low(&parse_maps(maps), 128 << 20).unwrap();
            assert!(start > 0x90_0000 && start + (128 << 20) < 2 << 30, "{start:#x}");
        }
    }

    #[test]
    fn ranges_keep_guard_pages_and_are_used_again() {
        let mut ranges = Ranges::new(0x1_0000..0x1_0000 + 8 * 4096);
        let first = ranges.take(1).unwrap();
        let second = ranges.take(4097).unwrap();
        assert_eq!((first.range.clone(), first.reused), (0x1_1000..0x1_2000, false));
        assert_eq!(second.range, 0x1_3000..0x1_5000);
        assert!(ranges.take(2 * 4096).is_none(), "one page and its guard are left");
        assert_eq!(ranges.take(4096).unwrap().range, 0x1_6000..0x1_7000);
        ranges.give_back(&first.range);
        let again = ranges.take(4096).unwrap();
        assert_eq!((again.range, again.reused), (first.range, true));
        assert!(ranges.take(u64::MAX).is_none());
    }
}
