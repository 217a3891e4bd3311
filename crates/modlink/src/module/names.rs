//! Which symbol of the kernel or of which module serves each import.

use alloc::{string::String, vec::Vec};
use hashbrown::HashMap;

use super::{Checksums, SymbolName};
use crate::WrongVersion;

/// An entry of `get_kernel_syms(2)`: a symbol, or, if its name starts with `#`, the mark of the module whose symbols
/// follow; `#` alone marks the kernel. The newest module comes first, the kernel last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSymbol<'a> {
    /// The name, with a checksum if the kernel's symbols carry them.
    pub name: &'a str,
    /// The symbol's address, or the number by which the kernel knows the marked module.
    pub value: u64,
}

/// Who defines a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider<'a> {
    /// The module's name; empty for the kernel.
    pub name: &'a str,
    /// The number by which the kernel knows the module.
    pub value: u64,
}

/// A module that a new one takes symbols from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The module's name.
    pub name: String,
    /// The number by which the kernel knows the module.
    pub value: u64,
}

/// What a kernel offers to a new module.
pub trait KernelSymbols {
    /// Whether the kernel's own symbols carry checksums.
    fn checksums(&self) -> Checksums;

    /// Offers candidates for what is wanted, the best first: the newest module's symbols before older ones', the
    /// kernel's last. A list offers everything; an index may offer only what [`Wanted::names`] asks for.
    fn offer(&self, wanted: &mut Wanted<'_>);
}

/// The symbol by which a kernel or a module says that names carry checksums.
pub(super) const USING_VERSIONS: &str = "Using_Versions";

impl KernelSymbols for [KernelSymbol<'_>] {
    /// With, if the first symbol behind the kernel's mark is `Using_Versions` (a.out kernels put `_` in front).
    fn checksums(&self) -> Checksums {
        let kernel = self.iter().rposition(|symbol| symbol.name == "#");
        let first = kernel.and_then(|mark| self.get(mark.checked_add(1)?)).or(self.first());
        match first.map(|symbol| symbol.name.strip_prefix('_').unwrap_or(symbol.name)) {
            Some(USING_VERSIONS) => Checksums::With,
            _ => Checksums::Without,
        }
    }

    fn offer(&self, wanted: &mut Wanted<'_>) {
        let mut provider = Provider { name: "", value: 0 };
        for symbol in self {
            match symbol.name.strip_prefix('#') {
                Some(name) => provider = Provider { name, value: symbol.value },
                None => wanted.offer(symbol.name, symbol.value, provider),
            }
        }
    }
}

/// The imports of a module, while they are looked for.
#[derive(Debug)]
pub struct Wanted<'a> {
    kernel: Checksums,
    module: Checksums,
    imports: Vec<Import<'a>>,
    /// The last import of each name; [`Import::next`] leads to the others.
    by_name: HashMap<&'a str, usize>,
    references: Vec<Reference>,
}

#[derive(Debug)]
struct Import<'a> {
    name: SymbolName<'a>,
    found: Option<u64>,
    /// A candidate of the same name whose checksum differs.
    wrong: Option<WrongVersion>,
    next: Option<usize>,
}

impl<'a> Wanted<'a> {
    /// Imports of a module for a kernel, each with the checksum that the module was compiled with.
    pub(super) fn new(kernel: Checksums, module: Checksums, names: impl IntoIterator<Item = SymbolName<'a>>) -> Self {
        let mut wanted = Self { kernel, module, imports: Vec::new(), by_name: HashMap::new(), references: Vec::new() };
        for name in names {
            let next = wanted.by_name.insert(name.bare, wanted.imports.len());
            wanted.imports.push(Import { name, found: None, wrong: None, next });
        }
        wanted
    }

    /// The names that are still wanted, without checksums.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.imports.iter().filter(|import| import.found.is_none()).map(|import| import.name.bare)
    }

    /// Offers the symbol `name`, which may carry a checksum. The first match counts.
    pub fn offer(&mut self, name: &str, value: u64, provider: Provider<'_>) {
        let offered = SymbolName::parse(name);
        let mut at = self.by_name.get(offered.bare).copied();
        while let Some(import) = at.and_then(|at| self.imports.get_mut(at)) {
            at = import.next;
            if import.found.is_some() {
                continue;
            }
            if !fits(self.kernel, self.module, import.name, offered) {
                import.wrong.get_or_insert_with(|| WrongVersion {
                    symbol: import.name.bare.into(),
                    wanted: import.name.crc,
                    found: offered.crc,
                    provider: provider.name.into(),
                });
                continue;
            }
            import.found = Some(value);
            let known = self.references.iter().any(|reference| reference.name == provider.name);
            if !provider.name.is_empty() && !known {
                self.references.push(Reference { name: provider.name.into(), value: provider.value });
            }
        }
    }

    /// The value of each import in its order, and the modules that supplied one at least.
    pub(super) fn finish(self) -> (Vec<Option<u64>>, Vec<WrongVersion>, Vec<Reference>) {
        let missing = self.imports.iter().filter(|import| import.found.is_none());
        let wrong = missing.filter_map(|import| import.wrong.clone()).collect();
        (self.imports.iter().map(|import| import.found).collect(), wrong, self.references)
    }
}

/// The table of Linux 2.0's insmod: which checksums are compared. The bare names are the same already.
fn fits(kernel: Checksums, module: Checksums, wanted: SymbolName<'_>, offered: SymbolName<'_>) -> bool {
    match (kernel, module) {
        (Checksums::Without, Checksums::Without) | (Checksums::With, Checksums::With) => wanted.crc == offered.crc,
        (Checksums::Without, Checksums::With) => offered.crc.is_none(),
        (Checksums::With, Checksums::Without) => wanted.crc.is_none(),
    }
}
