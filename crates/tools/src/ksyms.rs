//! ksyms: the symbols that modules and the kernel export.

mod kallsyms;

use clap::Parser;
use serde::Serialize;
use std::path::Path;
use uapi::kernel_syms::marker;
use uapi::{Client, ClientError, KernelSym, ModuleInfo, PAGE_SIZE, ProcFile, Query, QueryAnswer, Reply, Syscall};

use crate::applet::Run;
use crate::target::{KernelOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  ksyms         # symbols of modules
  ksyms -a      # those of the kernel too
  ksyms -m -h   # with address and size of each module, without the header
  ksyms --json";

/// Show exported symbols
#[derive(Parser)]
#[command(name = "ksyms", version, disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Ksyms {
    #[command(flatten)]
    kernel: KernelOption,
    /// Show the symbols of the kernel as well as those of modules
    #[arg(short, long)]
    all: bool,
    /// Begin each module's symbols with its address and size
    #[arg(short = 'm', long)]
    info: bool,
    /// Print no header
    #[arg(short = 'h', long)]
    noheader: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// The symbols of one module, or of the kernel itself.
struct Owner {
    /// `None`: the kernel.
    module: Option<String>,
    /// Where the module lies, if that was asked for and the kernel tells.
    info: Option<ModuleInfo>,
    /// Pages that it occupies, as the classic module list says.
    pages: Option<u64>,
    symbols: Vec<KernelSym>,
}

/// Whatever kept the symbols from being shown.
type Trouble = Box<dyn std::error::Error>;

impl Run for Ksyms {
    fn run(self, console: &mut Console) -> Outcome {
        match self.text() {
            Ok(text) => console.print(&text),
            Err(error) => {
                console.error(error);
                Err(Failed)
            }
        }
    }
}

impl Ksyms {
    /// All that is printed.
    fn text(&self) -> Result<String, Trouble> {
        let mut owners = match self.kernel.target() {
            Target::Hosted(path) => self.hosted(&path)?,
            Target::Linux => kallsyms::read()?,
        };
        owners.retain(|owner| self.all || owner.module.is_some());
        if self.json { json(&owners) } else { Ok(self.table(&owners)) }
    }

    /// The symbols of a hosted kernel, newest module first.
    fn hosted(&self, path: &Path) -> Result<Vec<Owner>, ClientError> {
        let mut client = Client::connect(path)?;
        let mut owners = group(client.kernel_syms()?);
        if !self.info && !self.json {
            return Ok(owners);
        }
        let list = client.read(ProcFile::ModulesClassic)?;
        for owner in &mut owners {
            if let Some(name) = &owner.module {
                owner.info = info(&mut client, name)?;
                owner.pages = pages(&list, name);
            }
        }
        Ok(owners)
    }

    /// The table of Linux 2.0, with addresses of 16 digits.
    fn table(&self, owners: &[Owner]) -> String {
        let mut text = if self.noheader { String::new() } else { format!("{:<16} Symbol    \tDefined by\n", "Address") };
        for owner in owners {
            let tail = owner.module.as_ref().map(|name| format!("\t[{name}]")).unwrap_or_default();
            if let Some(info) = owner.info.as_ref().filter(|_| self.info) {
                let pages = owner.pages.unwrap_or(info.size.div_ceil(PAGE_SIZE));
                let kilobytes = pages.saturating_mul(PAGE_SIZE / 1024);
                text.push_str(&format!("{:016x} --- ({kilobytes}k) ---{tail}\n", info.address));
            }
            for symbol in &owner.symbols {
                text.push_str(&format!("{:016x} {}{tail}\n", symbol.value, symbol.name));
            }
        }
        text
    }
}

/// Splits the list of `get_kernel_syms(2)` at its `#name` markers.
fn group(list: Vec<KernelSym>) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    for symbol in list {
        match (marker(&symbol.name), owners.last_mut()) {
            (Some(name), _) => {
                let module = Some(name.to_owned()).filter(|name| !name.is_empty());
                owners.push(Owner { module, info: None, pages: None, symbols: Vec::new() });
            }
            (None, Some(owner)) => owner.symbols.push(symbol),
            // Symbols before any marker belong to the kernel.
            (None, None) => owners.push(Owner { module: None, info: None, pages: None, symbols: vec![symbol] }),
        }
    }
    owners
}

/// The pages of a module: the second column of the classic list. Each part of a module has whole pages, so that these may be
/// more than its size tells.
fn pages(list: &str, name: &str) -> Option<u64> {
    let mut rows = list.lines().map(str::split_ascii_whitespace);
    rows.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok()).flatten())
}

/// `QM_INFO` of a module; `None` if it went away meanwhile.
fn info(client: &mut Client, name: &str) -> Result<Option<ModuleInfo>, ClientError> {
    let call = Syscall::QueryModule { name: Some(name.to_owned()), which: Query::Info, buffer: u64::MAX };
    match client.call(&call) {
        Ok(Reply::Query(QueryAnswer::Info(info))) => Ok(Some(info)),
        Ok(_) | Err(ClientError::Errno(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A symbol in `--json`.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    address: u64,
}

/// A module in `--json`; `null` as its name is the kernel.
#[derive(Serialize)]
struct Group<'a> {
    module: Option<&'a str>,
    address: Option<u64>,
    size: Option<u64>,
    symbols: Vec<Row<'a>>,
}

/// An array of modules, each with its symbols.
fn json(owners: &[Owner]) -> Result<String, Trouble> {
    let groups: Vec<Group<'_>> = owners
        .iter()
        .map(|owner| Group {
            module: owner.module.as_deref(),
            address: owner.info.as_ref().map(|info| info.address),
            size: owner.info.as_ref().map(|info| info.size),
            symbols: owner.symbols.iter().map(|symbol| Row { name: &symbol.name, address: symbol.value }).collect(),
        })
        .collect();
    Ok(serde_json::to_string_pretty(&groups)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::{Ksyms, Owner, group, pages};
    use clap::Parser;
    use uapi::{KernelSym, ModuleInfo, ModuleState};

    fn owners() -> Vec<Owner> {
        let entries = [("#vfat", 0x10), ("vfat_read", 0x5000), ("#fat", 0x20), ("fat_read", 0x4000), ("#", 0), ("printk", 0x10cd30)];
        group(entries.map(|(name, value)| KernelSym { value, name: name.to_owned() }).to_vec())
    }

    #[test]
    fn markers_split_the_list() {
        let names: Vec<_> = owners().iter().map(|owner| (owner.module.clone(), owner.symbols.len())).collect();
        assert_eq!(names, [(Some("vfat".into()), 1), (Some("fat".into()), 1), (None, 1)]);
    }

    #[test]
    fn the_table_is_that_of_linux_2_0() {
        let mut list = owners();
        list[0].info =
            Some(ModuleInfo { address: 0x5000, size: 4097, state: ModuleState::Running, autoclean: false, visited: false, users: 0 });
        let wanted = "Address          Symbol    \tDefined by\n\
                      0000000000005000 --- (8k) ---\t[vfat]\n\
                      0000000000005000 vfat_read\t[vfat]\n\
                      0000000000004000 fat_read\t[fat]\n\
                      000000000010cd30 printk\n";
        assert_eq!(Ksyms::parse_from(["ksyms", "-am"]).table(&list), wanted);
        list[0].pages = pages("fat                9\t[vfat]\t0\nvfat               3\t\t0\n", "vfat");
        assert_eq!(Ksyms::parse_from(["ksyms", "-am"]).table(&list), wanted.replace("(8k)", "(12k)"));
        assert!(Ksyms::parse_from(["ksyms", "-h"]).table(&list).starts_with("0000000000005000 vfat_read"));
    }
}
