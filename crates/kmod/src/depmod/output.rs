//! The contents of the index files.

use std::borrow::Cow;

use super::facts::{Facts, Module};
use super::find::Found;
use super::graph::Graph;
use super::{Notice, Request};
use crate::index::devname::FromAliases;
use crate::index::sort::sort_by_text;
use crate::index::{TrieWriter, alias, builtin, devname, softdep, symbols, weakdep};
use crate::workers::both;
use crate::{name, text};

/// One index file, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// File name in the output directory.
    pub name: &'static str,
    /// All of it.
    pub contents: Vec<u8>,
}

/// What the outputs are made from.
pub(super) struct Material<'a> {
    pub(super) found: &'a [Found],
    pub(super) facts: &'a Facts,
    pub(super) modules: &'a [Module],
    /// The module that exports each symbol.
    pub(super) owner: &'a [Option<usize>],
    pub(super) graph: &'a Graph,
    pub(super) builtin: &'a str,
    pub(super) builtin_modinfo: &'a [u8],
    pub(super) symbol_prefix: Option<char>,
}

impl Material<'_> {
    fn modules(&self) -> impl Iterator<Item = (u32, &Found, &Module)> {
        (0u32..).zip(self.found).zip(self.modules).map(|((rank, f), m)| (rank, f, m))
    }
}

/// Both forms of an index, and the keys that the `.bin` form cannot hold.
struct Index {
    text: Vec<u8>,
    bin: Vec<u8>,
    bad: Vec<String>,
}

/// Makes all files, in the order in which `-n` prints them.
pub(super) fn all(material: &Material<'_>, notices: &mut Vec<Notice>) -> Vec<Output> {
    let (aliases, (dep, symbols)) = both(|| aliases(material), || (dep(material), symbols(material)));
    let mut outputs = Vec::with_capacity(11);
    let mut add = |name, contents| outputs.push(Output { name, contents });
    add("modules.dep", dep.text);
    add("modules.dep.bin", dep.bin);
    add("modules.alias", aliases.text);
    add("modules.alias.bin", aliases.bin);
    add("modules.softdep", wishes(material, b"softdep", softdep::HEADER, softdep::write));
    add("modules.weakdep", wishes(material, b"weakdep", weakdep::HEADER, weakdep::write));
    add("modules.symbols", symbols.text);
    add("modules.symbols.bin", symbols.bin);
    let (mut bad_builtin, mut bad_builtin_alias) = (Vec::new(), Vec::new());
    add("modules.builtin.bin", builtin_bin(material, &mut bad_builtin));
    add("modules.builtin.alias.bin", builtin_alias_bin(material, &mut bad_builtin_alias));
    if let Some(contents) = devname(material, notices) {
        add("modules.devname", contents);
    }
    let bad = [dep.bad, aliases.bad, symbols.bad, bad_builtin, bad_builtin_alias];
    notices.extend(bad.into_iter().flatten().map(|key| Notice::BadKey { key }));
    outputs
}

/// The names of all files that depmod may make.
pub const FILES: [&str; 11] = [
    "modules.dep",
    "modules.dep.bin",
    "modules.alias",
    "modules.alias.bin",
    "modules.softdep",
    "modules.weakdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.devname",
];

fn dep(material: &Material<'_>) -> Index {
    let mut seen = vec![usize::MAX; material.graph.len()];
    let mut needs = Vec::new();
    let room = material.found.len() * 160;
    let mut text = String::with_capacity(room);
    let mut trie = TrieWriter::with_room(room);
    let mut bad = Vec::new();
    for (number, (rank, found, _)) in material.modules().enumerate() {
        material.graph.closure(number, &mut seen, &mut needs);
        let start = text.len();
        text.push_str(&found.listed);
        text.push(':');
        for needed in needs.iter().filter_map(|&n| material.found.get(n)) {
            text.push(' ');
            text.push_str(&needed.listed);
        }
        insert(&mut trie, &found.name, text.get(start..).unwrap_or_default(), rank, &mut bad);
        text.push('\n');
    }
    Index { text: text::into_bytes(text), bin: trie.finish(), bad }
}

fn insert(trie: &mut TrieWriter, key: &str, value: &str, rank: u32, bad: &mut Vec<String>) {
    if trie.insert(key, value, rank).is_err() {
        bad.push(key.to_owned());
    }
}

fn aliases(material: &Material<'_>) -> Index {
    let mut text = alias::HEADER.to_owned();
    let room = material.facts.texts.len() * 2;
    text.reserve(room);
    let mut trie = TrieWriter::with_room(room);
    let mut bad = Vec::new();
    for (rank, found, module) in material.modules() {
        for pattern in material.facts.aliases(module).map(text::of_bytes) {
            alias::write(&mut text, &pattern, &found.name);
            insert_pattern(&mut trie, pattern, &found.name, rank, &mut bad);
        }
    }
    Index { text: text::into_bytes(text), bin: trie.finish(), bad }
}

fn insert_pattern(trie: &mut TrieWriter, pattern: Cow<'_, str>, module: &str, rank: u32, bad: &mut Vec<String>) {
    match name::normalised(&pattern) {
        Ok(key) => insert(trie, &key, module, rank, bad),
        Err(_) => bad.push(pattern.into_owned()),
    }
}

fn wishes(material: &Material<'_>, key: &[u8], header: &str, write: fn(&mut String, &str, &str)) -> Vec<u8> {
    let mut out = header.to_owned();
    for (_, found, module) in material.modules() {
        for field in material.facts.wishes(module).filter(|f| f.key == key) {
            write(&mut out, &found.name, &text::of_bytes(field.value));
        }
    }
    text::into_bytes(out)
}

/// Both forms of the symbol index. The text is sorted by symbol; of two modules that export one symbol the last counts.
fn symbols(material: &Material<'_>) -> Index {
    let owners = material.facts.symbols.iter().zip(material.owner);
    let mut owners: Vec<(&[u8], usize)> = owners.filter_map(|(symbol, owner)| Some((symbol, (*owner)?))).collect();
    sort_by_text(&mut owners, |(symbol, _)| symbol, |a, b| a.1.cmp(&b.1));
    let room = owners.len() * 64;
    let mut text = String::with_capacity(room);
    text.push_str(symbols::HEADER);
    let mut trie = TrieWriter::with_room(room);
    let mut bad = Vec::new();
    let mut key = String::new();
    for (symbol, owner) in owners {
        let symbol = text::of_bytes(symbol);
        let symbol = material.symbol_prefix.and_then(|prefix| symbol.strip_prefix(prefix)).unwrap_or(&symbol);
        let (Some(found), Ok(rank)) = (material.found.get(owner), u32::try_from(owner)) else { continue };
        symbols::write(&mut text, symbol, &found.name);
        key.clear();
        key.push_str(symbols::PREFIX);
        key.push_str(symbol);
        insert(&mut trie, &key, &found.name, rank, &mut bad);
    }
    Index { text: text::into_bytes(text), bin: trie.finish(), bad }
}

fn builtin_bin(material: &Material<'_>, bad: &mut Vec<String>) -> Vec<u8> {
    let mut trie = TrieWriter::default();
    for module in builtin::parse(material.builtin) {
        insert(&mut trie, &module, "", 0, bad);
    }
    trie.finish()
}

fn builtin_alias_bin(material: &Material<'_>, bad: &mut Vec<String>) -> Vec<u8> {
    let mut trie = TrieWriter::default();
    for info in builtin::parse_modinfo(material.builtin_modinfo) {
        for pattern in info.modinfo.values("alias") {
            insert_pattern(&mut trie, pattern, &info.module, 0, bad);
        }
    }
    trie.finish()
}

fn devname(material: &Material<'_>, notices: &mut Vec<Notice>) -> Option<Vec<u8>> {
    let mut out = devname::HEADER.to_owned();
    for (_, found, module) in material.modules() {
        // Few modules have a device node; the texts of the others need no closer look.
        if !material.facts.aliases(module).any(|alias| alias.starts_with(devname::PREFIX.as_bytes())) {
            continue;
        }
        let aliases: Vec<_> = material.facts.aliases(module).map(text::of_bytes).collect();
        match devname::from_aliases(&found.name, aliases.iter().map(AsRef::as_ref)) {
            FromAliases::None => {}
            FromAliases::NoNumbers { node } => notices.push(Notice::DevnameWithoutNumbers { module: found.name.clone(), node }),
            FromAliases::Node(node) => devname::write(&mut out, &node),
        }
    }
    (out.len() > devname::HEADER.len()).then(|| text::into_bytes(out))
}

/// The inputs beside the modules: missing ones are noted and taken as empty.
pub(super) fn builtin_inputs(request: &Request, notices: &mut Vec<Notice>) -> (String, Vec<u8>) {
    let tree = request.tree();
    let mut read = |file: &'static str| {
        std::fs::read(tree.join(file)).unwrap_or_else(|_| {
            notices.push(Notice::MissingInput { file, directory: tree.clone() });
            Vec::new()
        })
    };
    let builtin = text::of_bytes(&read("modules.builtin")).into_owned();
    (builtin, read("modules.builtin.modinfo"))
}
