//! Images: made by the system's tools, made by the crate `fatfs`, and taken apart byte by byte.

use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use testkit::Outcome;

pub(crate) const ALL: [FatType; 3] = [FatType::Fat12, FatType::Fat16, FatType::Fat32];

/// Bytes of an image with clusters of one sector that is just large enough for its type.
fn size(kind: FatType) -> usize {
    match kind {
        FatType::Fat12 => 1440 << 10,
        FatType::Fat16 => 3 << 20,
        FatType::Fat32 => 34 << 20,
    }
}

/// An image that mkfs.vfat made and mcopy filled with what is in a folder.
pub(crate) fn by_tools(kind: FatType, source: &Path) -> Vec<u8> {
    let width = match kind {
        FatType::Fat12 => "12",
        FatType::Fat16 => "16",
        FatType::Fat32 => "32",
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(size(kind) as u64).expect("a size");
    let path = std::env::join_paths(["/usr/sbin", "/usr/bin", "/bin"]).expect("a path");
    let command = |program: &str| {
        let mut command = Command::new(program);
        command.env("PATH", &path).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
    };
    let _made = Outcome::of(command("mkfs.vfat").args(["-F", width, "-s", "1", "-n", "A LABEL"]).arg(file.path())).ok();
    let mut copy = command("mcopy");
    copy.args(["-s", "-m", "-i"]).arg(file.path());
    for entry in std::fs::read_dir(source).expect("a folder") {
        copy.arg(entry.expect("an entry").path());
    }
    let _copied = Outcome::of(copy.arg("::/")).ok();
    std::fs::read(file.path()).expect("the image")
}

pub(crate) type Volume<'a> = FileSystem<Cursor<&'a mut Vec<u8>>>;

/// An empty image by the crate.
pub(crate) fn empty(kind: FatType) -> Vec<u8> {
    let mut bytes = vec![0; size(kind)];
    let options = FormatVolumeOptions::new().fat_type(kind).bytes_per_cluster(512).volume_label(*b"A LABEL    ");
    fatfs::format_volume(Cursor::new(&mut bytes), options).expect("it can be formatted");
    bytes
}

/// Changes an image by the crate.
pub(crate) fn edit(bytes: &mut Vec<u8>, change: impl FnOnce(&Volume<'_>)) {
    let volume = FileSystem::new(Cursor::new(bytes), FsOptions::new()).expect("it can be opened");
    change(&volume);
    volume.unmount().expect("it can be closed");
}

/// Writes a file by the crate.
pub(crate) fn write(volume: &Volume<'_>, path: &str, content: &[u8]) {
    volume.root_dir().create_file(path).and_then(|mut file| file.write_all(content)).expect("it can be written");
}

/// The bytes that `harness threads` expects in `frag1.bin`.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + 1) as u8).collect()
}

/// Where the parts of an image are; for changing them behind everybody's back.
pub(crate) struct Parts {
    kind: FatType,
    cluster_size: usize,
    pub(crate) fat: Range<usize>,
    pub(crate) root: usize,
    data: usize,
}

impl Parts {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let long = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let sector = word(11);
        let fat_size = if word(22) == 0 { long(36) } else { word(22) } * sector;
        let fat = word(14) * sector;
        let fixed_root = fat + usize::from(bytes[16]) * fat_size;
        let data = fixed_root + word(17) * 32;
        let kind = match (word(22), (bytes.len() - data) / sector / usize::from(bytes[13])) {
            (0, _) => FatType::Fat32,
            (_, 0..4085) => FatType::Fat12,
            _ => FatType::Fat16,
        };
        let mut parts = Self { kind, cluster_size: sector * usize::from(bytes[13]), fat: fat..fat + fat_size, root: fixed_root, data };
        if kind == FatType::Fat32 {
            parts.root = parts.cluster(long(44));
        }
        parts
    }

    /// Where a cluster begins.
    pub(crate) fn cluster(&self, number: usize) -> usize {
        self.data + (number - 2) * self.cluster_size
    }

    /// How many data clusters there are.
    pub(crate) fn clusters(&self, bytes: &[u8]) -> usize {
        let small = usize::from(u16::from_le_bytes([bytes[19], bytes[20]]));
        let sectors = if small == 0 { u32::from_le_bytes(bytes[32..36].try_into().expect("four bytes")) as usize } else { small };
        (sectors * usize::from(u16::from_le_bytes([bytes[11], bytes[12]])) - self.data) / self.cluster_size
    }

    /// Sets the link of a cluster in the first FAT.
    pub(crate) fn link(&self, bytes: &mut [u8], cluster: usize, to: u32) {
        let fat = &mut bytes[self.fat.clone()];
        match self.kind {
            FatType::Fat12 => {
                let at = cluster * 3 / 2;
                let old = u16::from_le_bytes([fat[at], fat[at + 1]]);
                let to = (to & 0xfff) as u16;
                let new = if cluster % 2 == 1 { old & 0x000f | to << 4 } else { old & 0xf000 | to };
                fat[at..at + 2].copy_from_slice(&new.to_le_bytes());
            }
            FatType::Fat16 => fat[cluster * 2..][..2].copy_from_slice(&(to as u16).to_le_bytes()),
            FatType::Fat32 => fat[cluster * 4..][..4].copy_from_slice(&to.to_le_bytes()),
        }
    }

    /// The 8.3 slot of that name (as it stands on disk, eleven bytes) in the directory that begins here.
    pub(crate) fn slot(&self, bytes: &[u8], directory: usize, name: &[u8; 11]) -> usize {
        let found = bytes[directory..].chunks_exact(32).position(|slot| slot.starts_with(name));
        directory + 32 * found.unwrap_or_else(|| panic!("no slot for `{}`", String::from_utf8_lossy(name)))
    }

    /// The first cluster that a slot says.
    pub(crate) fn first(&self, bytes: &[u8], slot: usize) -> usize {
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[slot + at], bytes[slot + at + 1]]));
        word(26) | if self.kind == FatType::Fat32 { word(20) << 16 } else { 0 }
    }

    /// Makes a slot say another first cluster.
    pub(crate) fn set_first(&self, bytes: &mut [u8], slot: usize, cluster: usize) {
        bytes[slot + 26..slot + 28].copy_from_slice(&(cluster as u16).to_le_bytes());
        bytes[slot + 20..slot + 22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
    }
}
