//! Writes the `.bin` form of an index.

use std::ops::Range;

use super::{HAS_CHILDREN, HAS_PREFIX, HAS_VALUES, MAGIC, OFFSET, VERSION};
use crate::index::sort::sort_by_text;
use crate::{Error, Result, text};

/// Collects keys and writes the file.
#[derive(Debug, Default)]
pub struct TrieWriter {
    /// Keys and values, one behind the other.
    text: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where key and value are in the text.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: (u32, u32),
    value: (u32, u32),
    priority: u32,
    /// How many were added before it.
    number: u32,
}

/// An entry with its texts looked up.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    key: &'a [u8],
    value: &'a [u8],
    priority: u32,
}

/// A node yet to be written: its entries, how much of their keys lies above it, and where its offset goes.
struct Pending {
    rows: Range<usize>,
    depth: usize,
    place: usize,
}

impl TrieWriter {
    /// With room for keys and values of so many bytes.
    #[must_use]
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), entries: Vec::with_capacity(bytes / 32) }
    }

    /// Adds a value to a key.
    ///
    /// # Errors
    /// [`Error::BadIndexKey`] if the key is not 7-bit text without NUL, which the format cannot store, and if the file would become
    /// larger than 256 MiB, beyond which its offsets do not reach.
    pub fn insert(&mut self, key: &str, value: &str, priority: u32) -> Result<()> {
        let bad = || Error::BadIndexKey { key: key.to_owned() };
        if !key.is_ascii() || key.contains('\0') {
            return Err(bad());
        }
        // Aliases of one module come one after the other: the value is already there.
        let last = self.entries.last().map(|entry| entry.value);
        let value = text::to_bytes(value);
        let same = last.filter(|&at| slice(&self.text, at) == &*value);
        let mut put = |text: &[u8]| {
            let start = u32::try_from(self.text.len()).ok()?;
            self.text.extend_from_slice(text);
            let end = u32::try_from(self.text.len()).ok().filter(|&end| end <= OFFSET)?;
            Some((start, end))
        };
        let key = put(key.as_bytes()).ok_or_else(bad)?;
        let value = same.or_else(|| put(&value)).ok_or_else(bad)?;
        let number = u32::try_from(self.entries.len()).map_err(|_| bad())?;
        self.entries.push(Entry { key, value, priority, number });
        Ok(())
    }

    /// The bytes of the file: nodes in the order of their keys, each before its children.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let text = self.text.as_slice();
        // Among values of one key and one priority the one added last comes first.
        sort_by_text(&mut self.entries, |entry| slice(text, entry.key), |a, b| a.priority.cmp(&b.priority).then(b.number.cmp(&a.number)));
        let row = |e: &Entry| Row { key: slice(text, e.key), value: slice(text, e.value), priority: e.priority };
        let rows: Vec<Row<'_>> = self.entries.iter().map(row).collect();
        let mut out = Vec::with_capacity(text.len() + rows.len() * 32);
        for word in [MAGIC, VERSION, 0] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        let mut pending = vec![Pending { rows: 0..rows.len(), depth: 0, place: 8 }];
        while let Some(node) = pending.pop() {
            write_node(&rows, &node, &mut out, &mut pending);
        }
        out
    }
}

fn slice(text: &[u8], (start, end): (u32, u32)) -> &[u8] {
    text.get(start as usize..end as usize).unwrap_or_default()
}

fn write_node(all: &[Row<'_>], node: &Pending, out: &mut Vec<u8>, pending: &mut Vec<Pending>) {
    let rows = &all[node.rows.clone()];
    let mut offset = u32::try_from(out.len()).unwrap_or(OFFSET) & OFFSET;
    let prefix = common_prefix(rows, node.depth);
    if !prefix.is_empty() {
        offset |= HAS_PREFIX;
        out.extend_from_slice(prefix);
        out.push(0);
    }
    let depth = node.depth + prefix.len();
    let own = rows.iter().take_while(|row| row.key.len() == depth).count();
    if let (Some(first), Some(last)) = (arc(rows.get(own), depth), arc(rows.last(), depth)) {
        offset |= HAS_CHILDREN;
        out.extend_from_slice(&[first, last]);
        let table = out.len();
        out.resize(table + 4 * (usize::from(last - first) + 1), 0);
        let start = node.rows.start + own;
        let before = pending.len();
        let mut from = 0;
        for group in rows[own..].chunk_by(|a, b| a.key.get(depth) == b.key.get(depth)) {
            let c = arc(group.first(), depth).unwrap_or(first);
            let place = table + 4 * usize::from(c - first);
            let rows = start + from..start + from + group.len();
            pending.push(Pending { rows, depth: depth + 1, place });
            from += group.len();
        }
        // Taken from the end: the first child has to be last.
        pending[before..].reverse();
    }
    if own > 0 {
        offset |= HAS_VALUES;
        out.extend_from_slice(&u32::try_from(own).unwrap_or(u32::MAX).to_be_bytes());
        for row in &rows[..own] {
            out.extend_from_slice(&row.priority.to_be_bytes());
            out.extend_from_slice(row.value);
            out.push(0);
        }
    }
    out[node.place..node.place + 4].copy_from_slice(&offset.to_be_bytes());
}

/// The character by which a row leaves a node at `depth`.
fn arc(row: Option<&Row<'_>>, depth: usize) -> Option<u8> {
    row.and_then(|row| row.key.get(depth).copied())
}

/// What all keys have in common from `depth` on. They are sorted, so the first and the last decide.
fn common_prefix<'a>(rows: &[Row<'a>], depth: usize) -> &'a [u8] {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return &[] };
    let rest = |key: &'a [u8]| key.get(depth..).unwrap_or_default();
    let (a, b) = (rest(first.key), rest(last.key));
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    &a[..same]
}
