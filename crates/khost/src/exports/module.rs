//! What modules ask of the module system itself.

use std::ffi::{c_char, c_int, c_void};

use uapi::{Errno, KernelSym};

use super::layout::{InternalSymbol, SymbolTable};
use super::text;
use crate::host::{Host, current};
use crate::log::Level;

/// Most symbols of a table that is counted up to its end.
const MAX_SYMBOLS: usize = 65_536;

/// `int request_module(const char *name)`
///
/// # Safety
/// `name` is NULL or a string.
pub(super) unsafe extern "C" fn request_module(name: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { text::copy(name) };
    match (current(), name) {
        (Some(host), Some(name)) => host.kernel().request_module(&name),
        _ => -Errno::EINVAL.number(),
    }
}

/// `void *get_module_symbol(const char *module, const char *symbol)`
///
/// # Safety
/// Each argument is NULL or a string.
pub(super) unsafe extern "C" fn get_module_symbol(module: *const c_char, symbol: *const c_char) -> *mut c_void {
    let any = module.is_null();
    // SAFETY: the caller's promise.
    let module = unsafe { text::copy(module) };
    // SAFETY: the caller's promise.
    let symbol = unsafe { text::copy(symbol) };
    let found = match (current(), module, symbol) {
        (Some(host), module, Some(symbol)) if any || module.is_some() => host.kernel().get_module_symbol(module.as_deref(), &symbol),
        _ => None,
    };
    found.and_then(|address| usize::try_from(address).ok()).map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
}

/// `int register_symtab_from(struct symbol_table *table, long *use_count)`
///
/// # Safety
/// `table` is NULL or a table whose count is right, or whose end is marked by a NULL name.
pub(super) unsafe extern "C" fn register_symtab_from(table: *const SymbolTable, use_count: *const c_void) -> c_int {
    let Some(host) = current() else { return -Errno::ENOSYS.number() };
    // 0 would mean the embedder: a module cannot add to the kernel's own table.
    if use_count.is_null() {
        return -Errno::EINVAL.number();
    }
    let symbols = if table.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        let Some(symbols) = (unsafe { symbols(table) }) else { return refuse(host) };
        Some(symbols)
    };
    match host.kernel().register_symtab(u64::try_from(use_count.addr()).unwrap_or(0), symbols) {
        Ok(()) => 0,
        Err(error) => -error.errno().number(),
    }
}

/// Copies the symbols of a table; `None` where a name is none, or there is no end to them.
///
/// # Safety
/// As [`register_symtab_from`], and not NULL.
unsafe fn symbols(table: *const SymbolTable) -> Option<Vec<KernelSym>> {
    // SAFETY: the caller's promise.
    let header = unsafe { table.read() };
    let count = usize::try_from(header.symbols).ok()?;
    let offset = size_of::<SymbolTable>().next_multiple_of(align_of::<InternalSymbol>());
    // SAFETY: the symbols lie behind the header, aligned for themselves, as the C declaration has them.
    let first: *const InternalSymbol = unsafe { table.byte_add(offset) }.cast();
    let mut symbols = Vec::new();
    for number in 0..MAX_SYMBOLS {
        if count != 0 && number >= count {
            return Some(symbols);
        }
        // SAFETY: the count says so, or the end has not been met yet.
        let place = unsafe { first.add(number) };
        // SAFETY: as above.
        let symbol = unsafe { place.read() };
        if symbol.name.is_null() {
            return (count == 0).then_some(symbols);
        }
        // SAFETY: a name in the module's table is a string.
        let name = unsafe { text::copy(symbol.name) }?;
        symbols.push(KernelSym { value: symbol.address, name });
    }
    None
}

fn refuse(host: &Host) -> c_int {
    host.services().log.line(Level::ERR, "register_symtab: rejecting illegal symbol table");
    -Errno::EINVAL.number()
}
