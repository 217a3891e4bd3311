//! Who has allocated what: `kmalloc` is booked on its module, a block buffer on its device; what is left behind is found.
//!
//! This is the bookkeeping; the blocks themselves are got and given back by `exports/`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// A block of memory that belongs to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it starts.
    pub address: usize,
    /// Bytes that were asked for.
    pub size: usize,
}

/// Sums over the blocks of an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blocks now.
    pub blocks: usize,
    /// Bytes now.
    pub bytes: usize,
    /// Most bytes at any time.
    pub peak: usize,
    /// Blocks ever.
    pub allocations: u64,
}

#[derive(Debug)]
struct Books<K> {
    blocks: HashMap<usize, (usize, K)>,
    usage: HashMap<K, Usage>,
    total: usize,
}

/// Most bytes that all owners together may hold.
pub const MAX_TOTAL: usize = 1 << 30;

/// The books; `K` says whose a block is.
#[derive(Debug)]
pub struct Accounts<K> {
    books: Mutex<Books<K>>,
}

impl<K> Default for Accounts<K> {
    fn default() -> Self {
        Self { books: Mutex::new(Books { blocks: HashMap::new(), usage: HashMap::new(), total: 0 }) }
    }
}

impl<K: Copy + Eq + Hash + Ord> Accounts<K> {
    /// Whether `size` more bytes may be given out.
    #[must_use]
    pub fn has_room(&self, size: usize) -> bool {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.total.checked_add(size).is_some_and(|total| total <= MAX_TOTAL)
    }

    /// Books a new block.
    pub fn insert(&self, block: Block, owner: K) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.blocks.insert(block.address, (block.size, owner));
        books.total = books.total.saturating_add(block.size);
        let usage = books.usage.entry(owner).or_default();
        usage.blocks = usage.blocks.saturating_add(1);
        usage.bytes = usage.bytes.saturating_add(block.size);
        usage.peak = usage.peak.max(usage.bytes);
        usage.allocations = usage.allocations.saturating_add(1);
    }

    /// Takes a block off the books; `None` where no block starts there (never given, or given back already).
    pub fn remove(&self, address: usize) -> Option<Block> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, owner) = books.blocks.remove(&address)?;
        books.total = books.total.saturating_sub(size);
        if let Some(usage) = books.usage.get_mut(&owner) {
            usage.blocks = usage.blocks.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(size);
        }
        Some(Block { address, size })
    }

    /// Closes the account of an owner that goes: the blocks that it has not given back.
    pub fn close(&self, owner: K) -> Vec<Block> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: Vec<Block> = books
            .blocks
            .iter()
            .filter(|(_, (_, theirs))| *theirs == owner)
            .map(|(address, (size, _))| Block { address: *address, size: *size })
            .collect();
        left.sort_by_key(|block| block.address);
        for block in &left {
            books.blocks.remove(&block.address);
            books.total = books.total.saturating_sub(block.size);
        }
        books.usage.remove(&owner);
        left
    }

    /// What each owner holds, in the order of the owners.
    #[must_use]
    pub fn usage(&self) -> Vec<(K, Usage)> {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mut usage: Vec<_> = books.usage.iter().map(|(owner, usage)| (*owner, *usage)).collect();
        usage.sort_by_key(|(owner, _)| *owner);
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Block, Usage};
    use crate::owner::UseCount as Owner;

    #[test]
    fn what_is_not_given_back_is_found_with_its_owner() {
        let (accounts, fat, vfat) = (Accounts::default(), Owner(0x1000), Owner(0x2000));
        accounts.insert(Block { address: 16, size: 100 }, fat);
        accounts.insert(Block { address: 32, size: 50 }, fat);
        accounts.insert(Block { address: 64, size: 7 }, vfat);
        assert_eq!(accounts.remove(32), Some(Block { address: 32, size: 50 }));
        assert_eq!(accounts.remove(32), None, "twice");
        assert_eq!(accounts.remove(17), None, "not the start of a block");
        assert_eq!(accounts.usage()[0], (fat, Usage { blocks: 1, bytes: 100, peak: 150, allocations: 2 }));
        assert_eq!(accounts.close(fat), [Block { address: 16, size: 100 }]);
        assert_eq!(accounts.usage().len(), 1);
        assert_eq!(accounts.close(fat), []);
    }

    #[test]
    fn the_total_is_bounded() {
        let accounts = Accounts::default();
        assert!(accounts.has_room(super::MAX_TOTAL));
        accounts.insert(Block { address: 16, size: super::MAX_TOTAL }, Owner(1));
        assert!(!accounts.has_room(1));
        accounts.close(Owner(1));
        assert!(accounts.has_room(1));
    }
}
