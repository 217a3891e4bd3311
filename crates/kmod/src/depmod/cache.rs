//! What an incremental run remembers: for each module file its size, time and inode, and what was read of it.
//!
//! ```text
//! magic, number of symbols, of modules, { symbol }, { listed path, size, seconds, nanoseconds, inode, aliases, wishes, exports, imports },
//! checksum of all before it
//! ```
//! Numbers are 64-bit little-endian, texts have their length before them. Exports and imports have their number before them and are
//! 32-bit numbers of symbols. A file that is not exactly what this version writes is as good as none: everything is then read anew.

use std::path::Path;

use hashbrown::HashMap;

use super::facts::{Facts, Module, Symbol};
use super::find::Found;
use crate::index::pending::Stamp;

/// The file's name in the output directory.
pub(super) const FILE: &str = "modules.scan";

/// A module takes at least so much of the file, in bytes: nine numbers.
const SMALLEST: usize = 72;

const MAGIC: &[u8] = b"module scan 2\n";

/// What the last run left.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) facts: Facts,
    /// By listed path.
    modules: HashMap<String, (Stamp, Module)>,
}

impl Known {
    /// What is known of a file, if it is still the one that was read.
    pub(super) fn of(&self, found: &Found) -> Option<Module> {
        let (stamp, module) = self.modules.get(&found.listed)?;
        (*stamp == found.stamp).then(|| module.clone())
    }

    /// How many files it knows.
    pub(super) fn len(&self) -> usize {
        self.modules.len()
    }
}

/// The bytes of the file. Symbols that no module names any more are left out.
pub(super) fn save(known: &[(&Found, &Module)], facts: &Facts) -> Vec<u8> {
    let mut numbers: Vec<Option<u32>> = vec![None; facts.symbols.len()];
    let mut named: Vec<usize> = Vec::with_capacity(numbers.len());
    for link in known.iter().flat_map(|(_, m)| facts.imports(m).iter().chain(facts.exports(m))) {
        if let Some(number @ None) = numbers.get_mut(link.number()) {
            *number = u32::try_from(named.len()).ok();
            named.push(link.number());
        }
    }
    let mut out = Vec::with_capacity(facts.texts.len() + facts.links.len() * 4 + named.len() * 32 + known.len() * 160);
    out.extend_from_slice(MAGIC);
    number(&mut out, named.len() as u64);
    number(&mut out, known.len() as u64);
    named.iter().for_each(|&symbol| bytes(&mut out, facts.symbols.name(symbol)));
    for (found, module) in known {
        bytes(&mut out, found.listed.as_bytes());
        let stamp = found.stamp;
        for n in [stamp.size, stamp.modified.0.cast_unsigned(), stamp.modified.1.cast_unsigned(), stamp.inode] {
            number(&mut out, n);
        }
        for texts in [&module.aliases, &module.wishes] {
            bytes(&mut out, facts.texts.get(texts.clone()).unwrap_or_default());
        }
        for links in [facts.exports(module), facts.imports(module)] {
            number(&mut out, links.len() as u64);
            for link in links {
                let new = numbers.get(link.number()).copied().flatten().unwrap_or_default();
                out.extend_from_slice(&link.renumbered(new).0.to_le_bytes());
            }
        }
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

/// FNV-1a over 64-bit words: finds a file that was cut or damaged, not one that was forged (who can write here can write the
/// indexes themselves).
fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let words = words.iter().chain((!rest.is_empty()).then_some(&last)).map(|word| u64::from_le_bytes(*word));
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Reads the file of the last run; `None` if there is none that can be trusted.
pub(super) fn load(directory: &Path) -> Option<Known> {
    let file = std::fs::read(directory.join(FILE)).ok()?;
    parse(&file)
}

/// Takes the bytes of the file apart.
pub(super) fn parse(file: &[u8]) -> Option<Known> {
    let (body, sum) = file.split_last_chunk::<8>()?;
    if checksum(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader { rest: body.strip_prefix(MAGIC)? };
    let (symbols, modules) = (reader.number()?, reader.number()?);
    // As many modules as the file can have.
    let room = usize::try_from(modules).unwrap_or(usize::MAX).min(file.len() / SMALLEST);
    let mut known = Known { facts: Facts::with_room(room), modules: HashMap::with_capacity(room) };
    for number in 0..symbols {
        // A name that comes twice would have two numbers here, and one there.
        let given = known.facts.symbols.number(reader.bytes()?)?;
        if u64::from(given) != number {
            return None;
        }
    }
    for _ in 0..modules {
        let listed = std::str::from_utf8(reader.bytes()?).ok()?;
        let size = reader.number()?;
        let modified = (reader.number()?.cast_signed(), reader.number()?.cast_signed());
        let stamp = Stamp { size, modified, inode: reader.number()? };
        let module = reader.module(&mut known.facts)?;
        known.modules.insert(listed.to_owned(), (stamp, module));
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

    fn module(&mut self, facts: &mut Facts) -> Option<Module> {
        let [aliases, wishes] = [self.bytes()?, self.bytes()?].map(|texts| {
            let start = facts.texts.len();
            facts.texts.extend_from_slice(texts);
            start..facts.texts.len()
        });
        let mut links = || {
            let start = facts.links.len();
            let count = self.number()?;
            let (words, _) = self.take(count.checked_mul(4)?)?.as_chunks::<4>();
            facts.links.extend(words.iter().map(|word| Symbol(u32::from_le_bytes(*word))));
            let known = facts.links.get(start..)?.iter().all(|link| link.number() < facts.symbols.len());
            known.then_some(start..facts.links.len())
        };
        Some(Module { aliases, wishes, exports: links()?, imports: links()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two modules that share a symbol, as the file has them.
    fn saved() -> Vec<u8> {
        let mut facts = Facts::default();
        let symbol = |facts: &mut Facts, name: &[u8]| Symbol(facts.symbols.number(name).unwrap());
        let modules: Vec<Module> = [(&b"fs-a\0fs-b\0"[..], &b"softdep=pre: x\0"[..]), (b"", b"")]
            .iter()
            .map(|(aliases, wishes)| {
                let (texts, links) = (facts.texts.len(), facts.links.len());
                facts.texts.extend_from_slice(aliases);
                let middle = facts.texts.len();
                facts.texts.extend_from_slice(wishes);
                let symbols = [b"printk".as_slice(), b"shared", b"gone"].map(|name| symbol(&mut facts, name));
                facts.links.extend_from_slice(&symbols[..2]);
                Module {
                    aliases: texts..middle,
                    wishes: middle..facts.texts.len(),
                    exports: links + 1..links + 2,
                    imports: links..links + 1,
                }
            })
            .collect();
        let found = |name: &str, inode| Found {
            name: name.to_owned(),
            listed: format!("kernel/{name}.ko"),
            stamp: Stamp { inode, size: 7, modified: (-1, 2) },
        };
        let found = [found("one", 3), found("two", 4)];
        save(&found.iter().zip(&modules).collect::<Vec<_>>(), &facts)
    }

    #[test]
    fn what_is_saved_is_known() {
        let known = parse(&saved()).unwrap();
        let names: Vec<&[u8]> = known.facts.symbols.iter().collect();
        assert_eq!(names, [b"printk".as_slice(), b"shared"], "a symbol that no module names is left out");
        let found = |inode| Found {
            name: "one".to_owned(),
            listed: "kernel/one.ko".to_owned(),
            stamp: Stamp { inode, size: 7, modified: (-1, 2) },
        };
        let module = known.of(&found(3)).unwrap();
        assert_eq!(known.facts.aliases(&module).collect::<Vec<_>>(), [b"fs-a", b"fs-b"]);
        assert_eq!(known.facts.wishes(&module).map(|f| f.value).collect::<Vec<_>>(), [b"pre: x"]);
        assert_eq!(known.facts.exports(&module), [Symbol(1)]);
        assert_eq!(known.of(&found(9)), None, "another file of this name");
    }

    /// Any bytes are an answer or none; with a checksum that is right, too.
    #[test]
    fn damaged_files_are_not_believed() {
        let whole = saved();
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for round in 0..10_000 {
            let mut bytes = whole.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len() - 8);
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1][next(6)];
            }
            if round % 4 == 0 {
                bytes.truncate(next(bytes.len()));
            } else if round % 2 == 0 {
                assert!(bytes == whole || parse(&bytes).is_none(), "the checksum finds a changed byte");
            } else {
                let end = bytes.len() - 8;
                let sum = checksum(&bytes[..end]);
                bytes[end..].copy_from_slice(&sum.to_le_bytes());
            }
            if let Some(known) = parse(&bytes) {
                for (_, module) in known.modules.values() {
                    let (exports, imports) = (known.facts.exports(module), known.facts.imports(module));
                    assert!(exports.iter().chain(imports).all(|s| s.number() < known.facts.symbols.len()));
                }
            }
        }
    }
}
