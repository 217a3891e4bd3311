//! The `.bin` form of an index: a path-compressed trie in big-endian 32-bit numbers.
//!
//! ```text
//! header: magic 0xB007F457, version 0x00020001, offset of the root
//! node:   [prefix, NUL] [first u8, last u8, offset x (last - first + 1)] [count, (priority, value, NUL) x count]
//! ```
//! The upper four bits of an offset tell which of the three parts its node has; 0 is "no node". Keys are 7-bit text. A key may be a
//! pattern: [`Trie::search_wild`] compares from the first `*`, `?` or `[` of a stored key on with `fnmatch`.

mod write;

use std::path::Path;

pub use write::TrieWriter;

use crate::error::{IoAction, Part};
use crate::{Error, Result, glob, text};

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;

/// A value with the rank of the module that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Lower is better.
    pub priority: u32,
    /// Module name, or line of `modules.dep`.
    pub text: String,
}

/// An index file, open for questions. Every offset is checked when it is followed, and the work of a question is bounded by the
/// size of the file, so that a damaged file gives an error.
#[derive(Debug)]
pub struct Trie {
    bytes: Bytes,
    root: u32,
}

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    Heap(Vec<u8>),
}

/// A node whose parts have been found in the file.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    prefix: &'a [u8],
    first: u8,
    /// Offsets of the children, four bytes each.
    children: &'a [u8],
    count: u32,
    values: &'a [u8],
}

impl Trie {
    /// Maps the file and checks its header. An index is replaced by renaming, never written in place, so the mapping stays whole.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadIndexMagic`], [`Error::BadIndexVersion`], [`Error::Truncated`], all with the file's name.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = crate::linux::map(path).map_err(|e| Error::io(IoAction::Open, path, e))?;
        Self::new(Bytes::Mapped(bytes)).map_err(|e| e.in_file(path))
    }

    /// An index that is in memory.
    ///
    /// # Errors
    /// As [`Trie::open`], without a name.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(Bytes::Heap(bytes))
    }

    /// An index without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: Bytes::Heap(Vec::new()), root: 0 }
    }

    fn new(bytes: Bytes) -> Result<Self> {
        let mut trie = Self { bytes, root: 0 };
        let header = |at| trie.number(at).ok_or_else(|| trie.truncated(Part::IndexHeader, 0));
        let (magic, version, root) = (header(0)?, header(4)?, header(8)?);
        if magic != MAGIC {
            return Err(Error::BadIndexMagic { found: magic });
        }
        if version >> 16 != VERSION >> 16 {
            return Err(Error::BadIndexVersion { found: version });
        }
        trie.root = root;
        Ok(trie)
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Heap(bytes) => bytes,
        }
    }

    fn number(&self, at: usize) -> Option<u32> {
        number(self.bytes(), at)
    }

    fn truncated(&self, part: Part, offset: u32) -> Error {
        Error::Truncated { part, offset: u64::from(offset & OFFSET), size: 1, file_size: self.bytes().len() as u64 }
    }

    /// The node at an offset, `None` for the offset 0.
    fn node(&self, offset: u32) -> Result<Option<Node<'_>>> {
        if offset & OFFSET == 0 {
            return Ok(None);
        }
        let cut = || self.truncated(Part::IndexNode, offset);
        let at = usize::try_from(offset & OFFSET).map_err(|_| cut())?;
        let mut rest = self.bytes().get(at..).ok_or_else(cut)?;
        let mut node = Node { prefix: &[], first: 0, children: &[], count: 0, values: &[] };
        if offset & HAS_PREFIX != 0 {
            let end = rest.iter().position(|&b| b == 0).ok_or_else(cut)?;
            (node.prefix, rest) = (&rest[..end], &rest[end + 1..]);
        }
        if offset & HAS_CHILDREN != 0 {
            let (&[first, last], after) = rest.split_first_chunk().ok_or_else(cut)?;
            let bad = Error::BadValue { part: Part::IndexNode, found: last.into() };
            let count = usize::from(last.checked_sub(first).ok_or(bad)?) + 1;
            let (children, after) = after.split_at_checked(count * 4).ok_or_else(cut)?;
            (node.first, node.children, rest) = (first, children, after);
        }
        if offset & HAS_VALUES != 0 {
            node.count = number(rest, 0).ok_or_else(cut)?;
            node.values = rest.get(4..).ok_or_else(cut)?;
        }
        Ok(Some(node))
    }

    fn child(&self, node: &Node<'_>, c: u8) -> Result<Option<Node<'_>>> {
        let index = c.checked_sub(node.first).map(usize::from);
        let offset = index.and_then(|i| number(node.children, i * 4));
        offset.map_or(Ok(None), |o| self.node(o))
    }

    /// Calls `visit` for each value of a node.
    fn values(&self, node: &Node<'_>, visit: &mut dyn FnMut(Value)) -> Result<()> {
        let cut = || self.truncated(Part::IndexValue, self.root);
        let mut rest = node.values;
        for _ in 0..node.count {
            let priority = number(rest, 0).ok_or_else(cut)?;
            let bytes = rest.get(4..).ok_or_else(cut)?;
            let end = bytes.iter().position(|&b| b == 0).ok_or_else(cut)?;
            visit(Value { priority, text: text::of_bytes(&bytes[..end]).into_owned() });
            rest = &bytes[end + 1..];
        }
        Ok(())
    }

    /// The first value of exactly this key.
    ///
    /// # Errors
    /// Those of a damaged file.
    pub fn search(&self, key: &str) -> Result<Option<String>> {
        let mut rest = key.as_bytes();
        let mut next = self.node(self.root)?;
        while let Some(node) = next {
            let Some(after) = rest.strip_prefix(node.prefix) else { return Ok(None) };
            let Some((&c, tail)) = after.split_first() else {
                let mut found = None;
                self.values(&Node { count: node.count.min(1), ..node }, &mut |v| found = Some(v.text))?;
                return Ok(found);
            };
            next = self.child(&node, c)?;
            rest = tail;
        }
        Ok(None)
    }

    /// The values of all keys that match `text` as patterns, lowest priority first. A value that two keys give comes twice.
    ///
    /// # Errors
    /// Those of a damaged file.
    pub fn search_wild(&self, text: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut budget = self.bytes().len();
        let mut rest = text;
        let mut next = self.node(self.root)?;
        while let Some(node) = next {
            // A wild character in the prefix: everything below is compared as a pattern, if the letters before it agree.
            let literal = node.prefix.iter().position(|c| b"*?[".contains(c)).unwrap_or(node.prefix.len());
            let Some(after) = rest.as_bytes().strip_prefix(&node.prefix[..literal]).and_then(|_| rest.get(literal..)) else { break };
            if literal < node.prefix.len() {
                let below = Node { prefix: &node.prefix[literal..], ..node };
                self.walk(below, Vec::new(), &mut budget, &mut |pattern, v| keep_matching(pattern, after, v, &mut found))?;
                break;
            }
            for wild in *b"*?[" {
                if let Some(below) = self.child(&node, wild)? {
                    self.walk(below, vec![wild], &mut budget, &mut |pattern, v| keep_matching(pattern, after, v, &mut found))?;
                }
            }
            let Some(&c) = after.as_bytes().first() else {
                self.values(&node, &mut |v| found.push(v))?;
                break;
            };
            if !c.is_ascii() {
                break;
            }
            next = self.child(&node, c)?;
            rest = &after[1..];
        }
        // Of two values with one priority the one found later comes first, as in a list where each is put before its equals.
        found.reverse();
        found.sort_by_key(|v| v.priority);
        Ok(found)
    }

    /// Calls `visit` with each key and each of its values, in the order of the keys' bytes.
    ///
    /// # Errors
    /// Those of a damaged file.
    pub fn each(&self, visit: &mut dyn FnMut(&str, Value)) -> Result<()> {
        let mut budget = self.bytes().len();
        match self.node(self.root)? {
            Some(root) => self.walk(root, Vec::new(), &mut budget, visit),
            None => Ok(()),
        }
    }

    /// Visits a node and all below it. `key` holds what leads to the node. Each byte of the file can belong to one node only, so a
    /// walk that has read more bytes than the file has goes in circles.
    fn walk(&self, top: Node<'_>, mut key: Vec<u8>, budget: &mut usize, visit: &mut dyn FnMut(&str, Value)) -> Result<()> {
        let spend = |budget: &mut usize, bytes: usize| {
            *budget = budget.checked_sub(bytes).ok_or(Error::IndexLoop)?;
            Ok::<_, Error>(())
        };
        let mut path = Vec::new();
        spend(budget, self.enter(&top, &mut key, visit)?)?;
        path.push((top, 0usize, key.len()));
        while let Some((node, index, length)) = path.last_mut() {
            key.truncate(*length);
            let Some(offset) = number(node.children, *index * 4) else {
                path.pop();
                continue;
            };
            let c = node.first.saturating_add(u8::try_from(*index).unwrap_or(u8::MAX));
            *index += 1;
            let Some(child) = self.node(offset)? else { continue };
            spend(budget, 1 + child.prefix.len() + child.children.len())?;
            key.push(c);
            spend(budget, self.enter(&child, &mut key, visit)?)?;
            path.push((child, 0, key.len()));
        }
        Ok(())
    }

    /// Appends the prefix of a node to the key and visits its values; the number of bytes that these take.
    fn enter(&self, node: &Node<'_>, key: &mut Vec<u8>, visit: &mut dyn FnMut(&str, Value)) -> Result<usize> {
        key.extend_from_slice(node.prefix);
        let mut size = 0;
        if node.count > 0 {
            let key = text::of_bytes(key);
            self.values(node, &mut |v| {
                size += 5;
                visit(&key, v);
            })?;
        }
        Ok(size)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn keep_matching(pattern: &str, text: &str, value: Value, found: &mut Vec<Value>) {
    if glob::matches(pattern, text) {
        found.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(entries: &[(&str, &str, u32)]) -> Trie {
        let mut writer = TrieWriter::default();
        for (key, value, priority) in entries {
            writer.insert(key, value, *priority).unwrap();
        }
        Trie::from_bytes(writer.finish()).unwrap()
    }

    #[test]
    fn what_is_written_is_found() {
        let trie = trie(&[("fs_vfat", "vfat", 3), ("fs_v*", "other", 1), ("", "empty", 9), ("fs", "x", 2), ("fs", "y", 2)]);
        assert_eq!(trie.search("fs_vfat").unwrap().as_deref(), Some("vfat"));
        assert_eq!(trie.search("fs").unwrap().as_deref(), Some("y"), "the later of equals comes first");
        assert_eq!(trie.search("").unwrap().as_deref(), Some("empty"));
        assert_eq!(trie.search("fs_").unwrap(), None);
        let names = |text| trie.search_wild(text).unwrap().into_iter().map(|v| v.text).collect::<Vec<_>>();
        assert_eq!(names("fs_vfat"), ["other", "vfat"]);
        assert_eq!(names("fs_vx"), ["other"]);
        assert_eq!(names("fs_w"), Vec::<String>::new());
        let mut keys = Vec::new();
        trie.each(&mut |k, v| keys.push(format!("{k}={}", v.text))).unwrap();
        assert_eq!(keys, ["=empty", "fs=y", "fs=x", "fs_v*=other", "fs_vfat=vfat"]);
    }

    #[test]
    fn a_circle_ends() {
        // The root's only child is the root.
        let mut bytes = Vec::new();
        for word in [MAGIC, VERSION, HAS_CHILDREN | HAS_VALUES | 12] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(b"**");
        bytes.extend_from_slice(&(HAS_CHILDREN | HAS_VALUES | 12).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 7, b'm', 0]);
        let trie = Trie::from_bytes(bytes).unwrap();
        assert!(matches!(trie.each(&mut |_, _| ()), Err(Error::IndexLoop)));
        assert!(matches!(trie.search_wild("x"), Err(Error::IndexLoop)));
        assert_eq!(trie.search("***").unwrap().as_deref(), Some("m"));
    }
}
