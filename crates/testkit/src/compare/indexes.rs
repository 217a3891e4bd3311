//! The files that depmod writes.

use std::fs;
use std::path::Path;

use kmod::index::Trie;

use super::programs::{Pair, Whose};
use super::{Listed, Report};

/// Equal by bytes.
const SAME: [&str; 4] = ["modules.dep", "modules.alias", "modules.softdep", "modules.devname"];

/// Equal by content.
const SAME_CONTENT: [&str; 5] =
    ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin", "modules.builtin.alias.bin"];

pub(super) fn compare(pair: &Pair, report: &mut Report) {
    let read = |whose, name: &str| pair.renamed(whose, fs::read_to_string(pair.index(whose, name)).unwrap_or_default());
    for name in SAME {
        report.texts("index files", name, &read(Whose::Theirs, name), &read(Whose::Ours, name));
    }
    let [theirs, ours] = [Whose::Theirs, Whose::Ours].map(|w| read(w, "modules.symbols"));
    if theirs != ours {
        report.listed(Listed::SymbolOrder);
    }
    report.texts("index files", "modules.symbols, sorted", &sorted(&theirs), &sorted(&ours));
    if pair.index(Whose::Ours, "modules.weakdep").exists() && !pair.index(Whose::Theirs, "modules.weakdep").exists() {
        report.listed(Listed::Weakdep);
    }
    for name in SAME_CONTENT {
        let [theirs, ours] = [Whose::Theirs, Whose::Ours].map(|w| pair.renamed(w, dump(&pair.index(w, name))));
        report.texts("index files", name, &theirs, &ours);
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Each key with its values and their ranks.
fn dump(path: &Path) -> String {
    let mut out = String::new();
    let walked =
        Trie::open(path).and_then(|trie| trie.each(&mut |key, value| out.push_str(&format!("{key} {} {}\n", value.priority, value.text))));
    match walked {
        Ok(()) => out,
        Err(error) => format!("{error}"),
    }
}
