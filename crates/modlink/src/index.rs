//! From a symbol's name to what is known of it: the look-up behind every undefined reference.

use alloc::vec::Vec;
use core::fmt;
use core::hash::BuildHasher;
use core::mem;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// An index of names, for symbol tables of 100,000 entries and more.
///
/// A flat hash table whose entries carry the value and 32 bits of the hash; the names lie one behind the other in
/// memory of the index. A name that is not there is refused by the table's own bytes or by those 32 bits, without a
/// look at any string, which is what most look-ups of a stack of symbol tables come to.
///
/// A name may be inserted more than once; the newest is found, and when it is removed the one before is found again, as
/// symbols of a newer module hide those of an older one.
#[derive(Clone)]
pub struct NameIndex<T> {
    table: HashTable<Slot<T>>,
    /// Entries hidden by a newer one of the same name: few, and never in the way of a look-up.
    hidden: Vec<Slot<T>>,
    names: Vec<u8>,
    hasher: DefaultHashBuilder,
}

/// An entry. Names are appended, so of two entries the newer one has the greater `start`.
#[derive(Clone, Copy)]
struct Slot<T> {
    start: usize,
    end: usize,
    tag: u32,
    value: T,
}

impl<T> NameIndex<T> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0, 0)
    }

    /// An empty index with room for `symbols` names of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(symbols: usize, bytes: usize) -> Self {
        Self {
            table: HashTable::with_capacity(symbols),
            hidden: Vec::new(),
            names: Vec::with_capacity(bytes),
            hasher: DefaultHashBuilder::default(),
        }
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
    pub fn insert(&mut self, name: &str, value: T) {
        let hash = self.hash(name);
        let start = self.names.len();
        self.names.extend_from_slice(name.as_bytes());
        let slot = Slot { start, end: self.names.len(), tag: tag(hash), value };
        // Between two names, so that two empty ones start at different places too.
        self.names.push(0);
        self.place(hash, slot);
    }

    /// Puts a slot, whose name is there, into the table; the older of two with the same name is hidden.
    fn place(&mut self, hash: u64, slot: Slot<T>) {
        let Self { table, hidden, names, hasher } = self;
        let same = |other: &Slot<T>| other.tag == slot.tag && other.name(names) == slot.name(names);
        match table.entry(hash, same, |slot| hasher.hash_one(slot.name(names))) {
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
        let hash = self.hash(name);
        let tag = tag(hash);
        let same = |slot: &Slot<T>| slot.tag == tag && slot.name(&self.names) == name.as_bytes();
        self.table.find(hash, same).map(|slot| &slot.value)
    }

    /// Keeps the entries that `keep` says yes to, and gives the room of the others' names back.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.table.retain(|slot| keep(&slot.value));
        self.hidden.retain(|slot| keep(&slot.value));
        for slot in mem::take(&mut self.hidden) {
            let hash = self.hasher.hash_one(slot.name(&self.names));
            self.place(hash, slot);
        }
        self.compact();
    }

    /// Closes the gaps between the names that are still used.
    fn compact(&mut self) {
        let mut slots: Vec<&mut Slot<T>> = self.table.iter_mut().chain(&mut self.hidden).collect();
        slots.sort_unstable_by_key(|slot| slot.start);
        let mut end = 0;
        for slot in slots {
            // Names only move towards the front, and in order, so none is overwritten before it has moved.
            let shift = slot.start.saturating_sub(end);
            self.names.copy_within(slot.start..=slot.end, end);
            (slot.start, slot.end) = (end, slot.end.saturating_sub(shift));
            end = slot.end.saturating_add(1);
        }
        self.names.truncate(end);
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name.as_bytes())
    }
}

impl<T> Slot<T> {
    fn name<'n>(&self, names: &'n [u8]) -> &'n [u8] {
        names.get(self.start..self.end).unwrap_or_default()
    }
}

/// The part of the hash that an entry remembers: bits that neither choose its place nor stand in the table's bytes.
const fn tag(hash: u64) -> u32 {
    (hash >> 25) as u32
}

impl<T> Default for NameIndex<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for NameIndex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |slot: &Slot<T>| alloc::string::String::from_utf8_lossy(slot.name(&self.names)).into_owned();
        f.debug_map().entries(self.table.iter().chain(&self.hidden).map(|slot| (name(slot), &slot.value))).finish()
    }
}

impl<'n, T> Extend<(&'n str, T)> for NameIndex<T> {
    fn extend<I: IntoIterator<Item = (&'n str, T)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(name, value)| self.insert(name, value));
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
        index.extend([("printk", (1, 'a')), ("kmalloc", (2, 'a')), ("printk", (3, 'b')), ("", (4, 'b'))]);
        assert_eq!(index.find("printk"), Some(&(3, 'b')));
        assert_eq!(index.find(""), Some(&(4, 'b')));
        assert_eq!((index.find("print"), index.find("printk_")), (None, None));
        index.retain(|(_, module)| *module == 'a');
        assert_eq!((index.find("printk"), index.find("kmalloc")), (Some(&(1, 'a')), Some(&(2, 'a'))));
        assert_eq!((index.find(""), index.len()), (None, 2));
        index.retain(|_| false);
        assert!(index.is_empty() && index.names.is_empty());
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
            index.insert(&name, round);
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
}
