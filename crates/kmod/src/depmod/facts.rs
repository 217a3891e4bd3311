//! What is known of the modules of a tree: texts and symbols, in a few lists that all modules share.
//!
//! A symbol is kept once, however many modules name it. Who provides it is then asked once for each symbol and not for each of the
//! quarter of a million places that want one.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::Result;
use crate::file::{Field, Link, ModuleFile};

/// What is known of some modules.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) symbols: Symbols,
    /// Aliases, each ended by a zero byte, and behind a module's aliases its other texts as `key=value`, ended likewise.
    pub(super) texts: Vec<u8>,
    /// Exports and imports.
    pub(super) links: Vec<Symbol>,
}

/// Where in [`Facts`] a module's own are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) aliases: Range<usize>,
    /// The `softdep` and `weakdep` texts.
    pub(super) wishes: Range<usize>,
    pub(super) exports: Range<usize>,
    pub(super) imports: Range<usize>,
}

/// A symbol by its number in [`Symbols`]; the highest bit marks an import that the module can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol(pub(super) u32);

const WEAK: u32 = 1 << 31;

impl Symbol {
    /// Its number.
    pub(super) fn number(self) -> usize {
        (self.0 & !WEAK) as usize
    }

    /// Whether the module can do without it.
    pub(super) fn is_weak(self) -> bool {
        self.0 & WEAK != 0
    }

    /// The same use of another symbol: one that has got a new number.
    pub(super) fn renumbered(self, number: u32) -> Self {
        Self(number | self.0 & WEAK)
    }
}

impl Facts {
    /// Room for so many modules of a distribution. Memory that is not needed is never touched.
    pub(super) fn with_room(modules: usize) -> Self {
        let symbols = Symbols {
            bytes: Vec::with_capacity(modules * 256),
            ends: Vec::with_capacity(modules * 12),
            numbers: HashTable::with_capacity(modules * 4),
            hasher: DefaultHashBuilder::default(),
        };
        Self { symbols, texts: Vec::with_capacity(modules * 512), links: Vec::with_capacity(modules * 80) }
    }

    /// Reads what depmod needs of a module.
    pub(super) fn scan(&mut self, mut file: ModuleFile) -> Result<Module> {
        let mut wishes = Vec::new();
        let mut exports = Vec::new();
        let (texts_from, links_from) = (self.texts.len(), self.links.len());
        let Self { symbols, texts, links } = self;
        let mut visit = |link: Link<'_>| match link {
            Link::Import { name, weak } => links.extend(symbols.number(name).map(|n| Symbol(if weak { n | WEAK } else { n }))),
            Link::Export { name, .. } => exports.extend(symbols.number(name).map(Symbol)),
        };
        let mut keep = |section: &[u8]| {
            for field in crate::file::fields(section) {
                match field {
                    Field { key: b"alias", value } => put(texts, &[value, b"\0"]),
                    Field { key: b"softdep" | b"weakdep", value } => put(&mut wishes, &[field.key, b"=", value, b"\0"]),
                    _ => {}
                }
            }
        };
        if let Err(error) = file.scan(&mut visit, &mut keep) {
            self.texts.truncate(texts_from);
            self.links.truncate(links_from);
            return Err(error);
        }
        let aliases = texts_from..self.texts.len();
        let imports = links_from..self.links.len();
        self.texts.extend_from_slice(&wishes);
        self.links.extend_from_slice(&exports);
        Ok(Module { wishes: aliases.end..self.texts.len(), aliases, exports: imports.end..self.links.len(), imports })
    }

    /// Takes over what others know. How a module of theirs is found here is answered by [`Moved`].
    pub(super) fn absorb(&mut self, other: Self) -> Moved {
        let moved = Moved { texts: self.texts.len(), links: self.links.len() };
        if self.symbols.len() == 0 && moved.links == 0 && moved.texts == 0 {
            *self = other;
            return moved;
        }
        // A symbol that does not fit makes no dependency; there are not so many.
        let numbers: Vec<Option<u32>> = other.symbols.iter().map(|name| self.symbols.number(name)).collect();
        self.texts.extend_from_slice(&other.texts);
        let number = |link: &Symbol| numbers.get(link.number()).copied().flatten();
        self.links.extend(other.links.iter().map(|link| link.renumbered(number(link).unwrap_or(WEAK - 1))));
        moved
    }

    /// The aliases of a module, in its order.
    pub(super) fn aliases(&self, module: &Module) -> impl Iterator<Item = &[u8]> {
        let all = self.texts.get(module.aliases.clone()).unwrap_or_default();
        all.split_inclusive(|&b| b == 0).map(|text| text.strip_suffix(b"\0").unwrap_or(text))
    }

    /// The `softdep` and `weakdep` texts of a module.
    pub(super) fn wishes(&self, module: &Module) -> impl Iterator<Item = Field<'_>> {
        crate::file::fields(self.texts.get(module.wishes.clone()).unwrap_or_default())
    }

    /// What a module offers.
    pub(super) fn exports(&self, module: &Module) -> &[Symbol] {
        self.links.get(module.exports.clone()).unwrap_or_default()
    }

    /// What a module wants.
    pub(super) fn imports(&self, module: &Module) -> &[Symbol] {
        self.links.get(module.imports.clone()).unwrap_or_default()
    }
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// How far the places of modules move when their facts are taken over by others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    texts: usize,
    links: usize,
}

impl Moved {
    /// Where the module is then.
    pub(super) fn module(self, module: &Module) -> Module {
        let by = |range: &Range<usize>, offset: usize| range.start + offset..range.end + offset;
        Module {
            aliases: by(&module.aliases, self.texts),
            wishes: by(&module.wishes, self.texts),
            exports: by(&module.exports, self.links),
            imports: by(&module.imports, self.links),
        }
    }
}

/// Names of symbols, each once, by number.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    bytes: Vec<u8>,
    /// Where each name ends.
    ends: Vec<usize>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Symbols {
    /// The number of a name, which it gets if it has none; `None` for one more than two thousand million.
    pub(super) fn number(&mut self, name: &[u8]) -> Option<u32> {
        let Self { bytes, ends, numbers, hasher } = self;
        let hash = self::hash(hasher, name);
        if let Some(&known) = numbers.find(hash, |&n| name_in(bytes, ends, n as usize) == name) {
            return Some(known);
        }
        let number = u32::try_from(ends.len()).ok().filter(|&n| n < WEAK - 1)?;
        bytes.extend_from_slice(name);
        ends.push(bytes.len());
        numbers.insert_unique(hash, number, |&n| self::hash(hasher, name_in(bytes, ends, n as usize)));
        Some(number)
    }

    /// The name with a number.
    pub(super) fn name(&self, number: usize) -> &[u8] {
        name_in(&self.bytes, &self.ends, number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All names, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.name(number))
    }
}

fn hash(hasher: &DefaultHashBuilder, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
}

fn name_in<'a>(bytes: &'a [u8], ends: &[usize], number: usize) -> &'a [u8] {
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    ends.get(number).and_then(|&end| bytes.get(start..end)).unwrap_or_default()
}
