//! The symbols that a module gives to modules loaded after it.

use alloc::{borrow::Cow, string::ToString, vec::Vec};
use core::str;

use ::object::{LittleEndian as LE, elf};
use hashbrown::{HashMap, HashSet};

use super::{Checksums, SymbolName};
use crate::{Addr, Error, Layout, Object, Part, Result, SymbolIndex, SymbolPlace, Visibility, addr::index, object::Class};

/// A symbol of a module that others may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export<'o> {
    /// Its name, with its checksum if the module carries them.
    pub name: Cow<'o, str>,
    /// Where it runs.
    pub addr: Addr,
    /// The checksum of its prototype, if the module has one.
    pub crc: Option<u32>,
}

/// Names that are never exported: they mean something to the loader only.
const OWN: [&str; 6] = ["init_module", "cleanup_module", "kernel_version", "mod_use_count_", "Using_Versions", "__this_module"];

/// The prefix of the absolute symbol whose value is an export's checksum (Linux `EXPORT_SYMBOL`).
const CRC: &str = "__crc_";

/// The section with the names that a module exports, each ending in NUL (Linux `EXPORT_SYMBOL`).
const NAMES: &str = "__ksymtab_strings";

/// The exported symbols of a module, with the names under which others find them.
pub(super) struct Exported<'o>(Vec<(Cow<'o, str>, SymbolIndex, Option<u32>)>);

impl<'o> Exported<'o> {
    /// What a module with an export list lists, or else every global definition.
    pub(super) fn of(object: &'o Object<'_>, checksums: Checksums) -> Result<Self> {
        let symbols = match object.section(NAMES) {
            Some(names) => listed(object, names)?,
            None => globals(object),
        };
        let crcs = crcs(object);
        let named = |(name, symbol): (&'o str, SymbolIndex)| {
            let crc = crcs.get(name).copied();
            let name = match (checksums, crc) {
                (Checksums::With, Some(_)) => Cow::Owned(SymbolName { bare: name, crc }.to_string()),
                _ => Cow::Borrowed(name),
            };
            (name, symbol, crc)
        };
        Ok(Self(symbols.into_iter().map(named).collect()))
    }

    /// Nothing.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// With the addresses of an image at `base`. What the start part defines is left out: it is freed.
    pub(super) fn place(&self, layout: &Layout<'_>, base: Addr) -> Vec<Export<'o>> {
        let place = |(name, symbol, crc): &(Cow<'o, str>, SymbolIndex, Option<u32>)| {
            let (name, crc) = (name.clone(), *crc);
            let view = layout.object().symbol(*symbol)?;
            let addr = match (view.place, layout.offset_of(*symbol)) {
                (SymbolPlace::Absolute, _) => Addr(view.value),
                (_, Some(offset)) => match layout.parts().at(offset) {
                    Some(Part::InitText | Part::InitData) => return None,
                    _ => base.offset(offset),
                },
                (_, None) => return None,
            };
            Some(Export { name, addr, crc })
        };
        self.0.iter().filter_map(place).collect()
    }
}

fn listed<'o>(object: &'o Object<'_>, names: &'o [u8]) -> Result<Vec<(&'o str, SymbolIndex)>> {
    let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let mut wanted: HashSet<&str> = HashSet::new();
    let mut order = Vec::new();
    for name in names.filter_map(|name| str::from_utf8(name).ok()) {
        if wanted.insert(name) {
            order.push(name);
        }
    }
    let mut found: HashMap<&str, SymbolIndex> = HashMap::with_capacity(order.len());
    for symbol in object.symbols().filter(|symbol| symbol.is_defined() && wanted.contains(symbol.name)) {
        // Globals come after locals, and win.
        found.insert(symbol.name, symbol.index);
    }
    let find = |name: &'o str| match found.get(name) {
        Some(&symbol) => Ok((name, symbol)),
        None => Err(Error::ExportNotDefined { symbol: name.into() }),
    };
    order.into_iter().map(find).collect()
}

fn globals<'o>(object: &'o Object<'_>) -> Vec<(&'o str, SymbolIndex)> {
    let exported = |symbol: &crate::Symbol<'_>| {
        symbol.is_defined()
            && !symbol.name.is_empty()
            && symbol.visibility != Visibility::Hidden
            && !OWN.contains(&symbol.name)
            && !symbol.name.starts_with(CRC)
            && !is_start_only(object, symbol.place)
    };
    object.globals().filter(exported).map(|symbol| (symbol.name, symbol.index)).collect()
}

fn is_start_only(object: &Object<'_>, place: SymbolPlace) -> bool {
    let SymbolPlace::Section(section) = place else { return false };
    let class = object.sections.get(index(section)).map(|section| section.class);
    matches!(class, Some(Class::InitText | Class::InitData | Class::Unloaded))
}

/// The checksums of exports by name.
fn crcs<'o>(object: &'o Object<'_>) -> HashMap<&'o str, u32> {
    let absolute = |sym: &&crate::object::Sym| sym.st_shndx.get(LE) == elf::SHN_ABS;
    let crc = |sym: &crate::object::Sym| {
        let name = object.strings.get(sym.st_name.get(LE)).strip_prefix(CRC)?;
        Some((name, u32::try_from(sym.st_value.get(LE)).ok()?))
    };
    object.symbols.iter().filter(absolute).filter_map(crc).collect()
}
