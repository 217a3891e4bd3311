//! What is going on in the system, read once for all modules that are judged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demand::Paths;
use kmod::kernel::Loaded;
use kmod::{name, proc_modules};

use super::namespaces::{Namespaces, within};
use super::net::{Net, Reading};
use crate::linux::mountinfo::{self, MountLine};

/// A mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) kind: String,
    pub(super) place: String,
    /// `MAJOR:MINOR`.
    pub(super) device: String,
    pub(super) whose: String,
}

/// A block device with something behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) name: String,
    pub(super) major: u32,
}

/// What is going on in the system.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub(super) loaded: Reading<Vec<Loaded>>,
    pub(super) nets: Vec<Net>,
    pub(super) mounts: Reading<Vec<Mount>>,
    /// Namespaces that could not be looked into.
    pub(super) faults: Vec<String>,
    pub(super) swaps: Reading<Vec<String>>,
    pub(super) disks: Reading<Vec<Disk>>,
    /// Majors of block devices by the names of their drivers.
    pub(super) majors: BTreeMap<String, u32>,
    pub(super) default_qdisc: String,
    /// Lines that name kernel code that is watched or replaced; a module's stands in brackets.
    pub(super) probes: Reading<Vec<String>>,
    /// Patches and the modules that they change.
    pub(super) patches: Vec<(String, String)>,
}

impl Surroundings {
    /// Looks around. Nothing is loaded or changed by it.
    #[must_use]
    pub fn gather(paths: &Paths) -> Self {
        let proc = paths.file("/proc");
        let list = fs::read_to_string(proc.join("modules")).map_err(|error| format!("/proc/modules: {error}"));
        let loaded = list.and_then(|text| proc_modules::parse(&text).map_err(|error| error.to_string()));
        let names: Vec<String> = loaded.iter().flatten().map(|module| name::from_word(&module.name)).collect();
        let found = Namespaces::find(paths);
        let mut faults = found.faults.clone();
        let mut nets = Vec::new();
        // In a folder that only stands for a system, there is nothing to enter.
        if paths.root() == Path::new("/") {
            for namespace in found.net.values() {
                match within(namespace, || Net::read(namespace.whose.clone(), &proc, &names)) {
                    Ok(net) => nets.push(net),
                    // It may have ended meanwhile with its last process.
                    Err(_) if !namespace.path.exists() => {}
                    Err(fault) => faults.push(fault),
                }
            }
        }
        if nets.is_empty() {
            nets.push(Net::read("this process".to_owned(), &proc, &names));
        }
        Self {
            default_qdisc: text(&proc.join("sys/net/core/default_qdisc")),
            mounts: mounts(&found),
            swaps: swaps(&proc),
            disks: disks(&paths.file("/sys/block")),
            majors: majors(&text(&proc.join("devices"))),
            probes: probes(&paths.file("/sys/kernel")),
            patches: patches(&paths.file("/sys/kernel/livepatch")),
            loaded,
            nets,
            faults,
        }
    }

    fn module(&self, module: &str) -> Option<&Loaded> {
        self.loaded.as_ref().ok()?.iter().find(|loaded| name::from_word(&loaded.name) == module)
    }

    /// Whether a module is there, or may be.
    #[must_use]
    pub fn is_loaded(&self, module: &str) -> bool {
        self.loaded.is_err() || self.module(module).is_some()
    }

    /// Whether a module is there and nothing refers to it.
    #[must_use]
    pub fn is_free(&self, module: &str) -> bool {
        self.module(module).is_some_and(|loaded| loaded.refcnt == Some(0) && loaded.holders.is_empty())
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

fn mounts(found: &Namespaces) -> Reading<Vec<Mount>> {
    let mut all = Vec::new();
    for namespace in found.mount.values() {
        let path = namespace.path.join("mountinfo");
        match fs::read(&path) {
            Ok(bytes) => all.extend(mountinfo::parse(&String::from_utf8_lossy(&bytes)).map(|line| mount(&line, &namespace.whose))),
            Err(_) if !namespace.path.exists() => {}
            // `EINVAL` of a thread that has given its namespace back.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    if all.is_empty() { Err("no list of mounts can be read".to_owned()) } else { Ok(all) }
}

fn mount(line: &MountLine<'_>, whose: &str) -> Mount {
    // `fuse.sshfs`: what follows the dot is the program's.
    let kind = line.kind.split('.').next().unwrap_or(line.kind);
    Mount { kind: kind.to_owned(), place: line.place.to_owned(), device: line.device.to_owned(), whose: whose.to_owned() }
}

fn swaps(proc: &Path) -> Reading<Vec<String>> {
    match fs::read_to_string(proc.join("swaps")) {
        Ok(text) => Ok(text.lines().skip(1).filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()),
        // A kernel without swap.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("/proc/swaps: {error}")),
    }
}

/// Devices that have a size: a loop, network or compressed device without anything behind it has none.
fn disks(folder: &Path) -> Reading<Vec<Disk>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let size = text(&path.join("size"));
        let major = text(&path.join("dev")).split(':').next().and_then(|major| major.parse().ok());
        if let Some(major) = major.filter(|_| size != "0" || path.join("loop/backing_file").exists()) {
            found.push(Disk { name: entry.file_name().to_string_lossy().into_owned(), major });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The second part of `/proc/devices`.
fn majors(text: &str) -> BTreeMap<String, u32> {
    let lines = text.lines().skip_while(|line| *line != "Block devices:").skip(1);
    lines.filter_map(|line| line.trim().split_once(' ')).filter_map(|(major, name)| Some((name.to_owned(), major.parse().ok()?))).collect()
}

/// Probes and traced functions. What cannot be read in a kernel that could have some, is not known.
fn probes(kernel: &Path) -> Reading<Vec<String>> {
    let mut found = Vec::new();
    let tracing = ["tracing", "debug/tracing"].map(|path| kernel.join(path)).into_iter().find(|path| path.join("trace").exists());
    let lists = [tracing.as_ref().map(|folder| folder.join("enabled_functions")), tracing.map(|folder| folder.join("kprobe_events"))];
    for list in lists.into_iter().flatten() {
        match fs::read_to_string(&list) {
            Ok(text) => found.extend(text.lines().map(str::to_owned)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", list.display())),
        }
    }
    let list = kernel.join("debug/kprobes/list");
    match fs::read_to_string(&list) {
        Ok(text) => found.extend(text.lines().map(str::to_owned)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mounted = fs::read_dir(kernel.join("debug")).is_ok_and(|mut entries| entries.next().is_some());
            let here = kernel.join("debug").exists();
            if here && !mounted {
                return Err("debugfs is not mounted at /sys/kernel/debug, so kprobes cannot be listed".to_owned());
            }
        }
        Err(error) => return Err(format!("{}: {error}", list.display())),
    }
    Ok(found)
}

/// `/sys/kernel/livepatch/PATCH/OBJECT`.
fn patches(folder: &Path) -> Vec<(String, String)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let objects = |patch: String| names(&folder.join(&patch)).into_iter().map(move |object| (patch.clone(), object));
    names(folder).into_iter().flat_map(objects).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        let line = "36 35 7:0 / /mnt/a\\040b rw,noatime shared:1 master:2 - fuse.sshfs /dev/loop0 rw";
        let wanted =
            Mount { kind: "fuse".to_owned(), place: "/mnt/a\\040b".to_owned(), device: "7:0".to_owned(), whose: "process 1".to_owned() };
        assert_eq!(mountinfo::parse(line).map(|line| mount(&line, "process 1")).collect::<Vec<_>>(), [wanted]);
        let text = "Character devices:\n  1 mem\n\nBlock devices:\n  7 loop\n253 device-mapper\n";
        assert_eq!(majors(text), BTreeMap::from([("loop".to_owned(), 7), ("device-mapper".to_owned(), 253)]));
    }
}
