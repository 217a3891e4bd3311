//! Symbol names that carry a checksum: `name_R` and eight hexadecimal digits (genksyms, `<linux/modversions.h>`).

use core::fmt;

/// Whether the names of a kernel's or a module's symbols carry checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// They are plain.
    Without,
    /// They do (`CONFIG_MODVERSIONS`).
    With,
}

/// The name of a symbol, apart from its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SymbolName<'a> {
    /// The name itself.
    pub bare: &'a str,
    /// The checksum, if the name carries one.
    pub crc: Option<u32>,
}

impl<'a> SymbolName<'a> {
    /// Takes a name apart. Only lower-case digits make a checksum, as genksyms prints them, so that putting the two
    /// together again gives the same name.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        Self::split(name).unwrap_or(Self { bare: name, crc: None })
    }

    fn split(name: &'a str) -> Option<Self> {
        let at = name.len().checked_sub(10)?;
        let (bare, suffix) = name.split_at_checked(at)?;
        let digits = suffix.strip_prefix("_R")?;
        let hexadecimal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let crc = u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)?;
        Some(Self { bare, crc: Some(crc) })
    }
}

impl fmt::Display for SymbolName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.crc {
            Some(crc) => write!(f, "{}_R{crc:08x}", self.bare),
            None => f.write_str(self.bare),
        }
    }
}
