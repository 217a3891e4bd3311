//! The devices that are there already: every folder below `/sys/devices` with a modalias.

use std::fs;
use std::path::{Path, PathBuf};

use demand::{Attribution, Device, Kind, Paths, Requester};

use super::{DeviceRequest, turn};

/// Folders in which no device lies, wherever they are: attributes of one, in groups.
const NO_DEVICES: &[&str] = &[
    "power",
    "statistics",
    "msi_irqs",
    "queues",
    "queue",
    "mq",
    "holders",
    "slaves",
    "trace",
    "cpufreq",
    "cpuidle",
    "topology",
    "cache",
    "hugepages",
    "iommu",
];

/// Below `/sys/devices`, folders of devices that no driver is for: a large machine has thousands of blocks of memory, and every one has
/// dozens of terminals that nobody sees.
const WITHOUT_DRIVERS: &[&str] =
    &["system/memory", "system/node", "virtual/tty", "virtual/bdi", "virtual/vc", "virtual/mem", "virtual/workqueue"];

/// How deep devices lie at most; deeper is not looked, whatever a damaged tree holds.
const DEEPEST: usize = 40;

/// What attributes named `removable` say; those of disks hold `0` or `1` and are about the medium.
const REMOVABLE: &[&str] = &["removable", "fixed", "unknown"];

/// All devices that ask for something: those first that others come up behind, else in the order of their paths. What cannot be read is passed over: devices go away while one
/// looks.
#[must_use]
pub fn walk(paths: &Paths) -> Vec<DeviceRequest> {
    let sys = paths.file("/sys");
    let devices = sys.join("devices");
    let mut walk = Walk { without: WITHOUT_DRIVERS.iter().map(|path| devices.join(path)).collect(), sys, found: Vec::new() };
    walk.folder(&devices, None, DEEPEST);
    let mut found = walk.found;
    found.sort_by_cached_key(|device| turn(&device.name));
    found
}

/// A walk under way.
struct Walk {
    sys: PathBuf,
    /// Where it does not go.
    without: Vec<PathBuf>,
    found: Vec<DeviceRequest>,
}

/// Where a device says what it asks for.
#[derive(Clone, Copy, Default)]
struct Says {
    /// It announces itself.
    uevent: bool,
    modalias: bool,
    removable: bool,
}

impl Walk {
    /// One folder; `removable` is what holds for the devices above.
    fn folder(&mut self, path: &Path, removable: Option<&str>, depth: usize) {
        let Ok(entries) = fs::read_dir(path) else { return };
        let (mut below, mut says) = (Vec::new(), Says::default());
        for entry in entries.flatten() {
            let name = entry.file_name();
            match entry.file_type() {
                // Links lead to buses, classes and drivers, never to a device that is not below some folder.
                Ok(kind) if kind.is_dir() && name.to_str().is_some_and(|name| NO_DEVICES.contains(&name)) => {}
                Ok(kind) if kind.is_dir() => below.push(name),
                _ if name == "uevent" => says.uevent = true,
                _ if name == "modalias" => says.modalias = true,
                _ if name == "removable" => says.removable = true,
                _ => {}
            }
        }
        let own = says.removable.then(|| attribute(path, "removable")).flatten();
        let removable = own.as_deref().or(removable);
        if let Some(name) = modalias(path, says).and_then(|modalias| super::name(&modalias)) {
            self.found.push(DeviceRequest { name, requester: requester(&self.sys, path, removable) });
        }
        below.sort();
        for path in below.into_iter().filter(|_| depth > 0).map(|name| path.join(name)) {
            if !self.without.contains(&path) {
                self.folder(&path, removable, depth - 1);
            }
        }
    }
}

/// What a device asks for. Not every bus has the attribute; all that ask at all say so where they announce themselves.
fn modalias(path: &Path, says: Says) -> Option<String> {
    let read = |name| Some(String::from_utf8_lossy(&fs::read(path.join(name)).ok()?).into_owned());
    let announced = says.uevent.then(|| read("uevent")).flatten();
    let line = announced.and_then(|text| text.lines().find_map(|line| line.strip_prefix("MODALIAS=")).map(str::to_owned));
    let modalias = line.or_else(|| says.modalias.then(|| read("modalias")).flatten().map(|text| text.trim().to_owned()));
    modalias.filter(|modalias| !modalias.is_empty())
}

/// The attribute `removable`, if it is about the device.
fn attribute(path: &Path, name: &str) -> Option<String> {
    let bytes = fs::read(path.join(name)).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    REMOVABLE.contains(&text.as_str()).then_some(text)
}

fn requester(sys: &Path, path: &Path, removable: Option<&str>) -> Requester {
    let bus = fs::read_link(path.join("subsystem")).ok();
    let bus = bus.and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
    let below = path.strip_prefix(sys).unwrap_or(path).to_string_lossy();
    let device = Device { path: format!("/{below}"), bus, removable: removable.map(str::to_owned) };
    Requester { device: Some(device), ..Requester::bare(Kind::Device, Attribution::Event) }
}

/// The device of an announcement as a requester: its bus as announced, and whether it, or the nearest above that says so, is removable.
#[must_use]
pub fn device(paths: &Paths, path: &str, bus: &str) -> Requester {
    let mut at = path;
    let mut removable = None;
    while removable.is_none() && at.len() > 1 {
        removable = attribute(&paths.file(&format!("/sys{at}")), "removable");
        at = at.rsplit_once('/').map_or("", |(above, _)| above);
    }
    let device = Device { path: path.to_owned(), bus: bus.to_owned(), removable };
    Requester { device: Some(device), ..Requester::bare(Kind::Device, Attribution::Event) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small `/sys`: a bridge, behind it a port that is removable, behind that a disk with a medium.
    fn sys() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let port = root.path().join("sys/devices/pci0000:00/usb1/1-1");
        let disk = port.join("host0/block/sda");
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(port.join("power")).unwrap();
        fs::create_dir_all(root.path().join("sys/bus/usb")).unwrap();
        fs::write(port.join("uevent"), "DEVTYPE=usb_device\nMODALIAS=usb:v46F4p0001\n").unwrap();
        fs::write(port.join("removable"), "removable\n").unwrap();
        fs::write(port.join("power/uevent"), "MODALIAS=none:\n").unwrap();
        std::os::unix::fs::symlink("../../../../bus/usb", port.join("subsystem")).unwrap();
        fs::write(disk.join("modalias"), "scsi:t-0x00\n").unwrap();
        fs::write(disk.join("removable"), "0\n").unwrap();
        for without in ["system/memory/memory0", "virtual/tty/tty1"] {
            let without = root.path().join("sys/devices").join(without);
            fs::create_dir_all(&without).unwrap();
            fs::write(without.join("uevent"), "MODALIAS=none:\n").unwrap();
        }
        root
    }

    #[test]
    fn devices_with_their_bus_and_whether_they_are_removable() {
        let root = sys();
        let paths = Paths::under(root.path());
        let found = walk(&paths);
        let seen: Vec<_> = found
            .iter()
            .map(|request| {
                let device = request.requester.device.as_ref().unwrap();
                (request.name.as_str(), device.path.as_str(), device.bus.as_str(), device.removable.as_deref())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("usb:v46F4p0001", "/devices/pci0000:00/usb1/1-1", "usb", Some("removable")),
                ("scsi:t-0x00", "/devices/pci0000:00/usb1/1-1/host0/block/sda", "", Some("removable")),
            ]
        );
        let announced = device(&paths, "/devices/pci0000:00/usb1/1-1/host0/block/sda", "block");
        assert_eq!(announced.device.unwrap().removable.as_deref(), Some("removable"));
        assert_eq!(device(&paths, "/devices/nosuch", "pci").device.unwrap().removable, None);
    }
}
