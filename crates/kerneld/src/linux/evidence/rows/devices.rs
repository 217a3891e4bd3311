//! Devices, mounts, block devices.

use std::fs;

use demand::Paths;

use super::super::{State, Subject, Surroundings};
use super::{held, readable};

/// Functions that make a type of file system known.
const FILE_SYSTEM: &[&str] = &["register_filesystem"];

/// Functions that make block devices.
const BLOCK: &[&str] = &["register_blkdev", "__register_blkdev", "device_add_disk", "add_disk*", "del_gendisk"];

/// Modules whose block devices have majors under another name than theirs (`/proc/devices`).
const MAJORS: &[(&str, &str)] = &[("dm_mod", "device-mapper"), ("md_mod", "md"), ("md_mod", "mdp"), ("sd_mod", "sd"), ("sr_mod", "sr")];

/// Each driver of the module, with the devices that it is bound to.
pub(in super::super) fn drivers(paths: &Paths, subject: &Subject) -> State {
    let folder = paths.file("/sys/module").join(&subject.name).join("drivers");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return State::Clear,
        Err(error) => return State::Unreadable(format!("{}: {error}", folder.display())),
    };
    let mut facts = Vec::new();
    for driver in entries.filter_map(Result::ok) {
        let name = driver.file_name().to_string_lossy().into_owned();
        let devices = match fs::read_dir(driver.path()) {
            Ok(devices) => devices,
            Err(error) => return State::Unreadable(format!("{}: {error}", driver.path().display())),
        };
        for device in devices.filter_map(Result::ok) {
            let device_name = device.file_name().to_string_lossy().into_owned();
            // A driver's folder has files, a link to its module, and a link for each device.
            if device_name != "module" && device.file_type().is_ok_and(|kind| kind.is_symlink()) {
                facts.push(format!("driver {name} is bound to {device_name}"));
            }
        }
    }
    facts.sort();
    held(facts)
}

/// Mounts of its file systems, in all mount namespaces.
pub(in super::super) fn mounts(around: &Surroundings, subject: &Subject) -> State {
    if !subject.calls(FILE_SYSTEM) && subject.provides("fs-").next().is_none() {
        return State::Unconcerned;
    }
    let is_its = |kind: &str| kind.replace('-', "_") == subject.name || subject.provides("fs-").any(|its| its == kind);
    match &around.mounts {
        Err(why) => State::Unreadable(why.clone()),
        Ok(all) => {
            let its = all.iter().filter(|mount| is_its(&mount.kind));
            let facts = its.map(|mount| format!("{} is mounted at {} ({})", mount.kind, mount.place, mount.whose)).collect();
            readable(around.faults.clone(), facts)
        }
    }
}

/// Block devices of its majors that have a size, and swap on them.
pub(in super::super) fn storage(around: &Surroundings, subject: &Subject) -> State {
    let by_alias = subject.provides("block-major-").filter_map(|rest| rest.split('-').next()?.parse::<u32>().ok());
    let named = MAJORS.iter().filter(|(module, _)| *module == subject.name).map(|(_, name)| *name);
    let by_name = named.chain([subject.name.as_str()]).filter_map(|name| around.majors.get(name).copied());
    let majors: Vec<u32> = by_alias.chain(by_name).collect();
    if majors.is_empty() && !subject.calls(BLOCK) {
        return State::Unconcerned;
    }
    let disks = match &around.disks {
        Ok(disks) => disks,
        Err(why) => return State::Unreadable(why.clone()),
    };
    let swaps = match &around.swaps {
        Ok(swaps) => swaps,
        Err(why) => return State::Unreadable(why.clone()),
    };
    if majors.is_empty() {
        return State::Unreadable("it makes block devices, and which is not known".to_owned());
    }
    let mut facts = Vec::new();
    for disk in disks.iter().filter(|disk| majors.contains(&disk.major)) {
        let swapped = swaps.iter().any(|swap| swap.rsplit('/').next() == Some(&disk.name));
        facts.push(if swapped { format!("{} is swap", disk.name) } else { format!("{} has a size", disk.name) });
    }
    held(facts)
}
