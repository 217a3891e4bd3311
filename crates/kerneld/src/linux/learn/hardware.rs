//! What the devices that are there ask for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use demand::resolve::Resolver;
use demand::{Origin, Paths, RequestName};

use super::need::{Needs, because};
use crate::linux::cli::Failure;
use crate::linux::policy::plan_of;

/// Deepest folder below `/sys/devices`: the longest chains of bridges and hubs have some twenty.
const DEEPEST: usize = 64;

/// Adds the drivers of all devices, and what these need.
pub(super) fn learn(paths: &Paths, modules: &Resolver, needs: &mut Needs) -> Result<(), Failure> {
    let top = paths.file("/sys/devices");
    let mut aliases: BTreeMap<String, String> = BTreeMap::new();
    collect(&top, &top, 0, &mut aliases);
    if aliases.is_empty() {
        needs.gaps.insert("no device with a modalias was found in /sys".to_owned());
    }
    for (alias, device) in aliases {
        let Ok(name) = RequestName::new(alias.as_bytes(), Origin::Device) else { continue };
        for step in plan_of(modules, &name) {
            let reason = if step.why.starts_with("asked for") { device.clone() } else { step.why };
            because(&mut needs.hardware, &step.module, reason);
        }
    }
    Ok(())
}

/// Modaliases, each with the first device that has it. Folders that go away meanwhile are passed over.
fn collect(top: &Path, folder: &Path, depth: usize, aliases: &mut BTreeMap<String, String>) {
    let Some(entries) = fs::read_dir(folder).ok().filter(|_| depth < DEEPEST) else { return };
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => {
                let alias = fs::read_to_string(entry.path()).unwrap_or_default();
                let device = folder.strip_prefix(top).unwrap_or(folder).display().to_string();
                if !alias.trim().is_empty() {
                    aliases.entry(alias.trim().to_owned()).or_insert(device);
                }
            }
            _ => {}
        }
    }
    folders.sort();
    folders.iter().for_each(|folder| collect(top, folder, depth + 1, aliases));
}
