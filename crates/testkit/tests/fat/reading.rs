//! Whatever others wrote is read back.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use fatfs::FatType;

use crate::driver::{Disk, EINVAL, Entry, Tree};
use crate::image::{self, ALL, Volume};

/// Path and CRC (`None` for a directory) of all that is below a folder of this machine.
fn contents(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Option<u32>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.insert(path.clone(), None);
            contents(&entry.path(), &path, found);
        } else {
            found.insert(path, Some(crc32fast::hash(&std::fs::read(entry.path()).expect("a file"))));
        }
    }
}

/// The same of a volume, by the crate, under long or 8.3 names.
fn contents_by_crate(
    directory: &fatfs::Dir<'_, std::io::Cursor<&mut Vec<u8>>>,
    prefix: &str,
    short: bool,
    found: &mut BTreeMap<String, Option<u32>>,
) {
    for entry in directory.iter() {
        let entry = entry.expect("an entry");
        let name = if short { entry.short_file_name().to_lowercase() } else { entry.file_name() };
        let path = format!("{prefix}/{name}");
        if name == "." || name == ".." {
            continue;
        }
        if entry.is_dir() {
            found.insert(path.clone(), None);
            contents_by_crate(&entry.to_dir(), &path, short, found);
        } else {
            let mut bytes = Vec::new();
            entry.to_file().read_to_end(&mut bytes).expect("a file");
            found.insert(path, Some(crc32fast::hash(&bytes)));
        }
    }
}

/// Paths and checksums of a tree that could be read without an error.
#[track_caller]
fn sums(tree: &Tree) -> BTreeMap<String, Option<u32>> {
    let bad: Vec<_> = tree.iter().filter(|(_, entry)| entry.error != 0).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    tree.iter().map(|(path, entry)| (path.clone(), entry.crc)).collect()
}

/// A folder with files of telling sizes, long and foreign names, many files, and deep folders.
fn sample_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    // The root directory of a small volume has room for few long names, so there is only a folder in it.
    let top = folder.path().join("everything");
    let file = |name: &str, length: usize| {
        let path = top.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, (0..length).map(|at| (at * 31 + length) as u8).collect::<Vec<_>>()).expect("a file");
    };
    for length in [0, 1, 511, 512, 513, 1023, 1024, 1025, 65535, 65536, 65537, 150_000] {
        file(&format!("size{length}"), length);
    }
    for number in 0..150 {
        file(&format!("many/A file with the number {number}.text"), number);
    }
    // mcopy does not take much longer ones.
    let long_name = "n".repeat(200);
    for name in [
        "UPPER.TXT",
        "lower.txt",
        "Mixed.Txt",
        "a.b.c.d",
        "no extension",
        "grüße an Ärger.txt",
        "Ωμέγα.кириллица",
        "日本語.テキスト",
        &long_name,
    ] {
        file(name, 100);
    }
    file("one/two/three/four/five/six/seven.txt", 7000);
    std::fs::create_dir(top.join("empty folder")).expect("a folder");
    folder
}

#[test]
fn images_of_mtools_read_as_they_were_written() {
    let folder = sample_folder();
    let mut expected = BTreeMap::new();
    contents(folder.path(), "", &mut expected);
    for kind in ALL {
        let mut bytes = image::by_tools(kind, folder.path());
        let disk = Disk::new(&bytes);
        assert_eq!(sums(&disk.tree("vfat")), expected, "{kind:?}");
        let mut short = BTreeMap::new();
        image::edit(&mut bytes, |volume| contents_by_crate(&volume.root_dir(), "", true, &mut short));
        // The crate does not know the code page of these three names.
        let ascii = |sums: BTreeMap<String, Option<u32>>| sums.into_iter().filter(|(path, _)| path.is_ascii()).collect::<BTreeMap<_, _>>();
        let seen = sums(&disk.tree("msdos"));
        assert_eq!(seen.len(), expected.len(), "{kind:?}");
        assert!(short.len() > 150);
        for (path, crc) in ascii(seen) {
            assert_eq!(short.get(&path), Some(&crc), "{kind:?} {path}");
        }
    }
}

/// Writes two files in turns, so that their clusters alternate, and between others that go again.
fn fragment(volume: &Volume<'_>) {
    let root = volume.root_dir();
    let pattern = image::pattern(120_000);
    let mut one = root.create_file("frag1.bin").expect("a file");
    let mut two = root.create_file("frag2.bin").expect("a file");
    for (number, piece) in pattern.chunks(1500).enumerate() {
        one.write_all(piece).expect("it can be written");
        two.write_all(&[number as u8; 700]).expect("it can be written");
        image::write(volume, &format!("deleted {number}"), &[1; 600]);
    }
    for number in (0..80).step_by(2) {
        root.remove(&format!("deleted {number}")).expect("it can be removed");
    }
    // This one fills the holes.
    image::write(volume, "into the gaps", &image::pattern(30_000));
}

#[test]
fn fragmented_files_and_deleted_entries() {
    for kind in ALL {
        let mut bytes = image::empty(kind);
        image::edit(&mut bytes, fragment);
        let disk = Disk::new(&bytes);
        let mut expected = BTreeMap::new();
        let mut copy = bytes.clone();
        image::edit(&mut copy, |volume| contents_by_crate(&volume.root_dir(), "", false, &mut expected));
        let seen = sums(&disk.tree("vfat"));
        assert_eq!(seen, expected, "{kind:?}");
        assert_eq!(seen["/frag1.bin"], Some(crc32fast::hash(&image::pattern(120_000))));
        assert!(!seen.contains_key("/deleted 0") && seen.contains_key("/deleted 1"));
        disk.threads();
    }
}

#[test]
fn free_space_is_counted() {
    for kind in ALL {
        let mut bytes = image::empty(kind);
        image::edit(&mut bytes, fragment);
        let mut expected = (0, 0);
        let mut copy = bytes.clone();
        image::edit(&mut copy, |volume| {
            let stats = volume.stats().expect("statistics");
            expected = (u64::from(stats.total_clusters()), u64::from(stats.free_clusters()));
        });
        let seen = Disk::new(&bytes).statfs("vfat");
        assert_eq!((seen.block_size, seen.blocks, seen.free, seen.name_length), (512, expected.0, expected.1, 255), "{kind:?}");
        assert_eq!(Disk::new(&bytes).statfs("msdos").name_length, 12);
    }
}

#[test]
fn large_clusters_and_large_sectors() {
    for (sector, cluster) in [(512, 32768), (1024, 1024), (2048, 16384), (4096, 4096)] {
        let mut bytes = vec![0; 12 << 20];
        let options = fatfs::FormatVolumeOptions::new().bytes_per_sector(sector).bytes_per_cluster(cluster);
        fatfs::format_volume(std::io::Cursor::new(&mut bytes), options).expect("it can be formatted");
        image::edit(&mut bytes, |volume| {
            fragment(volume);
            volume.root_dir().create_dir("folder").expect("a folder");
            for number in 0..40 {
                image::write(volume, &format!("folder/file number {number}"), &[number; 5000]);
            }
        });
        let mut expected = BTreeMap::new();
        let mut copy = bytes.clone();
        image::edit(&mut copy, |volume| contents_by_crate(&volume.root_dir(), "", false, &mut expected));
        assert_eq!(sums(&Disk::new(&bytes).tree("vfat")), expected, "sectors of {sector}, clusters of {cluster}");
    }
}

/// Modification times as mcopy writes them, and the days that calendars get wrong. Date and time fields of a slot, and seconds since 1970.
const TIMES: &[(u16, u16, i64)] = &[
    (1 << 5 | 1, 0, 315_532_800),                                      // 1980-01-01 00:00:00
    (20 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28, 951_827_696),     // 2000-02-29 12:34:56
    (20 << 9 | 3 << 5 | 1, 0, 951_868_800),                            // 2000-03-01
    (46 << 9 | 11 << 5 | 21, 23 << 11 | 59 << 5 | 29, 1_795_305_598),  // 2026-11-21 23:59:58
    (120 << 9 | 2 << 5 | 28, 0, 4_107_456_000),                        // 2100-02-28
    (120 << 9 | 3 << 5 | 1, 0, 4_107_542_400),                         // 2100-03-01, the day after
    (127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29, 4_354_819_198), // 2107-12-31 23:59:58
    (0, 0, 0),                                                         // no date
    (13 << 5 | 1, 0, 0),                                               // month 13
];

#[test]
fn times() {
    for (date, time, expected) in TIMES {
        let mut bytes = image::empty(FatType::Fat12);
        image::edit(&mut bytes, |volume| image::write(volume, "FILE", b"x"));
        let parts = image::Parts::of(&bytes);
        let slot = parts.slot(&bytes, parts.root, b"FILE       ");
        bytes[slot + 22..slot + 24].copy_from_slice(&time.to_le_bytes());
        bytes[slot + 24..slot + 26].copy_from_slice(&date.to_le_bytes());
        assert_eq!(Disk::new(&bytes).tree("vfat")["/FILE"].mtime, *expected, "date {date:#x} time {time:#x}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = std::fs::File::create(folder.path().join("old")).expect("a file");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("a time");
    assert_eq!(Disk::new(&image::by_tools(FatType::Fat16, folder.path())).tree("vfat")["/old"].mtime, 1_000_000_000);
}

#[test]
fn attributes_and_options() {
    let mut bytes = image::empty(FatType::Fat16);
    image::edit(&mut bytes, |volume| {
        for name in ["PLAIN", "READONLY", "HIDDEN", "SYSTEM"] {
            image::write(volume, name, b"x");
        }
        volume.root_dir().create_dir("FOLDER").expect("a folder");
    });
    let parts = image::Parts::of(&bytes);
    for (name, attribute) in [(b"READONLY   ", 0x01), (b"HIDDEN     ", 0x02), (b"SYSTEM     ", 0x04)] {
        let slot = parts.slot(&bytes, parts.root, name);
        bytes[slot + 11] |= attribute;
    }
    let disk = Disk::new(&bytes);
    let modes = |options: &str| {
        let tree: BTreeMap<String, Entry> = disk.try_tree("vfat", options).expect("it mounts");
        ["/PLAIN", "/READONLY", "/HIDDEN", "/SYSTEM", "/FOLDER"].map(|path| tree[path].mode)
    };
    assert_eq!(disk.tree("vfat").len(), 5, "the label is no file");
    assert_eq!(modes(""), [0o100_755, 0o100_555, 0o100_755, 0o100_755, 0o040_755]);
    assert_eq!(modes("umask=077"), [0o100_700, 0o100_500, 0o100_700, 0o100_700, 0o040_700]);
    assert_eq!(modes("ro,fmask=0133,dmask=002,quiet")[0], 0o100_644);
    assert_eq!(modes("ro,fmask=0133,dmask=002,quiet")[4], 0o040_775);
    for wrong in ["no_such_option", "umask=", "umask=9", "umask=7777", "rox", "umask=0x7"] {
        assert_eq!(disk.try_tree("vfat", wrong), Err(EINVAL), "{wrong}");
    }
}
