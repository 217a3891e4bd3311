//! What can be asked for: the names that the modules of a tree answer to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use demand::{Class, Kind, Origin, Paths, Reach, RequestName};
use kmod::tree::Tree;

/// How deep nodes are looked for below `/dev`.
const DEEPEST: usize = 3;

/// Names with the classes that they are in.
pub(super) type Names = BTreeSet<(Class, RequestName)>;

/// What a requester of a kind can make the kernel ask for, as far as names tell.
///
/// # Errors
/// Those of damaged indexes.
pub(super) fn names(paths: &Paths, tree: &Tree, kind: Kind) -> kmod::Result<Names> {
    let mut names = Names::new();
    let mut add = |text: &str| {
        let class = Class::of(text);
        if can_ask(kind, class) {
            names.extend(RequestName::new(text.as_bytes(), Origin::Device).ok().map(|name| (class, name)));
        }
    };
    tree.aliases().each(&mut |alias, _| as_asked(alias).iter().for_each(|name| add(name)))?;
    // Some parts of the kernel ask by the names of modules: `sch_fq`, `nls_utf8`, `algif-hash`.
    for (module, _) in tree.modules()? {
        as_asked(&module).iter().for_each(|name| add(name));
    }
    if can_ask(kind, Class::NetPf) {
        open_nodes(&paths.file("/dev"), DEEPEST, &mut names);
    }
    Ok(names)
}

/// Whether a requester of this kind can make the kernel ask in this class.
fn can_ask(kind: Kind, class: Class) -> bool {
    match kind {
        Kind::Device => class == Class::Modalias,
        Kind::User | Kind::Container | Kind::Unknown => class.reach() != Reach::Privileged,
        Kind::Root | Kind::Service | Kind::Kernel => class != Class::Modalias,
    }
}

/// A name that a pattern of the index stands for, in the spellings in which the kernel may ask: the index knows only underscores.
fn as_asked(pattern: &str) -> Vec<String> {
    let name = instance(pattern);
    let dashed = name.replace('_', "-");
    // A name of a module in which the kernel never asks with dashes is of another class then.
    let asked = if Class::of(&name) == Class::Name && Class::of(&dashed) != Class::Name { dashed } else { name };
    vec![asked]
}

/// One of the names that match a pattern.
fn instance(pattern: &str) -> String {
    let mut name = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' | '?' => name.push('0'),
            '[' => {
                name.extend(rest.next());
                // Up to the bracket's end.
                rest.by_ref().take_while(|&c| c != ']').for_each(drop);
            }
            '\\' => name.extend(rest.next()),
            c => name.push(c),
        }
    }
    name
}

/// Nodes that anyone may open: the first to do so has the driver loaded.
fn open_nodes(folder: &Path, depth: usize, names: &mut Names) {
    /// Others may read or write.
    const OTHERS: u32 = 0o006;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = entry.path().symlink_metadata() else { continue };
        let kind = about.file_type();
        if kind.is_dir() && depth > 0 {
            open_nodes(&entry.path(), depth - 1, names);
        }
        if about.mode() & OTHERS == 0 || !(kind.is_char_device() || kind.is_block_device()) {
            continue;
        }
        let (word, class) = if kind.is_char_device() { ("char", Class::CharMajor) } else { ("block", Class::BlockMajor) };
        let (major, minor) = (rustix::fs::major(about.rdev()), rustix::fs::minor(about.rdev()));
        let name = format!("{word}-major-{major}-{minor}");
        names.extend(RequestName::new(name.as_bytes(), Origin::Helper).ok().map(|name| (class, name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_kernels_spelling() {
        for (pattern, name) in [
            ("net_pf_38", "net-pf-38"),
            ("algif_hash", "algif-hash"),
            ("nft_expr_1_fib", "nft-expr-1-fib"),
            ("xt_tcp", "xt_tcp"),
            ("sch_fq", "sch_fq"),
            ("snd_hda_intel", "snd_hda_intel"),
            ("fs_ext4", "fs-ext4"),
            ("pci:v00008086d000015[0-9]Esv*", "pci:v00008086d0000150Esv0"),
        ] {
            assert_eq!(as_asked(pattern), [name], "{pattern}");
        }
    }
}
