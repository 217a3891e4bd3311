//! From a symbol's name to what is known of it: the look-up behind every undefined reference.

use alloc::vec::Vec;
use core::fmt;
use core::mem;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::addr::index;

/// An index of names, for symbol tables of 100,000 entries and more.
///
/// A flat hash table whose entries carry the value and 32 bits of the hash; the names lie one behind the other in
/// memory of the index. A name that is not there is refused by the table's own bytes or by those 32 bits, without a
/// look at any string, which is what most look-ups of a stack of symbol tables come to.
///
/// A name may be inserted more than once; the newest is found, and when it is removed the one before is found again, as
/// symbols of a newer module hide those of an older one.
///
/// The hash is fast and has no secret: the names are those of modules, and who may load a module need not bother to
/// slow the table down.
#[derive(Clone)]
pub struct NameIndex<T> {
    table: HashTable<Slot<T>>,
    /// Entries hidden by a newer one of the same name: few, and never in the way of a look-up.
    hidden: Vec<Slot<T>>,
    names: Names,
}

/// An entry. Names are appended, so of two entries the newer one has the greater `start`.
#[derive(Clone, Copy)]
struct Slot<T> {
    start: u32,
    tag: u32,
    value: T,
}

/// Names one behind the other, each behind its length in 4 bytes.
#[derive(Clone, Default)]
struct Names(Vec<u8>);

/// An index whose names would take more than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexFull;

impl fmt::Display for IndexFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the names of a symbol index take more than 4 GiB")
    }
}

impl core::error::Error for IndexFull {}

impl<T> NameIndex<T> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0, 0)
    }

    /// An empty index with room for `symbols` names of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(symbols: usize, bytes: usize) -> Self {
        let names = bytes.saturating_add(symbols.saturating_mul(LENGTH));
        Self { table: HashTable::with_capacity(symbols), hidden: Vec::new(), names: Names(Vec::with_capacity(names)) }
    }

    /// How many entries there are, hidden ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len().saturating_add(self.hidden.len())
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds `name`, which hides an earlier entry of the same name.
    ///
    /// # Errors
    ///
    /// [`IndexFull`], and nothing is added.
    pub fn insert(&mut self, name: &str, value: T) -> Result<(), IndexFull> {
        let hash = hash(name.as_bytes());
        let start = self.names.push(name.as_bytes())?;
        self.place(hash, Slot { start, tag: tag(hash), value });
        Ok(())
    }

    /// Puts a slot, whose name is there, into the table; the older of two with the same name is hidden.
    fn place(&mut self, hash_of_name: u64, slot: Slot<T>) {
        let Self { table, hidden, names } = self;
        let same = |other: &Slot<T>| other.tag == slot.tag && names.at(other.start) == names.at(slot.start);
        match table.entry(hash_of_name, same, |slot| hash(names.at(slot.start))) {
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
            Entry::Occupied(mut entry) => {
                let newer = slot.start > entry.get().start;
                let older = if newer { mem::replace(entry.get_mut(), slot) } else { slot };
                hidden.push(older);
            }
        }
    }

    /// The newest entry of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        let hash = hash(name.as_bytes());
        let tag = tag(hash);
        let same = |slot: &Slot<T>| slot.tag == tag && self.names.at(slot.start) == name.as_bytes();
        self.table.find(hash, same).map(|slot| &slot.value)
    }

    /// Keeps the entries that `keep` says yes to, and gives the room of the others' names back.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.table.retain(|slot| keep(&slot.value));
        self.hidden.retain(|slot| keep(&slot.value));
        for slot in mem::take(&mut self.hidden) {
            let hash = hash(self.names.at(slot.start));
            self.place(hash, slot);
        }
        let mut starts: Vec<&mut u32> = self.table.iter_mut().chain(&mut self.hidden).map(|slot| &mut slot.start).collect();
        starts.sort_unstable();
        self.names.compact(starts);
    }
}

/// The size of the length in front of a name in bytes.
const LENGTH: usize = 4;

impl Names {
    /// Appends a name and returns its start.
    fn push(&mut self, name: &[u8]) -> Result<u32, IndexFull> {
        let start = u32::try_from(self.0.len()).map_err(|_| IndexFull)?;
        let length = u32::try_from(name.len()).map_err(|_| IndexFull)?;
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(name);
        Ok(start)
    }

    /// The name that starts at `start`.
    #[inline]
    fn at(&self, start: u32) -> &[u8] {
        let record = self.0.get(index(start)..).and_then(<[u8]>::split_first_chunk::<LENGTH>);
        let name = record.and_then(|(length, rest)| rest.get(..index(u32::from_le_bytes(*length))));
        name.unwrap_or_default()
    }

    /// Closes the gaps between the names that start at `starts`, ascending, and sets those to the new starts.
    fn compact(&mut self, starts: Vec<&mut u32>) {
        let mut end = 0;
        for start in starts {
            let size = LENGTH.saturating_add(self.at(*start).len());
            let from = index(*start);
            // Names only move towards the front, and in order, so none is overwritten before it has moved.
            self.0.copy_within(from..from.saturating_add(size), end);
            *start = u32::try_from(end).unwrap_or(u32::MAX);
            end = end.saturating_add(size);
        }
        self.0.truncate(end);
    }
}

/// The part of the hash that an entry remembers: bits that neither choose its place nor stand in the table's bytes.
const fn tag(hash: u64) -> u32 {
    (hash >> 25) as u32
}

/// Odd numbers with as many ones as zeros and no pattern (digits of the golden ratio, of e and of pi).
const MIX: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xb7e1_5162_8aed_2a6b, 0x243f_6a88_85a3_08d3];

/// A hash of a name: 16 bytes for each multiplication to 128 bits, whose halves are folded together.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let [first, second, third] = MIX;
    let (blocks, rest) = name.as_chunks::<16>();
    let state = blocks.iter().fold(first, |state, block| mix(state, block, second));
    // The last block overlaps the one before; a name shorter than a block is filled up.
    let state = match (rest, name.last_chunk::<16>()) {
        ([], _) => state,
        (_, Some(last)) => mix(state, last, third),
        (short, None) => {
            let mut block = [0; 16];
            block.iter_mut().zip(short).for_each(|(to, from)| *to = *from);
            mix(state, &block, third)
        }
    };
    fold(state ^ name.len() as u64, first)
}

#[inline]
fn mix(state: u64, block: &[u8; 16], with: u64) -> u64 {
    let block = u128::from_le_bytes(*block);
    let (low, high) = (block as u64, (block >> 64) as u64);
    fold(low ^ state, high ^ with)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl<T> Default for NameIndex<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for NameIndex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |slot: &Slot<T>| alloc::string::String::from_utf8_lossy(self.names.at(slot.start)).into_owned();
        f.debug_map().entries(self.table.iter().chain(&self.hidden).map(|slot| (name(slot), &slot.value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;

    use super::*;

    #[test]
    fn the_newest_is_found_and_the_older_comes_back() {
        let mut index = NameIndex::new();
        for (name, value) in [("printk", (1, 'a')), ("kmalloc", (2, 'a')), ("printk", (3, 'b')), ("", (4, 'b'))] {
            assert_eq!(index.insert(name, value), Ok(()));
        }
        assert_eq!(index.find("printk"), Some(&(3, 'b')));
        assert_eq!(index.find(""), Some(&(4, 'b')));
        assert_eq!((index.find("print"), index.find("printk_")), (None, None));
        index.retain(|(_, module)| *module == 'a');
        assert_eq!((index.find("printk"), index.find("kmalloc")), (Some(&(1, 'a')), Some(&(2, 'a'))));
        assert_eq!((index.find(""), index.len()), (None, 2));
        index.retain(|_| false);
        assert!(index.is_empty() && index.names.0.is_empty());
    }

    /// Against a map of stacks, with names from a small set, so that they hide each other often.
    #[test]
    fn it_does_what_a_map_of_stacks_does() {
        let mut index = NameIndex::new();
        let mut model: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut random = 1_u32;
        for round in 0..4_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut name = format!("symbol_{:0width$}", random >> 24, width = (random >> 20) as usize % 7);
            name.truncate((random >> 8) as usize % 12);
            assert_eq!(index.insert(&name, round), Ok(()));
            model.entry(name).or_default().push(round);
            if round % 500 == 499 {
                let keep = |value: &u32| value % 3 != round % 3;
                index.retain(keep);
                model.values_mut().for_each(|stack| stack.retain(keep));
            }
            if round % 97 == 0 {
                for (name, stack) in &model {
                    assert_eq!(index.find(name), stack.last(), "`{name}` in round {round}");
                }
            }
        }
        assert_eq!(index.len(), model.values().map(Vec::len).sum::<usize>());
    }

    /// Names that differ in one byte or in length only spread over all bits that the table uses.
    #[test]
    fn hashes_of_similar_names_differ_everywhere() {
        let names: Vec<String> =
            (0..4096).flat_map(|i| [format!("{i}"), format!("long_common_prefix_of_names_{i:04}"), "x".repeat(i)]).collect();
        for shift in [0, 8, 25, 41, 57] {
            let mut seen = [0_u32; 128];
            for name in &names {
                let bits = (hash(name.as_bytes()) >> shift) as usize & 127;
                seen[bits] += 1;
            }
            // 12,288 names in 128 places: 96 in each on average, with a deviation of 10.
            assert!(seen.iter().all(|count| (40..=160).contains(count)), "bits from {shift}: {seen:?}");
        }
    }
}
