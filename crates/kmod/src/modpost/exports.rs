//! What an object exports, and the versions of it: CRCs of the prototypes that `EXPORT_SYMBOL_PROTO` leaves in `__kproto`.

use std::collections::{HashMap, HashSet};

use modlink::module::prototype_crc;

use super::rewrite::{Binding, Elf};
use super::{Error, Warning};

/// Globals that are never exported (the list of classic insmod).
const HIDDEN: [&str; 5] = ["init_module", "cleanup_module", "kernel_version", "mod_use_count_", "Using_Versions"];

/// An exported symbol.
pub(super) struct Export {
    /// Its name.
    pub(super) name: String,
    /// CRC of its prototype, where that is known.
    pub(super) crc: Option<u32>,
}

/// The exports: those named in `__ksymtab_strings`, or, where there is no such section, all global definitions that are not hidden. Warns of
/// prototypes for anything else.
pub(super) fn read(elf: &Elf<'_>) -> Result<(Vec<Export>, Vec<Warning>), Error> {
    let mut prototypes = prototypes(elf.section("__kproto").unwrap_or_default())?;
    let names = match elf.section("__ksymtab_strings") {
        Some(strings) => words(strings).collect(),
        None => globals(elf)?,
    };
    let (mut exports, mut seen) = (Vec::new(), HashSet::new());
    for name in names {
        if seen.insert(name.clone()) {
            exports.push(Export { crc: prototypes.remove(&name), name });
        }
    }
    let mut rest: Vec<String> = prototypes.into_keys().collect();
    rest.sort_unstable();
    Ok((exports, rest.into_iter().map(|symbol| Warning::NotExported { symbol }).collect()))
}

/// CRCs by symbol, from pairs `name NUL prototype NUL`. The compiler may leave more NULs between two pairs.
fn prototypes(section: &[u8]) -> Result<HashMap<String, u32>, Error> {
    let mut words = words(section);
    let mut crcs = HashMap::new();
    while let Some(symbol) = words.next() {
        let Some(prototype) = words.next() else { return Err(Error::Prototypes { symbol }) };
        crcs.insert(symbol, prototype_crc(&prototype));
    }
    Ok(crcs)
}

/// The strings between NULs, empty ones left out.
fn words(section: &[u8]) -> impl Iterator<Item = String> + '_ {
    section.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(|word| String::from_utf8_lossy(word).into_owned())
}

/// Global definitions that are not hidden, as the linker exports them.
fn globals(elf: &Elf<'_>) -> Result<Vec<String>, Error> {
    let names = elf.symbols()?.into_iter().filter(|symbol| symbol.defined && symbol.visible && symbol.binding != Binding::Local);
    let names = names.map(|symbol| String::from_utf8_lossy(symbol.name).into_owned());
    Ok(names.filter(|name| !name.is_empty() && !HIDDEN.contains(&name.as_str())).collect())
}
