//! The order of a load: every check first, then memory, then the image.

use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;

use super::{
    Checksums, Export, Force, KernelSymbols, ModInfo, Reference, SymbolName, Versions, Wanted, Warning, exports::Exported,
    names::USING_VERSIONS, parameters::Assignments, release,
};
use crate::{Addr, Error, Image, Layout, LayoutOptions, Object, Part, Result, SymbolIndex, UseCount};

/// Whether a module gives symbols to others (insmod `-x` and `-X`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exports {
    /// Those that it lists, or all of its globals.
    #[default]
    Offered,
    /// None.
    None,
}

/// What a load depends on beside the object and the kernel's symbols.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The kernel's release (`uname -r`).
    pub release: &'a str,
    /// Whether a difference of releases stops the load.
    pub force: Force,
    /// Whether the module gives symbols.
    pub exports: Exports,
    /// `name=value[,value...]` each.
    pub parameters: &'a [&'a str],
    /// Page size and the like. The use count is always reserved, and `reserve` is the prepared module's own.
    pub layout: LayoutOptions,
}

/// A module that has passed every check and needs memory next.
pub struct Prepared<'o> {
    layout: Layout<'o>,
    values: Vec<Option<u64>>,
    references: Vec<Reference>,
    warnings: Vec<Warning>,
    exported: Exported<'o>,
    assignments: Assignments,
    init: SymbolIndex,
    cleanup: SymbolIndex,
    checksums: Checksums,
}

/// A module whose image is written.
#[derive(Debug)]
pub struct Linked<'p> {
    /// Where its start is.
    pub init: Addr,
    /// Where its end is.
    pub cleanup: Addr,
    /// Where its use count is: 8 bytes, zero.
    pub use_count: Addr,
    /// What it gives to others.
    pub exports: Vec<Export<'p>>,
    /// The modules that it takes symbols from.
    pub references: &'p [Reference],
    /// Where everything in it is.
    pub image: Image<'p>,
}

/// The start of a module.
const INIT: &str = "init_module";

/// The end of a module.
const CLEANUP: &str = "cleanup_module";

/// Checks everything about a module that can be checked before it has memory, in the order of insmod: releases, start
/// and end, parameters, symbols.
///
/// # Errors
///
/// [`Error::VersionMismatch`], [`Error::MissingRoutine`], [`Error::Undefined`],
/// [`Error::WrongVersions`], those of parameters, and those of [`Object::layout`].
pub fn prepare<'o>(object: &'o Object<'o>, options: &Options<'_>, kernel: &(impl KernelSymbols + ?Sized)) -> Result<Prepared<'o>> {
    let info = ModInfo::of(object);
    let versions = Versions::of(object)?;
    let checksums = checksums(object, info, &versions);
    let compiled_for = release::compiled_for(object, info);
    let warning = release::check(compiled_for, options.release, options.force, [kernel.checksums(), checksums])?;
    let (init, cleanup) = (routine(object, INIT)?, routine(object, CLEANUP)?);
    let assignments = Assignments::parse(object, info, options.parameters, checksums)?;
    let layout = object.layout(&LayoutOptions { use_count: UseCount::Reserve, reserve: assignments.reserve(), ..options.layout })?;
    in_text(&layout, init, INIT)?;
    in_text(&layout, cleanup, CLEANUP)?;
    let exported = match options.exports {
        Exports::Offered => Exported::of(object, checksums)?,
        Exports::None => Exported::none(),
    };
    let (values, references) = bind(&layout, options, kernel, checksums, &versions)?;
    Ok(Prepared { layout, values, references, warnings: warning.into_iter().collect(), exported, assignments, init, cleanup, checksums })
}

/// Whether a module's symbols carry checksums: it says so, or has a table of them.
fn checksums(object: &Object<'_>, info: ModInfo<'_>, versions: &Versions<'_>) -> Checksums {
    let says = info.get("using_checksums") == Some("1");
    if says || !versions.is_empty() || object.find(USING_VERSIONS).is_some() { Checksums::With } else { Checksums::Without }
}

fn routine(object: &Object<'_>, name: &'static str) -> Result<SymbolIndex> {
    object.find(name).map(|symbol| symbol.index).ok_or(Error::MissingRoutine { name })
}

/// A start may be in memory that is freed after it; an end may not.
fn in_text(layout: &Layout<'_>, symbol: SymbolIndex, name: &'static str) -> Result<()> {
    let part = layout.offset_of(symbol).and_then(|offset| layout.parts().at(offset));
    match part {
        Some(Part::Text) => Ok(()),
        Some(Part::InitText) if name == INIT => Ok(()),
        _ => Err(Error::RoutineNotCode { name }),
    }
}

fn bind(
    layout: &Layout<'_>,
    options: &Options<'_>,
    kernel: &(impl KernelSymbols + ?Sized),
    checksums: Checksums,
    versions: &Versions<'_>,
) -> Result<(Vec<Option<u64>>, Vec<Reference>)> {
    let crcs: HashMap<&str, u32> = versions.iter().collect();
    let mut wanted = Wanted::new(kernel.checksums(), checksums, layout.imports().map(|import| effective(import.name, &crcs)));
    kernel.offer(&mut wanted);
    let (values, wrong, references) = wanted.finish();
    let missing = layout.imports().zip(&values).filter(|(import, value)| value.is_none() && !import.weak);
    let missing: Vec<&str> = missing.map(|(import, _)| SymbolName::parse(import.name).bare).collect();
    let undefined = missing.iter().filter(|name| !wrong.iter().any(|wrong| wrong.symbol == **name));
    let undefined: Vec<_> = undefined.map(|&name| name.into()).collect();
    let wrong: Vec<_> = wrong.into_iter().filter(|wrong| missing.contains(&wrong.symbol.as_str())).collect();
    match (undefined.is_empty(), wrong.is_empty()) {
        (false, _) => Err(Error::Undefined { symbols: undefined }),
        (true, false) => Err(Error::WrongVersions { kernel: options.release.into(), symbols: wrong }),
        (true, true) => Ok((values, references)),
    }
}

/// The name of an import with its checksum, from the name itself or from the table.
fn effective<'a>(name: &'a str, crcs: &HashMap<&str, u32>) -> SymbolName<'a> {
    match SymbolName::parse(name) {
        SymbolName { bare, crc: None } => SymbolName { bare, crc: crcs.get(name).copied() },
        parsed => parsed,
    }
}

impl<'o> Prepared<'o> {
    /// The plan of the image: its parts and size.
    #[must_use]
    pub fn layout(&self) -> &Layout<'o> {
        &self.layout
    }

    /// What should be said about the load.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The modules that supply at least one symbol, in the order in which they were met: newest first.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Whether the names of the module's symbols carry checksums.
    #[must_use]
    pub fn checksums(&self) -> Checksums {
        self.checksums
    }

    /// Writes the image for `base` into `out`, which has the layout's size, and sets the parameters in it.
    ///
    /// # Errors
    ///
    /// Those of [`Layout::link`].
    pub fn link<'p>(&'p self, base: Addr, out: &mut [u8]) -> Result<Linked<'p>> {
        let mut values = self.values.iter().copied();
        let image = self.layout.link(base, |_| values.next().flatten().map(Addr), out)?;
        let size = Error::WrongBuffer { expected: self.layout.size(), found: out.len() as u64 };
        self.assignments.apply(&self.layout, base, out).ok_or(size)?;
        let addr = |symbol, name| image.addr(symbol).ok_or(Error::MissingRoutine { name });
        Ok(Linked {
            init: addr(self.init, INIT)?,
            cleanup: addr(self.cleanup, CLEANUP)?,
            use_count: base.offset(self.layout.parts().data.start),
            exports: self.exported.place(&self.layout, base),
            references: &self.references,
            image,
        })
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("parts", self.layout.parts()).field("references", &self.references).finish_non_exhaustive()
    }
}
