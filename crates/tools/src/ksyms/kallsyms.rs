//! Exported symbols of Linux, from `/proc/kallsyms`: those that have an entry `__ksymtab_NAME` beside them.
//!
//! Linux has had no `get_kernel_syms(2)` since 2.6. `/proc/kallsyms` shows all symbols, oldest module first, with addresses of 0
//! to users who may not see them (`kernel.kptr_restrict`).

use std::collections::HashSet;
use std::fs;
use uapi::KernelSym;

use super::{Owner, Trouble};

/// Where Linux shows its symbols.
const PATH: &str = "/proc/kallsyms";

/// The prefix of the table entry of an exported symbol (`include/linux/export.h`).
const TABLE: &str = "__ksymtab_";

/// The exported symbols of modules, newest first, and then those of the kernel.
pub(super) fn read() -> Result<Vec<Owner>, Trouble> {
    let text = fs::read_to_string(PATH).map_err(|error| format!("cannot read {PATH}: {error}"))?;
    Ok(parse(&text))
}

/// A line: address, type, name, and the module in brackets.
fn columns(line: &str) -> Option<(u64, &str, Option<&str>)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = words.nth(1)?;
    let module = words.next().and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
    Some((address, name, module))
}

/// Picks the exported symbols out of the text. Lines that make no sense are passed over.
fn parse(text: &str) -> Vec<Owner> {
    let exported: HashSet<(&str, Option<&str>)> =
        text.lines().filter_map(columns).filter_map(|(_, name, module)| Some((name.strip_prefix(TABLE)?, module))).collect();
    let mut kernel = Owner { module: None, info: None, pages: None, symbols: Vec::new() };
    let mut modules: Vec<Owner> = Vec::new();
    for (value, name, module) in text.lines().filter_map(columns) {
        if !exported.contains(&(name, module)) {
            continue;
        }
        let symbol = KernelSym { value, name: name.to_owned() };
        match (module, modules.last_mut()) {
            (None, _) => kernel.symbols.push(symbol),
            (Some(module), Some(owner)) if owner.module.as_deref() == Some(module) => owner.symbols.push(symbol),
            (Some(module), _) => modules.push(Owner { module: Some(module.to_owned()), info: None, pages: None, symbols: vec![symbol] }),
        }
    }
    modules.reverse();
    modules.push(kernel);
    modules
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn exported_symbols_are_picked_newest_module_first() {
        let text = "c1 T printk\nc2 r __ksymtab_printk\nc3 t hidden\n\
                    f1 T fat_read\t[fat]\nf2 t fat_local\t[fat]\nf3 r __ksymtab_fat_read\t[fat]\n\
                    v1 junk\nv1 T vfat_x\t[vfat]\na1 T vfat_y\t[vfat]\na2 r __ksymtab_vfat_y\t[vfat]\n";
        let owners = parse(text);
        let seen: Vec<_> = owners.iter().map(|o| (o.module.as_deref(), o.symbols[0].name.as_str(), o.symbols.len())).collect();
        assert_eq!(seen, [(Some("vfat"), "vfat_y", 1), (Some("fat"), "fat_read", 1), (None, "printk", 1)]);
    }
}
