//! What an incremental run remembers: for each module file its size, time and inode, and what was read of it.
//!
//! ```text
//! magic, count, { listed path, size, seconds, nanoseconds, inode, texts, export names and ends, import names and ends, weak flags } x count,
//! checksum of all before it
//! ```
//! Numbers are 64-bit little-endian, texts have their length before them. A file that is not exactly what this version writes is as
//! good as none: everything is then read anew.

use std::path::Path;

use hashbrown::HashMap;

use super::find::{Found, Stamp};
use super::names::Names;
use super::scan::Scanned;
use crate::file::Modinfo;

/// The file's name in the output directory.
pub(super) const FILE: &str = "modules.scan";

const MAGIC: &[u8] = b"module scan 1\n";

/// What the last run left, by listed path.
#[derive(Debug, Default)]
pub(super) struct Known {
    modules: HashMap<String, (Stamp, Scanned)>,
}

impl Known {
    /// What is known of a file, if it is still the one that was read.
    pub(super) fn take(&mut self, found: &Found) -> Option<Scanned> {
        let (stamp, _) = self.modules.get(&found.listed)?;
        if *stamp == found.stamp { self.modules.remove(&found.listed).map(|(_, scanned)| scanned) } else { None }
    }
}

/// The bytes of the file.
pub(super) fn save(found: &[Found], scanned: &[Scanned]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    number(&mut out, found.len() as u64);
    for (found, scanned) in found.iter().zip(scanned) {
        bytes(&mut out, found.listed.as_bytes());
        let stamp = found.stamp;
        for n in [stamp.size, stamp.modified.0.cast_unsigned(), stamp.modified.1.cast_unsigned(), stamp.inode] {
            number(&mut out, n);
        }
        bytes(&mut out, scanned.modinfo.as_bytes());
        names(&mut out, &scanned.exports);
        names(&mut out, &scanned.imports);
        bytes(&mut out, &scanned.weak.iter().map(|&w| u8::from(w)).collect::<Vec<_>>());
    }
    let sum = checksum(&out);
    number(&mut out, sum);
    out
}

fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn names(out: &mut Vec<u8>, names: &Names) {
    bytes(out, &names.bytes);
    number(out, names.ends.len() as u64);
    for end in &names.ends {
        out.extend_from_slice(&end.to_le_bytes());
    }
}

/// FNV-1a over 64-bit words: finds a file that was cut or damaged, not one that was forged (who can write here can write the
/// indexes themselves).
fn checksum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|c| c.iter().rev().fold(0u64, |word, &b| (word << 8) | u64::from(b)));
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Reads the file of the last run; `None` if there is none that can be trusted.
pub(super) fn load(directory: &Path) -> Option<Known> {
    let file = std::fs::read(directory.join(FILE)).ok()?;
    parse(&file)
}

fn parse(file: &[u8]) -> Option<Known> {
    let (body, sum) = file.split_last_chunk::<8>()?;
    if checksum(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader { rest: body.strip_prefix(MAGIC)? };
    let count = reader.number()?;
    let mut known = Known::default();
    for _ in 0..count {
        let listed = String::from_utf8(reader.bytes()?.to_vec()).ok()?;
        let size = reader.number()?;
        let modified = (reader.number()?.cast_signed(), reader.number()?.cast_signed());
        let stamp = Stamp { size, modified, inode: reader.number()? };
        let modinfo = Modinfo::new(reader.bytes()?.to_vec());
        let (exports, imports) = (reader.names()?, reader.names()?);
        let weak: Vec<bool> = reader.bytes()?.iter().map(|&b| b != 0).collect();
        if weak.len() != imports.ends.len() {
            return None;
        }
        known.modules.insert(listed, (stamp, Scanned { modinfo, exports, imports, weak }));
    }
    reader.rest.is_empty().then_some(known)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn take(&mut self, size: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(size).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let size = self.number()?;
        self.take(size)
    }

    fn names(&mut self) -> Option<Names> {
        let bytes = self.bytes()?.to_vec();
        let count = self.number()?;
        let ends = self.take(count.checked_mul(4)?)?;
        let ends: Vec<u32> = ends.chunks_exact(4).filter_map(|c| Some(u32::from_le_bytes(*c.first_chunk()?))).collect();
        let whole = ends.last().is_none_or(|&e| e as usize == bytes.len()) && ends.is_sorted();
        whole.then_some(Names { bytes, ends })
    }
}
