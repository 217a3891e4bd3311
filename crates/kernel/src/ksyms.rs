//! What is visible of symbols: `get_kernel_syms(2)`, `/proc/ksyms`, tables that modules register themselves.

use uapi::{KernelSym, check_symbol_name};

use crate::error::{Error, TableError};
use crate::kernel::Kernel;
use crate::list::ModuleList;
use crate::log::Level;
use crate::module::State;

/// Most symbols that one table may have.
pub(crate) const MAX_SYMBOLS: usize = 1 << 20;

/// A table of exports: in the order in which it was given, and by name.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    symbols: Vec<KernelSym>,
    by_name: modlink::NameIndex<u32>,
}

impl Exports {
    /// The table of these symbols. Of two with one name the first counts; a versioned name can also be found without its checksum,
    /// where no symbol has just that name.
    pub(crate) fn new(symbols: Vec<KernelSym>) -> Self {
        let bytes = symbols.iter().map(|symbol| symbol.name.len()).fold(0, usize::saturating_add);
        let mut by_name = modlink::NameIndex::with_capacity(symbols.len(), bytes);
        // The index finds the newest entry of a name: the best comes last.
        let bare = symbols.iter().zip(0_u32..).filter_map(|(symbol, at)| Some((without_checksum(&symbol.name)?, at)));
        let exact = symbols.iter().zip(0_u32..).map(|(symbol, at)| (symbol.name.as_str(), at));
        let (bare, exact): (Vec<_>, Vec<_>) = (bare.collect(), exact.collect());
        for (name, at) in bare.into_iter().rev().chain(exact.into_iter().rev()) {
            // No table gets here with 4 GiB of names: one that crosses the socket has 64 MiB at most.
            if by_name.insert(name, at).is_err() {
                break;
            }
        }
        Self { symbols, by_name }
    }

    /// The value of a symbol.
    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        let at = usize::try_from(*self.by_name.find(name)?).ok()?;
        self.symbols.get(at).map(|symbol| symbol.value)
    }
}

impl std::ops::Deref for Exports {
    type Target = [KernelSym];

    fn deref(&self) -> &[KernelSym] {
        &self.symbols
    }
}

/// A versioned name without its `_R` and eight characters.
fn without_checksum(name: &str) -> Option<&str> {
    let at = name.len().checked_sub(10)?;
    let (plain, suffix) = name.split_at_checked(at)?;
    suffix.starts_with("_R").then_some(plain)
}

/// The symbols of all running modules, newest first, and of the kernel, each table opened by its `#name` marker.
pub(crate) fn kernel_syms(list: &ModuleList) -> Vec<KernelSym> {
    let mut all = Vec::new();
    let mut add = |id: u64, name: &str, symbols: &[KernelSym]| {
        all.push(KernelSym { value: id, name: format!("#{name}") });
        all.extend_from_slice(symbols);
    };
    for module in list.newest_first().filter(|module| module.state == State::Running) {
        add(module.id.0, module.name.as_str(), &module.symbols);
    }
    for table in list.tables() {
        add(table.id.0, "", &table.symbols);
    }
    all
}

/// Checks the symbols of a table that comes from outside.
///
/// # Errors
/// [`TableError`] names the first that cannot be shown.
pub(crate) fn check_symbols(symbols: &[KernelSym]) -> Result<(), TableError> {
    for (index, symbol) in symbols.iter().enumerate() {
        check_symbol_name(&symbol.name).map_err(|error| TableError::Symbol { index, error })?;
    }
    Ok(())
}

impl Kernel {
    /// The symbols that modules can be linked against (`get_kernel_syms(2)`): newest module first, the kernel last, each table
    /// opened by its `#name` marker.
    #[must_use]
    pub fn kernel_syms(&self) -> Vec<KernelSym> {
        kernel_syms(&self.list())
    }

    /// The address of a symbol (`get_module_symbol` of Linux 2.0): of one module, of the kernel (`Some("")`), or of all running
    /// modules newest first and then the kernel (`None`). Checksum suffixes of versioned names may be left out.
    #[must_use]
    pub fn get_module_symbol(&self, module: Option<&str>, symbol: &str) -> Option<u64> {
        self.list().symbol(module, symbol)
    }

    /// Replaces the table of exports that insmod built (`register_symtab` of Linux 2.0); `None` exports nothing. The caller is
    /// known by the address of its `mod_use_count_`; with 0 it is the embedder, whose table is added to the kernel's own.
    ///
    /// # Errors
    /// [`Error::NoModuleAt`] for an address that is no module's use count; [`Error::Table`] for names that cannot be shown.
    pub fn register_symtab(&self, use_count: u64, table: Option<Vec<KernelSym>>) -> Result<(), Error> {
        self.reported(Level::Warning, "register_symtab", self.try_register_symtab(use_count, table.unwrap_or_default()))
    }

    /// The work of [`register_symtab`](Self::register_symtab).
    fn try_register_symtab(&self, use_count: u64, symbols: Vec<KernelSym>) -> Result<(), Error> {
        let checked = check_symbols(&symbols);
        let mut list = self.list();
        if use_count == 0 {
            let kernel = uapi::ModuleName::new("kernel").map_err(|error| Error::ModuleName { name: String::new(), error })?;
            checked.map_err(|error| Error::Table { module: kernel, error })?;
            list.add_table(symbols);
            return Ok(());
        }
        let id = list.newest_first().find(|module| module.use_count_address() == use_count).map(|module| module.id);
        let module = id.and_then(|id| list.get_mut(id)).ok_or(Error::NoModuleAt { address: use_count })?;
        checked.map_err(|error| Error::Table { module: module.name.clone(), error })?;
        if !matches!(module.state, State::Initializing | State::Running) {
            return Err(Error::State { module: module.name.clone(), state: module.state });
        }
        module.symbols = Exports::new(symbols);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Exports, without_checksum};
    use proptest::prelude::*;
    use uapi::KernelSym;

    /// The look-up as Linux 2.0 did it: along the table.
    fn along(symbols: &[KernelSym], name: &str) -> Option<u64> {
        let exact = symbols.iter().find(|each| each.name == name);
        exact.or_else(|| symbols.iter().find(|each| without_checksum(&each.name) == Some(name))).map(|each| each.value)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_along_the_table_finds(
            names in prop::collection::vec("[ab]{1,2}(_R0000000[01])?", 0..12),
            wanted in "[ab]{1,2}(_R0000000[01])?",
        ) {
            let symbols: Vec<KernelSym> = names.into_iter().zip(1..).map(|(name, value)| KernelSym { value, name }).collect();
            let table = Exports::new(symbols.clone());
            prop_assert_eq!(table.find(&wanted), along(&symbols, &wanted));
            prop_assert_eq!(&table[..], &symbols[..]);
        }
    }
}
