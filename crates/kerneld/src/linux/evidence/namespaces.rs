//! All network and mount namespaces that a process, a mount or a descriptor keeps.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use demand::Paths;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::linux::mountinfo;

/// A namespace, by its inode: whose it is, and a path that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) whose: String,
    pub(super) path: PathBuf,
}

/// Namespaces by inode.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces {
    pub(super) net: BTreeMap<u64, Namespace>,
    /// Of each mount namespace, a folder in `/proc` of a thread that is in it.
    pub(super) mount: BTreeMap<u64, Namespace>,
    /// What could not be looked at.
    pub(super) faults: Vec<String>,
}

impl Namespaces {
    /// Looks at all threads, their descriptors, and what is mounted.
    pub(super) fn find(paths: &Paths) -> Self {
        let mut found = Self::default();
        let proc = paths.file("/proc");
        for process in numbers(&proc) {
            let folder = proc.join(process.to_string());
            let comm = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            let whose = format!("process {process} ({})", comm.trim_end().escape_debug());
            for thread in numbers(&folder.join("task")) {
                found.thread(&folder.join("task").join(thread.to_string()), &whose);
            }
            found.descriptors(&folder.join("fd"), &whose);
        }
        // `ip netns add` keeps a namespace by a mount of its file.
        for line in mountinfo::parse(&fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default()) {
            if let Some(inode) = line.root.strip_prefix("net:[").and_then(inode) {
                let path = paths.file(line.place);
                found.net.entry(inode).or_insert(Namespace { whose: line.place.to_owned(), path });
            }
        }
        found
    }

    fn thread(&mut self, folder: &Path, whose: &str) {
        for (kind, table) in [("net", &mut self.net), ("mnt", &mut self.mount)] {
            let path = folder.join("ns").join(kind);
            match fs::read_link(&path) {
                Ok(link) => {
                    if let Some(inode) = link.to_str().and_then(|text| text.split_once(":[")).and_then(|(_, rest)| inode(rest)) {
                        let path = if kind == "net" { path } else { folder.to_owned() };
                        table.entry(inode).or_insert_with(|| Namespace { whose: whose.to_owned(), path });
                    }
                }
                // It has ended meanwhile, or is about to (`ESRCH` for a zombie, `ENOENT`).
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    self.faults.push(format!("{whose}: {error}"));
                }
                Err(_) => {}
            }
        }
    }

    fn descriptors(&mut self, folder: &Path, whose: &str) {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            if let Some(inode) = target.to_str().and_then(|text| text.strip_prefix("net:[")).and_then(inode) {
                self.net.entry(inode).or_insert_with(|| Namespace { whose: format!("a descriptor of {whose}"), path: entry.path() });
            }
        }
    }
}

fn inode(text: &str) -> Option<u64> {
    text.strip_suffix(']')?.parse().ok()
}

/// The entries of a folder that are numbers.
pub(super) fn numbers(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    found.sort_unstable();
    found
}

/// Does something in another network namespace: a thread of its own goes there and ends there.
///
/// # Errors
/// Why the namespace cannot be entered (it takes `CAP_SYS_ADMIN`).
pub(super) fn within<T: Send>(namespace: &Namespace, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let enter = || {
        let file = File::open(&namespace.path)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        std::io::Result::Ok(work())
    };
    let done = std::thread::scope(|scope| scope.spawn(enter).join());
    match done {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("the network namespace of {}: {error}", namespace.whose)),
        Err(_) => Err(format!("the network namespace of {}: reading it failed", namespace.whose)),
    }
}
