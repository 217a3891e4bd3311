//! The contents of the index files.

use super::find::Found;
use super::graph::Graph;
use super::scan::Scanned;
use super::{Notice, Request};
use crate::index::devname::FromAliases;
use crate::index::{TrieWriter, alias, builtin, devname, softdep, symbols, weakdep};
use crate::name;
use crate::workers::on_all_cores;

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
    pub(super) scanned: &'a [Scanned],
    pub(super) graph: &'a Graph,
    pub(super) builtin: &'a str,
    pub(super) builtin_modinfo: &'a [u8],
}

impl Material<'_> {
    fn modules(&self) -> impl Iterator<Item = (u32, &Found, &Scanned)> {
        (0u32..).zip(self.found).zip(self.scanned).map(|((rank, f), s)| (rank, f, s))
    }
}

/// Makes all files, in the order in which `-n` prints them.
pub(super) fn all(material: &Material<'_>, notices: &mut Vec<Notice>) -> Vec<Output> {
    let lines = dep_lines(material);
    let mut devnames = Vec::new();
    let mut bad = [const { Vec::new() }; 5];
    let [bad_dep, bad_alias, bad_symbols, bad_builtin, bad_builtin_alias] = &mut bad;
    let mut outputs = Vec::with_capacity(11);
    let dep = text(lines.iter().map(String::as_str));
    let ((dep_bin, (symbols_text, symbols_bin)), (alias_text, alias_bin)) = on_all_cores(|| {
        rayon::join(
            || rayon::join(|| dep_bin(material, &lines, bad_dep), || symbols(material, bad_symbols)),
            || rayon::join(|| aliases(material), || alias_bin(material, bad_alias)),
        )
    });
    let mut add = |name, contents| outputs.push(Output { name, contents });
    add("modules.dep", dep);
    add("modules.dep.bin", dep_bin);
    add("modules.alias", alias_text);
    add("modules.alias.bin", alias_bin);
    add("modules.softdep", soft(material, "softdep", softdep::HEADER, softdep::write));
    add("modules.weakdep", soft(material, "weakdep", weakdep::HEADER, weakdep::write));
    add("modules.symbols", symbols_text);
    add("modules.symbols.bin", symbols_bin);
    add("modules.builtin.bin", builtin_bin(material, bad_builtin));
    add("modules.builtin.alias.bin", builtin_alias_bin(material, bad_builtin_alias));
    if let Some(contents) = devname(material, &mut devnames) {
        add("modules.devname", contents);
    }
    notices.extend(devnames);
    notices.extend(bad.into_iter().flatten().map(|key| Notice::BadKey { key }));
    outputs
}

/// The names of all files that [`all`] may make.
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

fn text<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out
}

fn dep_lines(material: &Material<'_>) -> Vec<String> {
    let mut seen = vec![usize::MAX; material.graph.len()];
    let mut needs = Vec::new();
    let mut lines = Vec::with_capacity(material.found.len());
    for (number, found) in material.found.iter().enumerate() {
        material.graph.closure(number, &mut seen, &mut needs);
        let mut line = format!("{}:", found.listed);
        for needed in needs.iter().filter_map(|&n| material.found.get(n)) {
            line.push(' ');
            line.push_str(&needed.listed);
        }
        lines.push(line);
    }
    lines
}

fn dep_bin(material: &Material<'_>, lines: &[String], bad: &mut Vec<String>) -> Vec<u8> {
    let mut trie = TrieWriter::default();
    for ((rank, found, _), line) in material.modules().zip(lines) {
        insert(&mut trie, &found.name, line, rank, bad);
    }
    trie.finish()
}

fn insert(trie: &mut TrieWriter, key: &str, value: &str, rank: u32, bad: &mut Vec<String>) {
    if trie.insert(key, value, rank).is_err() {
        bad.push(key.to_owned());
    }
}

fn aliases(material: &Material<'_>) -> Vec<u8> {
    let mut out = alias::HEADER.to_owned();
    for (_, found, scanned) in material.modules() {
        for pattern in scanned.modinfo.values("alias") {
            alias::write(&mut out, &pattern, &found.name);
        }
    }
    out.into_bytes()
}

fn alias_bin(material: &Material<'_>, bad: &mut Vec<String>) -> Vec<u8> {
    let mut trie = TrieWriter::default();
    for (rank, found, scanned) in material.modules() {
        for pattern in scanned.modinfo.values("alias") {
            match name::normalise(&pattern) {
                Ok(key) => insert(&mut trie, &key, &found.name, rank, bad),
                Err(_) => bad.push(pattern.into_owned()),
            }
        }
    }
    trie.finish()
}

fn soft(material: &Material<'_>, key: &str, header: &str, write: fn(&mut String, &str, &str)) -> Vec<u8> {
    let mut out = header.to_owned();
    for (_, found, scanned) in material.modules() {
        for text in scanned.modinfo.values(key) {
            write(&mut out, &found.name, &text);
        }
    }
    out.into_bytes()
}

/// Both forms of the symbol index. The text is sorted by symbol; of two modules that export one symbol the last counts.
fn symbols(material: &Material<'_>, bad: &mut Vec<String>) -> (Vec<u8>, Vec<u8>) {
    let mut owners: Vec<(&[u8], u32)> =
        material.modules().flat_map(|(rank, _, scanned)| scanned.exports.iter().map(move |s| (s, rank))).collect();
    owners.sort_unstable();
    let mut out = symbols::HEADER.to_owned();
    let mut trie = TrieWriter::default();
    let mut rest = owners.iter().peekable();
    while let Some(&(symbol, rank)) = rest.next() {
        if rest.peek().is_some_and(|&&(next, _)| next == symbol) {
            continue;
        }
        let symbol = String::from_utf8_lossy(symbol);
        let Some(found) = usize::try_from(rank).ok().and_then(|r| material.found.get(r)) else { continue };
        symbols::write(&mut out, &symbol, &found.name);
        let key = format!("{}{symbol}", symbols::PREFIX);
        insert(&mut trie, &key, &found.name, rank, bad);
    }
    (out.into_bytes(), trie.finish())
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
            match name::normalise(&pattern) {
                Ok(key) => insert(&mut trie, &key, &info.module, 0, bad),
                Err(_) => bad.push(pattern.into_owned()),
            }
        }
    }
    trie.finish()
}

fn devname(material: &Material<'_>, notices: &mut Vec<Notice>) -> Option<Vec<u8>> {
    let mut out = devname::HEADER.to_owned();
    for (_, found, scanned) in material.modules() {
        let aliases: Vec<_> = scanned.modinfo.values("alias").collect();
        match devname::from_aliases(&found.name, aliases.iter().map(AsRef::as_ref)) {
            FromAliases::None => {}
            FromAliases::NoNumbers { node } => notices.push(Notice::DevnameWithoutNumbers { module: found.name.clone(), node }),
            FromAliases::Node(node) => devname::write(&mut out, &node),
        }
    }
    (out.len() > devname::HEADER.len()).then(|| out.into_bytes())
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
    let builtin = String::from_utf8_lossy(&read("modules.builtin")).into_owned();
    (builtin, read("modules.builtin.modinfo"))
}
