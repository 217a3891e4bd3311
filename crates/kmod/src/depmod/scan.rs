//! Reads what depmod needs of each module, on all cores.

use rayon::prelude::*;

use super::find::Found;
use super::names::Names;
use crate::Result;
use crate::file::{Link, Modinfo, ModuleFile};
use crate::workers::on_all_cores;

/// What depmod needs of one module.
#[derive(Debug, Clone, Default)]
pub(super) struct Scanned {
    /// Only the `alias`, `softdep` and `weakdep` texts.
    pub(super) modinfo: Modinfo,
    pub(super) exports: Names,
    pub(super) imports: Names,
    /// Whether the import with this number is weak.
    pub(super) weak: Vec<bool>,
}

/// The texts that indexes are made of.
const KEYS: [&[u8]; 3] = [b"alias", b"softdep", b"weakdep"];

/// Scans all modules; the answers stand in the order of the modules.
pub(super) fn scan_all(modules: &[&Found], done: &(dyn Fn() + Sync)) -> Vec<Result<Scanned>> {
    let one = |found: &&Found| {
        let scanned = scan(found);
        done();
        scanned
    };
    on_all_cores(|| modules.par_iter().map(one).collect())
}

fn scan(found: &Found) -> Result<Scanned> {
    let file = ModuleFile::open(&found.path)?;
    let mut scanned = Scanned::default();
    let modinfo = file.scan(&mut |link| match link {
        Link::Import { name, weak } => {
            scanned.imports.push(name);
            scanned.weak.push(weak);
        }
        Link::Export { name, .. } => scanned.exports.push(name),
    })?;
    let mut kept = Vec::new();
    for field in modinfo.fields().filter(|f| KEYS.contains(&f.key)) {
        for part in [field.key, b"=", field.value, b"\0"] {
            kept.extend_from_slice(part);
        }
    }
    scanned.modinfo = Modinfo::new(kept);
    Ok(scanned)
}
