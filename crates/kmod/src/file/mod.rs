//! A module file: what it says of itself, what it exports, what it needs, and who signed it.
//!
//! Files may be plain or compressed (gzip, xz, zstd: told by their first bytes, not by their names), 32- or 64-bit ELF of either
//! byte order, or classic a.out. Each question reads only the sections it needs.
//!
//! ```no_run
//! let file = kmod::file::ModuleFile::open("/lib/modules/6.1.0/kernel/fs/fat/vfat.ko".as_ref())?;
//! for import in file.imports()? {
//!     println!("{}{}", import.name, if import.weak { " (weak)" } else { "" });
//! }
//! # Ok::<(), kmod::Error>(())
//! ```

mod aout;
mod build_id;
mod compress;
mod der;
mod elf;
mod modinfo;
mod signature;
mod source;
mod symbols;
mod versions;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use compress::Compression;
pub use elf::{Class, Machine, Order};
pub(crate) use modinfo::fields;
pub use modinfo::{Field, Modinfo};
pub use signature::{Signature, SignatureId};
pub use source::MAX_MODULE_SIZE;
pub(crate) use source::no_more_files;
pub(crate) use symbols::Link;
pub use symbols::{Export, Import};
pub use versions::Version;

use crate::{Error, Result};
use elf::{Elf, Section};
use source::Source;

/// As much behind the section headers as a signature takes, in bytes.
const SIGNATURE: u64 = 1024;

/// An open module file.
#[derive(Debug)]
pub struct ModuleFile {
    path: PathBuf,
    source: Source,
    compression: Option<Compression>,
}

impl ModuleFile {
    /// Opens a module file, and decompresses it if need be.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Decompress`] and [`Error::TooLarge`]. That the contents are an object is seen later.
    ///
    /// [`Error::Io`]: crate::Error::Io
    /// [`Error::Decompress`]: crate::Error::Decompress
    /// [`Error::TooLarge`]: crate::Error::TooLarge
    pub fn open(path: &Path) -> Result<Self> {
        Source::open(path).map(|source| Self::new(path.to_path_buf(), source, SIGNATURE)).map_err(|e| e.in_file(path))
    }

    /// A module whose bytes are in memory; `path` only names it.
    ///
    /// # Errors
    /// As [`ModuleFile::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        Source::from_bytes(bytes).map(|source| Self::new(path.to_path_buf(), source, 0)).map_err(|e| e.in_file(path))
    }

    /// A module in an open file, for [`ModuleFile::scan`]; `path` only names it.
    pub(crate) fn of_file(path: PathBuf, file: File) -> Result<Self> {
        match Source::of_file(file, &path) {
            Ok(source) => Ok(Self::new(path, source, 0)),
            Err(e) => Err(e.in_file(&path)),
        }
    }

    /// Reads the section headers and as many bytes `behind` them at once.
    fn new(path: PathBuf, (mut source, compression): (Source, Option<Compression>), behind: u64) -> Self {
        if let Some(range) = elf::headers(source.head()) {
            source.fetch(range.start..range.end.saturating_add(behind));
        }
        Self { path, source, compression }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is compressed, `None` if it is not.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Size in bytes, after decompression.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// All bytes, decompressed: what `init_module(2)` takes.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the file shrinks meanwhile, [`Error::TooLarge`].
    pub fn bytes(&self) -> Result<Vec<u8>> {
        if self.source.size() > MAX_MODULE_SIZE {
            return Err(Error::TooLarge { limit: MAX_MODULE_SIZE }.in_file(&self.path));
        }
        let all = self.source.read(crate::error::Part::SectionData, 0, self.source.size());
        Ok(all.map_err(|e| e.in_file(&self.path))?.into_owned())
    }

    /// For which machine the object was made; `None` for an a.out object.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn machine(&self) -> Result<Option<Machine>> {
        if self.is_aout() { Ok(None) } else { self.elf(|elf| Ok(Some(elf.machine))) }
    }

    /// Whether this is a classic a.out object.
    #[must_use]
    pub fn is_aout(&self) -> bool {
        aout::is_aout(&self.source)
    }

    /// The `.modinfo` section; empty if there is none.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn modinfo(&self) -> Result<Modinfo> {
        if self.is_aout() {
            return Ok(Modinfo::default());
        }
        self.elf(|elf| Ok(Modinfo::new(elf.data_of(".modinfo")?.into_owned())))
    }

    /// The symbols that the module exports, in the order of its tables.
    ///
    /// They are the names with a `__crc_` symbol; without any, the texts of `__ksymtab_strings`; for an a.out object, and for an
    /// ELF object of a hosted kernel that has no export table, all globals.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn exports(&self) -> Result<Vec<Export>> {
        let mut found = Vec::new();
        if self.is_aout() {
            self.each_link(&mut |link| {
                if let Link::Export { name, .. } = link {
                    found.push(Export { name: text(name), crc: 0 });
                }
            })?;
            return Ok(found);
        }
        self.elf(|elf| {
            let mut places = Vec::new();
            symbols::each_link(elf, &mut |link| {
                if let Link::Export { name, crc } = link {
                    places.push((text(name), crc));
                }
            })?;
            for (name, place) in places {
                found.push(Export { name, crc: symbols::crc(elf, place)? });
            }
            without_crcs(elf, found.is_empty(), &mut |name| found.push(Export { name: text(name), crc: 0 }))
        })?;
        Ok(found)
    }

    /// The symbols that the module leaves undefined, each with its checksum if the module has version tables. Symbols that only
    /// the version tables name (`module_layout`) come last.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn imports(&self) -> Result<Vec<Import>> {
        let versions = self.versions()?;
        let mut crcs: HashMap<&str, u64> = versions.iter().map(|v| (v.name.as_str(), v.crc)).collect();
        let mut found = Vec::new();
        self.each_link(&mut |link| {
            if let Link::Import { name, weak } = link {
                found.push(Import { name: text(name), weak, crc: None });
            }
        })?;
        for import in &mut found {
            import.crc = crcs.remove(import.name.as_str());
        }
        let rest = versions.iter().filter(|v| crcs.contains_key(v.name.as_str()));
        found.extend(rest.map(|v| Import { name: v.name.clone(), weak: false, crc: Some(v.crc) }));
        Ok(found)
    }

    /// The version table: the extended one of Linux 6.14 if the module has it, else the classic one.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn versions(&self) -> Result<Vec<Version>> {
        if self.is_aout() { Ok(Vec::new()) } else { self.elf(versions::versions) }
    }

    /// The build id of the GNU note, if there is one.
    ///
    /// # Errors
    /// Those of a damaged object.
    pub fn build_id(&self) -> Result<Option<Vec<u8>>> {
        if self.is_aout() { Ok(None) } else { self.elf(build_id::build_id) }
    }

    /// The appended signature, if there is one.
    ///
    /// # Errors
    /// [`Error::Truncated`] and [`Error::BadValue`] for a damaged one.
    pub fn signature(&self) -> Result<Option<Signature>> {
        signature::signature(&self.source).map_err(|e| e.in_file(&self.path))
    }

    /// Calls `visit` for each import and each export that the symbol table shows, without reading checksums.
    pub(crate) fn each_link(&self, visit: &mut impl FnMut(Link<'_>)) -> Result<()> {
        if !self.is_aout() {
            return self.elf(|elf| symbols::each_link(elf, visit));
        }
        let globals = aout::each_global(&self.source, &mut |global| {
            visit(match global {
                aout::Global::Defined(name) => Link::Export { name, crc: symbols::Crc::Value(0) },
                aout::Global::Undefined(name) => Link::Import { name, weak: false },
            });
        });
        globals.map_err(|e| e.in_file(&self.path))
    }

    /// Everything that `depmod` asks of a module, from one look at its section headers. `visit` gets the imports and exports,
    /// `texts` the `.modinfo` section; not in an order that would mean anything.
    pub(crate) fn scan(&mut self, visit: &mut impl FnMut(Link<'_>), texts: &mut impl FnMut(&[u8])) -> Result<()> {
        if self.is_aout() {
            return self.each_link(visit);
        }
        let scanned = scan_elf(&mut self.source, visit, texts);
        scanned.map_err(|e| e.in_file(&self.path))
    }

    fn elf<T>(&self, ask: impl FnOnce(&Elf<'_>) -> Result<T>) -> Result<T> {
        Elf::parse(&self.source).and_then(|elf| ask(&elf)).map_err(|e| e.in_file(&self.path))
    }
}

fn scan_elf(source: &mut Source, visit: &mut impl FnMut(Link<'_>), texts: &mut impl FnMut(&[u8])) -> Result<()> {
    let elf = Elf::parse(source)?;
    let parts = elf.parts();
    let range = |section: Option<Section>| section.map_or(0..0, |s| s.range());
    let (strings, info) = (range(parts.strtab), range(parts.modinfo));
    let symbols = parts.symtab.map_or(0..0, |table| symbols::that_matter(&elf, table, parts.exports));
    // Linkers put the strings behind the symbols.
    if symbols.start <= strings.start && strings.start.saturating_sub(symbols.end) < NEAR {
        source.fetch(symbols.start..strings.end);
    }
    source.fetch(info);
    let elf = Elf::parse(source)?;
    let mut exports = false;
    symbols::each_link_of(&elf, &parts, &mut |link| {
        exports |= matches!(link, Link::Export { .. });
        visit(link);
    })?;
    let crc = symbols::Crc::Value(0);
    without_crcs(&elf, !exports, &mut |name| visit(Link::Export { name, crc }))?;
    if let Some(modinfo) = parts.modinfo {
        texts(&elf.data(modinfo)?);
    }
    Ok(())
}

/// Two parts of a file that are no further apart than this are read at once, in bytes.
const NEAR: u64 = 4096;

/// The exports of a module without checksums; `none_yet` says that none of another kind were found.
fn without_crcs(elf: &Elf<'_>, none_yet: bool, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    if !none_yet {
        return Ok(());
    }
    // Only modules of Linux itself carry their `struct module`; others without an export table offer all globals.
    if elf.section("__ksymtab_strings").is_some() || elf.section(".gnu.linkonce.this_module").is_some() {
        return symbols::ksymtab_strings(elf, visit);
    }
    symbols::each_global(elf, visit)
}

/// Symbol names are ASCII in practice.
fn text(bytes: &[u8]) -> String {
    crate::text::of_bytes(bytes).into_owned()
}
