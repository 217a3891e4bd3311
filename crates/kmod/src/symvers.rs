//! `Module.symvers`: the exported symbols of a kernel and of modules, with their CRCs (Linux's
//! `Documentation/kbuild/modules.rst`): a line has CRC, symbol, module, kind of export and name space, parted by tabs.

use std::collections::HashMap;
use std::fmt::Write;

/// The kind of an export that any module may use.
pub const EXPORT_SYMBOL: &str = "EXPORT_SYMBOL";

/// Names that stand for the kernel itself in the module column: Linux's own, and that of our hosted kernel.
pub const KERNELS: [&str; 2] = ["vmlinux", "khost"];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// CRC of the prototype; 0 stands for none.
    pub crc: u32,
    /// The symbol.
    pub symbol: String,
    /// The module that exports it, perhaps with its path; the kernel is one of [`KERNELS`].
    pub module: String,
    /// How it was exported, such as [`EXPORT_SYMBOL`].
    pub export: String,
    /// Name space, mostly empty.
    pub namespace: String,
}

impl Entry {
    /// The name of the module without its path; `None` where the kernel itself exports the symbol.
    #[must_use]
    pub fn module_name(&self) -> Option<&str> {
        let name = self.module.rsplit('/').next().unwrap_or(&self.module);
        if KERNELS.contains(&name) { None } else { Some(name) }
    }
}

/// A line that has not the columns of a `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub line: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} is not `CRC<tab>symbol<tab>module<tab>export`: `{}`", self.number, self.line.escape_debug())
    }
}

impl std::error::Error for BadLine {}

/// The lines of one or several files, by symbol. Where a symbol stands twice, the later line counts.
#[derive(Clone, Debug, Default)]
pub struct Symvers {
    entries: HashMap<String, Entry>,
}

impl Symvers {
    /// Adds the lines of a file. Empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// [`BadLine`] for the first line that cannot be read; those before it are added.
    pub fn add(&mut self, text: &str) -> Result<(), BadLine> {
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = parse(line).ok_or_else(|| BadLine { number: index.saturating_add(1), line: line.to_owned() })?;
            self.entries.insert(entry.symbol.clone(), entry);
        }
        Ok(())
    }

    /// The line of a symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&Entry> {
        self.entries.get(symbol)
    }

    /// Whether there is no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Reads one line. The last column may be absent, as in files of Linux before 5.4.
fn parse(line: &str) -> Option<Entry> {
    let mut columns = line.split('\t');
    let crc = u32::from_str_radix(columns.next()?.strip_prefix("0x")?, 16).ok()?;
    let mut word = || columns.next().map(str::to_owned);
    let (symbol, module) = (word()?, word()?);
    if symbol.is_empty() || module.is_empty() {
        return None;
    }
    let export = word().unwrap_or_else(|| EXPORT_SYMBOL.to_owned());
    Some(Entry { crc, symbol, module, export, namespace: word().unwrap_or_default() })
}

/// The symbols of Linux itself (`vmlinux`) with their CRCs, as depmod wants them: words parted by any blanks, lines that make no sense
/// passed over, a CRC that is no number unknown.
pub(crate) fn of_vmlinux(text: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (Some(crc), Some(symbol), Some("vmlinux")) = (words.next(), words.next(), words.next()) else { return None };
        Some((symbol, crc.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok())))
    })
}

/// Writes lines.
#[must_use]
pub fn write(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { crc, symbol, module, export, namespace } in entries {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "0x{crc:08x}\t{symbol}\t{module}\t{export}\t{namespace}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Symvers, write};

    const TEXT: &str = "0x5c3b5b3c\tprintk\tkhost\tEXPORT_SYMBOL\t\n0x00000001\tfat_read\tfs/fat/fat\tEXPORT_SYMBOL_GPL\n";

    #[test]
    fn lines_are_read_and_written() {
        let mut symvers = Symvers::default();
        symvers.add(TEXT).unwrap();
        let printk = symvers.get("printk").unwrap();
        assert_eq!((printk.crc, printk.module_name()), (0x5c3b_5b3c, None));
        let fat = symvers.get("fat_read").unwrap();
        assert_eq!((fat.module_name(), fat.export.as_str()), (Some("fat"), "EXPORT_SYMBOL_GPL"));
        assert_eq!(write(std::slice::from_ref(printk)), TEXT.lines().next().unwrap().to_owned() + "\n");
        assert!(symvers.get("nothing").is_none());
    }

    #[test]
    fn a_later_line_counts_and_a_bad_one_is_named() {
        let mut symvers = Symvers::default();
        symvers.add("0x1\ta\tkhost\tEXPORT_SYMBOL\t\n\n# note\n").unwrap();
        symvers.add("0x2\ta\tb\tEXPORT_SYMBOL\t\n").unwrap();
        assert_eq!(symvers.get("a").map(|entry| entry.crc), Some(2));
        for bad in ["12\ta\tb\tc\n", "0xzz\ta\tb\tc\n", "0x1\ta\n", "0x1\t\tb\tc\n"] {
            assert_eq!(symvers.add(bad).unwrap_err().number, 1, "{bad:?}");
        }
    }

    #[test]
    fn mutated_files_never_panic() {
        let (mut read, mut refused, mut state) = (0, 0, 0x9e37_79b9_7f4a_7c15_u64);
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let mut bytes = TEXT.as_bytes().to_vec();
            let [at, to, length, ..] = state.to_le_bytes().map(usize::from);
            bytes[at % TEXT.len()] = b"\n\t #x\0g9"[to % 8];
            bytes.truncate(TEXT.len() - length % 24);
            match Symvers::default().add(&String::from_utf8_lossy(&bytes)) {
                Ok(()) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
    }
}
