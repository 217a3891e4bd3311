//! lsmod: the loaded modules.

mod classic;
mod tree;

use clap::Parser;
use kmod::error::os_text;
use kmod::kernel::Loaded;
use kmod::{proc_modules, text};
use serde::Serialize;
use uapi::{Client, ProcFile};

use crate::applet::Run;
use crate::target::{KernelOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  lsmod
  lsmod --classic   # the table of Linux 2.0: sizes in pages, users without referrers
  lsmod --tree      # who uses whom
  lsmod --json";

/// Where Linux shows its modules.
const LINUX_MODULES: &str = "/proc/modules";

/// Show the loaded modules
#[derive(Parser)]
#[command(name = "lsmod", version, after_help = EXAMPLES)]
pub(crate) struct Lsmod {
    #[command(flatten)]
    kernel: KernelOption,
    /// Print the table of Linux 2.0
    #[arg(long, group = "form")]
    classic: bool,
    /// Print a tree: under each module, those that it is used by
    #[arg(long, group = "form")]
    tree: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Send messages to the system log
    #[arg(short, long)]
    syslog: bool,
    /// Accepted as other tools accept it; there is nothing more to say
    #[arg(short, long)]
    verbose: bool,
}

impl Run for Lsmod {
    fn run(self, console: &mut Console) -> Outcome {
        if self.syslog {
            console.use_syslog();
        }
        let form = match (self.classic, self.tree, self.json) {
            (true, _, _) => classic::print,
            (_, true, _) => |target: &Target| read(target).map(|modules| tree::text(&modules)),
            (_, _, true) => |target: &Target| read(target).and_then(|modules| json(&modules)),
            _ => |target: &Target| read(target).map(|modules| table(&modules)),
        };
        match form(&self.kernel.target()) {
            Ok(text) => console.print(&text),
            Err(error) => {
                console.error(error);
                Err(Failed)
            }
        }
    }
}

/// Whatever kept the list from being shown.
type Trouble = Box<dyn std::error::Error>;

/// The module list of a kernel, newest first.
fn read(target: &Target) -> Result<Vec<Loaded>, Trouble> {
    let list = match target {
        Target::Hosted(path) => Client::connect(path)?.read(ProcFile::Modules)?,
        Target::Linux => {
            std::fs::read(LINUX_MODULES).map(|bytes| text::of_bytes(&bytes).into_owned()).map_err(
                |error| match kmod::linux::is_modular() {
                    Some(false) => "the running kernel was built without loadable modules; `--kernel SOCKET` names a hosted one".to_owned(),
                    _ => format!("cannot read {LINUX_MODULES}: {}", os_text(&error)),
                },
            )?
        }
    };
    Ok(proc_modules::parse(&list)?)
}

/// Today's table: columns as kmod's lsmod prints them.
fn table(modules: &[Loaded]) -> String {
    let mut text = String::from("Module                  Size  Used by\n");
    for module in modules {
        let count = module.refcnt.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let gap = if module.holders.is_empty() { "" } else { " " };
        text.push_str(&format!("{:<19} {:>8}  {count}{gap}{}\n", module.name, module.size, module.holders.join(",")));
    }
    text
}

/// A module in `--json`.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    size: u64,
    refcnt: Option<u64>,
    holders: &'a [String],
    state: &'a str,
    flags: &'a str,
}

/// An array of objects.
fn json(modules: &[Loaded]) -> Result<String, Trouble> {
    let rows: Vec<Row<'_>> = modules
        .iter()
        .map(|module| Row {
            name: &module.name,
            size: module.size,
            refcnt: module.refcnt,
            holders: &module.holders,
            state: &module.state,
            flags: &module.flags,
        })
        .collect();
    Ok(text::readable(&serde_json::to_string_pretty(&rows)?).into_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::{json, table};

    #[test]
    fn the_table_has_the_columns_of_today() {
        let modules = kmod::proc_modules::parse("vfat 24576 1 - Live 0x0\nfat 98304 2 vfat,msdos, Live 0x0\n").unwrap();
        let wanted = "Module                  Size  Used by\n\
                      vfat                   24576  1\n\
                      fat                    98304  2 vfat,msdos\n";
        assert_eq!(table(&modules), wanted);
    }

    #[test]
    fn json_has_every_column() {
        let modules = kmod::proc_modules::parse("fat 98304 - vfat, Loading 0x0 (autoclean)\n").unwrap();
        let value: serde_json::Value = serde_json::from_str(&json(&modules).unwrap()).unwrap();
        let wanted = serde_json::json!([{"name": "fat", "size": 98304, "refcnt": null, "holders": ["vfat"], "state": "Loading", "flags": "autoclean"}]);
        assert_eq!(value, wanted);
    }
}
