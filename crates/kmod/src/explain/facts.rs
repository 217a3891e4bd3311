//! Collects the facts on a running Linux.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::{FileKind, KernelFacts, ModuleFacts, Providers, TreeFacts, TreeState};
use crate::file::{Modinfo, ModuleFile};
use crate::index::symbols;
use crate::info::Info;
use crate::kernel::Kernel;
use crate::linux::Linux;
use crate::tree::Tree;
use crate::{linux, name, text};

/// What can be read of a module's file. What cannot is left out: the file may be the very thing that is wrong.
#[must_use]
pub fn of_module(path: &Path) -> ModuleFacts {
    let about = fs::metadata(path);
    let kind = match &about {
        Ok(about) if about.is_dir() => FileKind::Directory,
        Ok(about) if !about.is_file() => FileKind::Special,
        _ => FileKind::Regular,
    };
    let size = about.map_or(0, |about| about.len());
    let mut facts = ModuleFacts { name: name::from_file(path), size, kind, ..ModuleFacts::default() };
    if kind != FileKind::Regular {
        return facts;
    }
    let Ok(file) = ModuleFile::open(path) else { return facts };
    let modinfo: Modinfo = file.modinfo().unwrap_or_default();
    if let Some(name) = modinfo.value("name") {
        facts.name = name::from_word(&name);
    }
    facts.vermagic = modinfo.value("vermagic").map(|v| v.into_owned());
    facts.machine = file.machine().ok().flatten();
    facts.signed = match file.signature() {
        Ok(signature) => signature.map(|_| true),
        Err(_) => Some(false),
    };
    facts.imports = file.imports().unwrap_or_default();
    let mut parameters: Vec<String> = Info::of_modinfo(&modinfo).parameters.into_iter().map(|p| p.name).collect();
    parameters.reverse();
    facts.parameters = parameters;
    facts
}

/// What the running kernel tells of itself. `reference` is a tree of its release, for the `vermagic` and machine of its modules.
#[must_use]
pub fn of_kernel(reference: Option<&Tree>) -> KernelFacts {
    let text = |path: &str| fs::read_to_string(path).ok().map(|t| t.trim().to_owned());
    let release = linux::release();
    let sample = reference.and_then(|tree| {
        let line = tree.modules().ok()?.into_iter().next()?.1;
        ModuleFile::open(&tree.file(&line.path)).ok()
    });
    let vermagic = sample.as_ref().and_then(|f| f.modinfo().ok()?.value("vermagic").map(|v| v.into_owned()));
    // Only a module of the very same release speaks for the kernel.
    let vermagic = vermagic.filter(|v| v.split(' ').next() == Some(release.as_str()));
    let cmdline = linux::command_line().unwrap_or_default();
    let blacklist = cmdline.split_ascii_whitespace().filter_map(|w| w.strip_prefix("module_blacklist="));
    KernelFacts {
        vermagic,
        machine: sample.and_then(|f| f.machine().ok().flatten()),
        symbols: exported_symbols(),
        signatures_enforced: text("/sys/module/module/parameters/sig_enforce").map(|t| t == "Y" || t == "1"),
        lockdown: text("/sys/kernel/security/lockdown").as_deref().and_then(active_lockdown).map(str::to_owned),
        modules_disabled: text("/proc/sys/kernel/modules_disabled").map(|t| t == "1"),
        blacklist: blacklist.flat_map(|l| l.split(',')).map(name::from_word).collect(),
        modular: linux::is_modular(),
        tree: Some(Path::new("/lib/modules").join(&release).is_dir()),
        privileged: Some(privileged(&text("/proc/self/status").unwrap_or_default(), text("/proc/self/uid_map").as_deref())),
        loaded: Linux.modules().ok().map(|modules| modules.into_iter().map(|module| name::from_word(&module.name)).collect()),
        release,
    }
}

/// What there is of a tree. `running` is whether the running kernel's modules come from it.
#[must_use]
pub fn of_tree(tree: &Tree, running: bool) -> TreeFacts {
    let directory = tree.directory().to_path_buf();
    let other = |parent: &Path| fs::read_dir(parent).is_ok_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()));
    let indexed = ["modules.dep.bin", "modules.dep"].into_iter().any(|index| directory.join(index).exists());
    let state = match directory.is_dir() {
        true if indexed => TreeState::Indexed,
        true => TreeState::Unindexed,
        false if directory.parent().is_some_and(other) => TreeState::Replaced,
        false => TreeState::Absent,
    };
    let release = directory.file_name().map(|name| text::of_os(name).into_owned()).unwrap_or_default();
    TreeFacts { directory, release, state, running }
}

/// Number of `CAP_SYS_MODULE` (`capabilities(7)`, `linux/capability.h`).
const CAP_SYS_MODULE: u32 = 16;

/// Whether the caller may load modules: it has the capability, in the first user namespace. `status` and `uid_map` are those of
/// `/proc/self`; without them only the user counts.
fn privileged(status: &str, uid_map: Option<&str>) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capable = match effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()) {
        Some(set) => set & (1 << CAP_SYS_MODULE) != 0,
        None => rustix::process::geteuid().is_root(),
    };
    let first = uid_map.is_none_or(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
    capable && first
}

/// The level in brackets: `none [integrity] confidentiality`.
fn active_lockdown(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(level, _)| level)
}

/// The symbols with an entry in a table of exports.
fn exported_symbols() -> Option<HashSet<String>> {
    let text = fs::read("/proc/kallsyms").ok()?;
    let text = String::from_utf8_lossy(&text);
    let names = text.lines().filter_map(|l| l.split_ascii_whitespace().nth(2));
    let exported: HashSet<String> = names.filter_map(|n| n.strip_prefix("__ksymtab_")).map(str::to_owned).collect();
    (!exported.is_empty()).then_some(exported)
}

impl Providers for Tree {
    fn of(&self, symbol: &str) -> Vec<(String, Option<u64>)> {
        let found = self.symbols().search_wild(&format!("{}{symbol}", symbols::PREFIX)).unwrap_or_default();
        let crc = |module: &str| {
            let line = self.dependencies(module).ok()??;
            let exports = ModuleFile::open(&self.file(&line.path)).and_then(|f| f.exports()).ok()?;
            exports.into_iter().find(|e| e.name == symbol).map(|e| e.crc)
        };
        found.into_iter().map(|v| (v.text.clone(), crc(&v.text))).collect()
    }

    fn agreed(&self, symbol: &str, except: &str) -> Option<u64> {
        let lines = self.modules().ok()?;
        let others = lines.into_iter().filter(|(name, _)| name != except).map(|(_, line)| line);
        others
            .filter_map(|line| ModuleFile::open(&self.file(&line.path)).and_then(|file| file.versions()).ok())
            .find_map(|versions| versions.into_iter().find(|version| version.name == symbol).map(|version| version.crc))
    }
}

#[cfg(test)]
mod tests {
    use super::privileged;

    #[test]
    fn the_right_to_load_is_a_capability_in_the_first_namespace() {
        let first = Some("         0          0 4294967295");
        assert!(privileged("Name:\tsh\nCapEff:\t000001ffffffffff\n", first));
        assert!(!privileged("CapEff:\t00000000a80425fb\n", first), "as in a container");
        assert!(!privileged("CapEff:\t000001ffffffffff\n", Some("0 1000 1")), "root of a namespace of its own");
        assert!(!privileged("CapEff:\t0000000000000000\n", None));
    }
}
