//! The table of Linux 2.0's lsmod: its header, and `/proc/modules` as that kernel printed it.

use kmod::kernel::Loaded;
use uapi::{Client, PAGE_SIZE, ProcFile};

use super::{Trouble, read};
use crate::target::Target;

/// The header line.
const HEADER: &str = "Module:        #pages:  Used by:\n";

/// The table: the hosted kernel's own text, or what Linux 2.0 would have printed of today's list.
pub(super) fn print(target: &Target) -> Result<String, Trouble> {
    let rows = match target {
        Target::Hosted(path) => Client::connect(path)?.read(ProcFile::ModulesClassic)?,
        Target::Linux => read(target)?.iter().map(row).collect(),
    };
    Ok(format!("{HEADER}{rows}"))
}

/// One line, from today's columns: pages instead of bytes, and users without the referrers, which today's count includes.
fn row(module: &Loaded) -> String {
    let pages = module.size.div_ceil(PAGE_SIZE).to_string();
    let width = 20_usize.saturating_sub(module.name.len()).max(pages.len().saturating_add(1));
    let running = module.state == "Live";
    let state = if running { "" } else { "  (uninitialized)" };
    let holders = if module.holders.is_empty() { String::new() } else { format!("[{}]", module.holders.join(" ")) };
    let referrers = u64::try_from(module.holders.len()).unwrap_or(u64::MAX);
    let users = module.refcnt.filter(|_| running).map(|count| format!("\t{}", count.saturating_sub(referrers)));
    format!("{}{pages:>width$}{state}\t{holders}{}\n", module.name, users.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn rows_have_the_columns_of_linux_2_0() {
        let text = "fat 24576 4 msdos,vfat, Live 0x0\nmsdos 20480 1 - Live 0x0\nnew 1 - - Loading 0x0\n";
        let rows: Vec<String> = kmod::proc_modules::parse(text).unwrap().iter().map(row).collect();
        assert_eq!(rows[0], format!("fat{}6\t[msdos vfat]\t2\n", " ".repeat(16)));
        assert_eq!(rows[1], format!("msdos{}5\t\t1\n", " ".repeat(14)));
        assert_eq!(rows[2], format!("new{}1  (uninitialized)\t\n", " ".repeat(16)));
    }
}
