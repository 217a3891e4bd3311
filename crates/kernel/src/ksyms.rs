//! What is visible of symbols: `get_kernel_syms(2)`, `/proc/ksyms`, tables that modules register themselves.

use uapi::{KernelSym, check_symbol_name};

use crate::error::{Error, TableError};
use crate::kernel::Kernel;
use crate::list::ModuleList;
use crate::log::Level;
use crate::module::State;

/// Most symbols that one table may have.
pub(crate) const MAX_SYMBOLS: usize = 1 << 20;

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
        module.symbols = symbols;
        Ok(())
    }
}
