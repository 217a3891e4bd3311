//! `/proc/modules`: today's columns, which Linux and the hosted kernel share (`m_show` of Linux's `kernel/module/procfs.c`).
//!
//! ```text
//! name size refcnt holder,holder, Live 0x0000000000000000 (flags)
//! ```
//! `-` stands for no holders, and for a count that the kernel does not keep.

use crate::kernel::Loaded;

/// A line that has not the columns of `/proc/modules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub line: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} of the module list makes no sense: `{}`", self.number, self.line.escape_debug())
    }
}

impl std::error::Error for BadLine {}

/// Reads the whole text, in its order: newest module first.
///
/// # Errors
/// [`BadLine`] for the first line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Loaded>, BadLine> {
    let number_lines = text.lines().enumerate();
    number_lines
        .map(|(index, line)| parse_line(line).ok_or_else(|| BadLine { number: index.saturating_add(1), line: line.to_owned() }))
        .collect()
}

/// Reads one line.
fn parse_line(line: &str) -> Option<Loaded> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?.to_owned();
    let size = words.next()?.parse().ok()?;
    let refcnt = match words.next()? {
        "-" => None,
        count => Some(count.parse().ok()?),
    };
    let column = words.next()?.split(',').filter(|name| !name.is_empty() && *name != "-");
    // Linux lists `[permanent]` among the holders of a module without an exit routine.
    let (marks, holders): (Vec<&str>, Vec<&str>) = column.partition(|name| name.starts_with('['));
    let holders = holders.into_iter().map(str::to_owned).collect();
    let state = words.next().unwrap_or("Live").to_owned();
    let flags = words.nth(1).and_then(|flags| flags.strip_prefix('(')?.strip_suffix(')'));
    let flags = marks.iter().map(|mark| mark.trim_matches(['[', ']'])).chain(flags).collect::<Vec<_>>().join(",");
    Some(Loaded { name, size, refcnt, holders, state, flags })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_columns_of_linux_are_read() {
        let text = "vfat 24576 1 - Live 0xffffffffc0a1b000\n\
                    fat 98304 2 vfat,msdos, Live 0x0000000000000000 (OE)\n\
                    ppp 8192 0 - Loading 0x0 (autoclean)\n\
                    old 4096 - - Live 0x0\n\
                    stay 4096 1 [permanent], Live 0x0 (O)\n";
        let modules = parse(text).unwrap();
        assert_eq!(modules.len(), 5);
        assert_eq!((modules[4].holders.len(), modules[4].flags.as_str()), (0, "permanent,O"));
        assert_eq!((modules[0].name.as_str(), modules[0].size, modules[0].refcnt), ("vfat", 24576, Some(1)));
        assert!(modules[0].holders.is_empty() && modules[0].flags.is_empty());
        assert_eq!(modules[1].holders, ["vfat", "msdos"]);
        assert_eq!((modules[1].flags.as_str(), modules[2].flags.as_str()), ("OE", "autoclean"));
        assert_eq!((modules[2].state.as_str(), modules[3].refcnt), ("Loading", None));
    }

    #[test]
    fn a_senseless_line_is_named() {
        let error = parse("fat 1 0 - Live 0x0\nvfat many 0 - Live 0x0\n").unwrap_err();
        assert_eq!((error.number, error.line.as_str()), (2, "vfat many 0 - Live 0x0"));
        assert!(parse("fat 1\n").is_err() && parse("\n").is_err());
    }

    #[test]
    fn mutated_lists_never_panic() {
        let seed = b"vfat 24576 1 - Live 0xffffffffc0a1b000\nfat 98304 2 vfat,msdos, Live 0x0 (OE)\n";
        let (mut read, mut refused, mut state) = (0, 0, 0x2545_f491_4f6c_dd1d_u64);
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let mut bytes = seed.to_vec();
            let [at, to, length, ..] = state.to_le_bytes().map(usize::from);
            bytes[at % seed.len()] = b"\n ,-(\0x9["[to % 9];
            bytes.truncate(seed.len() - length % 16);
            match parse(&String::from_utf8_lossy(&bytes)) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
    }
}
