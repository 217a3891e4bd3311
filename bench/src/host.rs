//! The host's side: what `host.c` exports, as every loader's resolver sees it.

use std::ffi::{CStr, c_char, c_ulong, c_void};
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

/// An entry of `host_table` in `host.c`.
#[repr(C)]
struct Entry {
    name: *const c_char,
    address: *const c_void,
}

// SAFETY: `host.c` defines both; the table has `host_table_length` entries, is constant, and its names are literals.
unsafe extern "C" {
    static host_table: Entry;
    static host_table_length: c_ulong;
}

/// Every name that the host exports, with its address.
pub(crate) fn symbols() -> &'static [(&'static CStr, u64)] {
    static SYMBOLS: OnceLock<Vec<(&CStr, u64)>> = OnceLock::new();
    SYMBOLS.get_or_init(|| {
        // SAFETY: a constant of the host.
        let length = unsafe { host_table_length };
        let first = &raw const host_table;
        // SAFETY: the table has that many entries, and nothing writes them.
        let entries = unsafe { std::slice::from_raw_parts(first, usize::try_from(length).unwrap_or_default()) };
        let named = |entry: &Entry| {
            // SAFETY: the name is a string literal of the host.
            let name = unsafe { CStr::from_ptr(entry.name) };
            (name, entry.address.addr() as u64)
        };
        entries.iter().map(named).collect()
    })
}

/// The address of `name` in the host, looked up in a hash table that is built once.
pub(crate) fn resolve(name: &str) -> Option<u64> {
    static TABLE: OnceLock<FxHashMap<&[u8], u64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| symbols().iter().map(|(name, address)| (name.to_bytes(), *address)).collect());
    table.get(name.as_bytes()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_256_functions_and_64_variables() {
        assert_eq!(symbols().len(), 320);
        assert!(resolve("host_fn_ff").is_some() && resolve("host_var_3f").is_some());
        assert_eq!(resolve("host_var_40"), None);
    }
}
