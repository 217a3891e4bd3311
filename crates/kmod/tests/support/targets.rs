//! What is done with bytes from outside: an error or an answer.

use std::path::Path;

use kmod::config::{Config, DepmodConfig, Origin, cmdline};
use kmod::file::{Compression, ModuleFile};
use kmod::index::{Trie, builtin, dep, devname};
use kmod::info::Info;
use kmod::{glob, name, text};

/// Any bytes as a module file.
pub(crate) fn file_target(bytes: &[u8]) {
    let Ok(file) = ModuleFile::from_bytes(Path::new("mutant.ko"), bytes.to_vec()) else { return };
    let _ = (file.machine(), file.exports(), file.imports(), file.versions(), file.build_id(), file.signature(), file.bytes());
    if let Ok(info) = Info::of_file(&file) {
        info.parameters.iter().for_each(|p| drop(p.line()));
    }
}

/// Any bytes as a `.bin` index.
pub(crate) fn trie_target(bytes: &[u8]) {
    let Ok(trie) = Trie::from_bytes(bytes.to_vec()) else { return };
    let _ = (trie.search("fs_vfat"), trie.search(""), trie.search("pci:v00008086d00001237sv"));
    for word in ["fs_vfat", "pci:v00008086d00001237sv00001af4sd00001100bc06sc00i00", "", "*", "ä", "\u{10ffff}"] {
        let _ = trie.search_wild(word);
    }
    let mut count = 0usize;
    let _ = trie.each(&mut |_, _| count += 1);
    assert!(count <= bytes.len(), "more values than bytes");
}

/// Any bytes as a compressed module: never more than the limit.
pub(crate) fn compressed_target(bytes: &[u8]) {
    if let Some(format) = Compression::of(bytes) {
        let out = format.decompress(bytes, 1 << 20);
        assert!(out.is_err() || out.unwrap().len() <= 1 << 20);
    }
}

/// Any bytes as configuration, kernel command line, text index and `/proc/modules`.
pub(crate) fn text_target(bytes: &[u8]) {
    let text = text::of_bytes(bytes);
    assert_eq!(&*text::to_bytes(&text), bytes, "bytes come back as they were");
    let mut config = Config::default();
    config.parse(Path::new("mutant.conf"), &text, Origin::Administrator);
    config.parse_cmdline(&text);
    for module in ["vfat", "snd_hda_intel", ""] {
        let _ = (config.install_command(module), config.options_of(module, Some("fs_vfat")), config.forbidden(&[module]));
        let _ = (config.softdeps_of(module).count(), config.weakdeps_of(module).count());
    }
    DepmodConfig::default().parse(Path::new("mutant.conf"), &text);
    let _ = (cmdline::parse(&text).len(), name::normalise(&text), name::from_path(&text), glob::matches(&text, "fs-vfat"));
    let _ = (dep::parse(&text).count(), devname::parse(&text).count(), builtin::parse_modinfo(bytes).len());
    let _ = kmod::proc_modules::parse(&text);
}
