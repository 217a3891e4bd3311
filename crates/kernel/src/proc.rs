//! The texts that the kernel offers for reading (`/proc/modules`, `/proc/ksyms`).

use std::fmt::Write as _;

use uapi::{ModuleState, PAGE_SIZE, Part, ProcFile};

use crate::kernel::Kernel;
use crate::list::ModuleList;
use crate::module::{Module, State};
use crate::options::Gdb;

/// Where the classic text stops: a page, less what one line may need (`get_module_list` of Linux 2.0).
const CLASSIC_LIMIT: usize = 4096 - 100;

/// The column in which the page count of the classic text ends.
const CLASSIC_COLUMN: usize = 20;

impl Kernel {
    /// One of the kernel's texts.
    #[must_use]
    pub fn proc(&self, file: ProcFile) -> String {
        match file {
            ProcFile::Modules => modules(&self.list()),
            ProcFile::ModulesClassic => modules_classic(&self.list()),
            ProcFile::Ksyms => ksyms(&self.list()),
            ProcFile::ModuleMaps => module_maps(&self.list(), self.inner.config.gdb),
            ProcFile::Kmsg => self.kmsg(),
        }
    }
}

/// `/proc/modules` as today's Linux prints it (`m_show` in `kernel/module/procfs.c`): name, bytes, count of users and referrers,
/// referrers, state, address, flags.
fn modules(list: &ModuleList) -> String {
    let mut text = String::new();
    for module in list.newest_first() {
        let holders: String = list.names(&module.referrers).iter().map(|name| format!("{name},")).collect();
        let holders = if holders.is_empty() { "-" } else { &holders };
        let referrers = i64::try_from(module.referrers.len()).unwrap_or(i64::MAX);
        let count = module.users().saturating_add(referrers);
        let state = match module.state {
            State::Created | State::Initializing | State::Failed => "Loading",
            State::Running | State::Dead(_) => "Live",
            State::Leaving | State::Deleted => "Unloading",
        };
        let size = module.layout.core_size();
        let _ = write!(text, "{} {size} {count} {holders} {state} {:#018x}", module.name, module.base);
        let flags = flags(module);
        let _ = if flags.is_empty() { writeln!(text) } else { writeln!(text, " ({})", flags.join(",")) };
    }
    text
}

/// What stands in parentheses.
fn flags(module: &Module) -> Vec<&'static str> {
    let flags = [(module.autoclean(), "autoclean"), (matches!(module.state, State::Dead(_)), "dead")];
    flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect()
}

/// `/proc/modules` of Linux 2.0, byte for byte: sizes in pages, references do not count.
fn modules_classic(list: &ModuleList) -> String {
    let mut text = String::new();
    for module in list.newest_first() {
        if text.len() > CLASSIC_LIMIT {
            break;
        }
        let pages = [Part::Text, Part::Rodata, Part::Data].map(|part| module.layout.part(part).size.div_ceil(PAGE_SIZE));
        let pages = pages.into_iter().fold(0, u64::saturating_add).to_string();
        let blanks = CLASSIC_COLUMN.saturating_sub(module.name.as_str().len()).saturating_sub(pages.len()).max(1);
        let state = match module.state.shown() {
            ModuleState::Running => "",
            ModuleState::Uninitialized => "  (uninitialized)",
            ModuleState::Deleted => "  (deleted)",
            ModuleState::Dead => "  (bad state)",
        };
        let _ = write!(text, "{}{:blanks$}{pages}{state}\t", module.name, "");
        if !module.referrers.is_empty() {
            let _ = write!(text, "[{}]", list.names(&module.referrers).join(" "));
        }
        if module.state.shown() == ModuleState::Running {
            let _ = write!(text, "\t{}{}", module.users(), if module.autoclean() { " (autoclean)" } else { "" });
        }
        text.push('\n');
    }
    text
}

/// `/proc/ksyms`: symbols of running modules, newest first, and of the kernel.
fn ksyms(list: &ModuleList) -> String {
    let mut text = String::new();
    for module in list.newest_first().filter(|module| module.state == State::Running) {
        for symbol in module.symbols.iter() {
            let _ = writeln!(text, "{:016x} {}\t[{}]", symbol.value, symbol.name, module.name);
        }
    }
    for symbol in list.tables().iter().flat_map(|table| table.symbols.iter()) {
        let _ = writeln!(text, "{:016x} {}", symbol.value, symbol.name);
    }
    text
}

/// Where the parts of modules are mapped: `start-end perms name part`, in the order of the list.
fn module_maps(list: &ModuleList, gdb: Gdb) -> String {
    let mut text = String::new();
    let sharing = if gdb == Gdb::Off { 's' } else { 'p' };
    for module in list.newest_first().filter(|module| module.image.as_ref().is_some_and(crate::memory::Image::runs)) {
        let init_is_there = matches!(module.state, State::Initializing | State::Failed | State::Dead(crate::Errand::Init));
        for part in Part::ALL.into_iter().filter(|part| init_is_there || !part.is_init()) {
            let range = module.addresses(part);
            let (permissions, name) = match part {
                Part::Text => ("r-x", "text"),
                Part::Rodata => ("r--", "rodata"),
                Part::Data => ("rw-", "data"),
                Part::InitText => ("r-x", "init.text"),
                Part::InitData => ("rw-", "init.data"),
            };
            if !range.is_empty() {
                let end = range.end.next_multiple_of(PAGE_SIZE);
                let sharing = if permissions == "rw-" { 'p' } else { sharing };
                let _ = writeln!(text, "{:x}-{end:x} {permissions}{sharing} {} {name}", range.start, module.name);
            }
        }
    }
    text
}
