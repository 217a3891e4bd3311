//! The kernel's own symbols, from `Module.symvers` (`-E`) or `System.map` (`-F`), and the check of everybody's symbols (`-e`).

use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::facts::{Facts, Module};
use super::{Notice, SymbolCheck};
use crate::error::IoAction;
use crate::file::ModuleFile;
use crate::{Error, Result, text};

/// Symbols that the kernel itself has, with checksums where the source tells them.
#[derive(Debug, Clone, Default)]
pub struct KernelSymbols {
    symbols: HashMap<Vec<u8>, Option<u64>>,
}

impl KernelSymbols {
    /// Reads a `Module.symvers`: `CRC SYMBOL MODULE EXPORT`, of which the symbols of `vmlinux` count.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_symvers(&mut self, path: &Path) -> Result<()> {
        let text = read(path)?;
        let symbols = crate::symvers::of_vmlinux(&text).map(|(symbol, crc)| (symbol.as_bytes().to_vec(), crc));
        self.symbols.extend(symbols);
        Ok(())
    }

    /// Reads a `System.map`: `ADDRESS TYPE NAME`; `prefix` is dropped from the names (`-P`). Only exports count, which have an entry
    /// `__ksymtab_NAME` (`include/linux/export.h` of Linux): modules cannot use the kernel's other symbols.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_system_map(&mut self, path: &Path, prefix: Option<char>) -> Result<()> {
        let text = read(path)?;
        for line in text.lines() {
            let Some(name) = line.split_ascii_whitespace().nth(2) else { continue };
            let name = prefix.and_then(|p| name.strip_prefix(p)).unwrap_or(name);
            let Some(symbol) = name.strip_prefix("__ksymtab_") else { continue };
            self.symbols.insert(symbol.as_bytes().to_vec(), None);
        }
        Ok(())
    }

    /// Adds symbols by name: those that a hosted kernel tells.
    pub fn add(&mut self, names: impl IntoIterator<Item = String>) {
        self.symbols.extend(names.into_iter().map(|n| (n.into_bytes(), None)));
    }

    /// Whether the kernel has this symbol.
    #[must_use]
    pub fn contains(&self, symbol: &[u8]) -> bool {
        self.symbols.contains_key(symbol)
    }

    /// Whether nothing is known of the kernel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(IoAction::Read, path, e))?;
    Ok(text::of_bytes(&bytes).into_owned())
}

/// Reports symbols that nobody has and checksums that differ.
pub(super) fn check(found: &[PathBuf], wanted: SymbolCheck, material: &Symbols<'_>, kernel: &KernelSymbols, notices: &mut Vec<Notice>) {
    if wanted.unknown {
        unknown(found, material, kernel, notices);
    }
    if wanted.versions {
        versions(found, kernel, notices);
    }
}

fn unknown(found: &[PathBuf], material: &Symbols<'_>, kernel: &KernelSymbols, notices: &mut Vec<Notice>) {
    let Symbols { facts, modules, owner } = material;
    for (path, module) in found.iter().zip(*modules) {
        for symbol in facts.imports(module).iter().filter(|symbol| !symbol.is_weak()) {
            let name = facts.symbols.name(symbol.number());
            if owner.get(symbol.number()).copied().flatten().is_none() && !kernel.contains(name) {
                let symbol = text::of_bytes(name).into_owned();
                notices.push(Notice::UnknownSymbol { path: path.clone(), symbol });
            }
        }
    }
}

fn versions(found: &[PathBuf], kernel: &KernelSymbols, notices: &mut Vec<Notice>) {
    let crcs = crcs(found, kernel);
    for path in found {
        let imports = ModuleFile::open(path).and_then(|f| f.imports()).unwrap_or_default();
        for import in imports {
            let (Some(wanted), Some(&provided)) = (import.crc, crcs.get(import.name.as_bytes())) else { continue };
            if wanted != provided {
                notices.push(Notice::VersionMismatch { path: path.clone(), symbol: import.name, wanted, provided });
            }
        }
    }
}

/// Who wants and who has what.
pub(super) struct Symbols<'a> {
    pub(super) facts: &'a Facts,
    pub(super) modules: &'a [Module],
    /// The module that exports each symbol.
    pub(super) owner: &'a [Option<usize>],
}

/// The checksum of every export that has one.
fn crcs(found: &[PathBuf], kernel: &KernelSymbols) -> HashMap<Vec<u8>, u64> {
    let mut crcs = HashMap::new();
    for path in found {
        let exports = ModuleFile::open(path).and_then(|f| f.exports()).unwrap_or_default();
        crcs.extend(exports.into_iter().filter(|e| e.crc != 0).map(|e| (e.name.into_bytes(), e.crc)));
    }
    crcs.extend(kernel.symbols.iter().filter_map(|(name, crc)| Some((name.clone(), (*crc)?))));
    crcs
}
