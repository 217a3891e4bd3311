//! `modules.builtin` (paths of what would be modules if they were not built in) and `modules.builtin.modinfo` (their `.modinfo` texts,
//! each with the module's name and a dot before it). The kernel build writes both; depmod makes `.bin` indexes of them.

use crate::file::Modinfo;
use crate::text;

/// The module names in `modules.builtin`.
pub fn parse(lines: &str) -> impl Iterator<Item = String> {
    lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(crate::name::from_path)
}

/// One module of `modules.builtin.modinfo`.
#[derive(Debug, Clone)]
pub struct BuiltinInfo {
    /// Its name.
    pub module: String,
    /// Its texts.
    pub modinfo: Modinfo,
}

/// The modules of `modules.builtin.modinfo`, in the order of the file: a module ends where the next name begins.
#[must_use]
pub fn parse_modinfo(bytes: &[u8]) -> Vec<BuiltinInfo> {
    let texts = bytes.split(|&b| b == 0).filter_map(|entry| {
        let dot = entry.iter().position(|&b| b == b'.')?;
        let (name, field) = (entry.get(..dot)?, entry.get(dot + 1..)?);
        Some((text::of_bytes(name).into_owned(), field))
    });
    let mut modules: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, field) in texts {
        match modules.last_mut() {
            Some((last, _)) if *last == name => {}
            _ => modules.push((name, Vec::new())),
        }
        if let Some((_, fields)) = modules.last_mut() {
            fields.extend_from_slice(field);
            fields.push(0);
        }
    }
    modules.into_iter().map(|(module, fields)| BuiltinInfo { module, modinfo: Modinfo::new(fields) }).collect()
}
