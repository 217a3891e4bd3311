//! Damaged and hostile images: an error, and neither a trap nor an endless loop.

use fatfs::FatType;

use crate::driver::{Disk, EINVAL, EIO, Tree};
use crate::image::{self, ALL, Parts};

/// A volume with a file of five clusters, a folder of many slots, and a folder in a folder.
fn sample(kind: FatType) -> Vec<u8> {
    let mut bytes = image::empty(kind);
    image::edit(&mut bytes, |volume| {
        image::write(volume, "FILE", &image::pattern(2500));
        image::write(volume, "OTHER", b"undamaged");
        volume.root_dir().create_dir("OUTER").and_then(|outer| outer.create_dir("INNER")).expect("a folder");
        for number in 0..20 {
            image::write(volume, &format!("OUTER/a long name, number {number}.txt"), &[number; 600]);
        }
    });
    bytes
}

/// The first cluster of something in the root.
fn first(bytes: &[u8], name: &[u8; 11]) -> usize {
    let parts = Parts::of(bytes);
    parts.first(bytes, parts.slot(bytes, parts.root, name))
}

/// Damages a sample of each type and answers what vfat then sees.
fn damaged(change: impl Fn(&mut Vec<u8>, &Parts)) -> Vec<Tree> {
    let see = |kind| {
        let mut bytes = sample(kind);
        let parts = Parts::of(&bytes);
        change(&mut bytes, &parts);
        let disk = Disk::new(&bytes);
        let tree = disk.tree("vfat");
        assert_eq!(disk.tree("msdos").len(), tree.len());
        assert_eq!(tree["/OTHER"].crc, Some(crc32fast::hash(b"undamaged")), "what is sound can still be read");
        tree
    };
    ALL.into_iter().map(see).collect()
}

/// A boot sector with these bytes changed cannot be mounted.
const BOOT: &[(&str, &[(usize, u8)])] = &[
    ("media byte", &[(21, 0x12)]),
    ("sectors of 0 bytes", &[(11, 0), (12, 0)]),
    ("sectors of 513 bytes", &[(11, 1), (12, 2)]),
    ("sectors of 256 bytes", &[(11, 0), (12, 1)]),
    ("sectors of 8,192 bytes", &[(11, 0), (12, 32)]),
    ("clusters of 0 sectors", &[(13, 0)]),
    ("clusters of 3 sectors", &[(13, 3)]),
    ("no reserved sector", &[(14, 0), (15, 0)]),
    ("no FAT", &[(16, 0)]),
    ("a root directory of a third of a sector", &[(17, 5)]),
    ("no sectors at all", &[(19, 0), (20, 0), (32, 0), (33, 0), (34, 0), (35, 0)]),
    ("fewer sectors than the FAT has", &[(19, 4), (20, 0)]),
];

/// The same for FAT32 alone.
const BOOT_32: &[(&str, &[(usize, u8)])] = &[
    ("a FAT of 0 sectors", &[(36, 0), (37, 0), (38, 0), (39, 0)]),
    ("version 1.0", &[(43, 1)]),
    ("a fixed root directory", &[(17, 16)]),
    ("root in cluster 0", &[(44, 0)]),
    ("root in cluster 1", &[(44, 1)]),
    ("root outside of the volume", &[(44, 0), (46, 255), (47, 15)]),
    ("the active FAT does not exist", &[(40, 0x82)]),
];

#[test]
fn a_boot_sector_that_makes_no_sense() {
    for kind in ALL {
        let good = sample(kind);
        let more = if kind == FatType::Fat32 { BOOT_32 } else { &[] };
        for (what, changes) in BOOT.iter().chain(more) {
            let mut bytes = good.clone();
            for (at, byte) in *changes {
                bytes[*at] = *byte;
            }
            let disk = Disk::new(&bytes);
            assert_eq!(disk.try_tree("vfat", ""), Err(EINVAL), "{kind:?}: {what}");
            assert_eq!(disk.try_tree("msdos", ""), Err(EINVAL), "{kind:?}: {what}");
        }
    }
    assert_eq!(Disk::new(&vec![0; 1 << 20]).try_tree("vfat", ""), Err(EINVAL), "zeros");
    assert_eq!(Disk::new(&vec![0xff; 1 << 20]).try_tree("vfat", ""), Err(EINVAL), "ones");
    assert_eq!(Disk::new(&[0xeb; 100]).try_tree("vfat", ""), Err(EIO), "less than a sector");
}

#[test]
fn a_chain_that_runs_in_a_circle() {
    for to in [0, 1, 4] {
        let trees = damaged(|bytes, parts| {
            let file = first(bytes, b"FILE       ");
            parts.link(bytes, file + 4, (file + to) as u32);
        });
        assert!(trees.iter().all(|tree| tree["/FILE"].error == EIO), "{to}: {trees:#?}");
    }
    let trees = damaged(|bytes, parts| {
        let file = first(bytes, b"OUTER      ");
        parts.link(bytes, file, file as u32);
    });
    assert!(trees.iter().all(|tree| tree["/OUTER"].error == EIO), "{trees:#?}");
}

#[test]
fn a_chain_that_leaves_the_volume_or_ends_early() {
    // Free, reserved, the first one behind the volume, far outside, bad, and an end where more is expected.
    for to in [0, 1, 0x0fff_fff0, 0x0fff_fff7, 0x0fff_ffff] {
        let trees = damaged(|bytes, parts| {
            let file = first(bytes, b"FILE       ");
            parts.link(bytes, file + 1, to);
        });
        assert!(trees.iter().all(|tree| tree["/FILE"].error == EIO), "{to:#x}: {trees:#?}");
    }
}

#[test]
fn clusters_behind_the_volume_are_not_read_even_if_the_device_has_them() {
    for kind in ALL {
        let mut bytes = sample(kind);
        let parts = Parts::of(&bytes);
        let (file, behind) = (first(&bytes, b"FILE       "), parts.clusters(&bytes) + 2);
        assert!(parts.cluster(behind) > bytes.len() - 512, "{kind:?}: it is behind the last one");
        bytes.resize(parts.cluster(behind) + 4096, 0xaa);
        // The table has room for that link, since it fills whole sectors.
        parts.link(&mut bytes, behind, 0x0fff_ffff);
        parts.link(&mut bytes, file + 3, behind as u32);
        assert_eq!(Disk::new(&bytes).tree("vfat")["/FILE"].error, EIO, "{kind:?}");
    }
}

#[test]
fn a_volume_has_no_more_clusters_than_its_table_has_links() {
    let mut bytes = sample(FatType::Fat16);
    let parts = Parts::of(&bytes);
    bytes[19..21].copy_from_slice(&24_000_u16.to_le_bytes());
    let disk = Disk::new(&bytes);
    assert_eq!(disk.statfs("vfat").blocks as usize, (parts.fat.end - parts.fat.start) / 2 - 2);
    assert_eq!(disk.tree("vfat")["/FILE"].error, 0);
}

#[test]
fn a_slot_that_points_nowhere() {
    for cluster in [0, 1, 0xfff0] {
        let trees = damaged(|bytes, parts| {
            for name in [b"FILE       ", b"OUTER      "] {
                let slot = parts.slot(bytes, parts.root, name);
                parts.set_first(bytes, slot, if cluster == 0xfff0 { 0x0fff_fff0 } else { cluster });
            }
        });
        for tree in trees {
            assert_eq!((tree["/FILE"].error, tree["/OUTER"].error), (EIO, EIO), "{cluster:#x}");
        }
    }
}

#[test]
fn a_file_that_claims_to_be_larger_than_its_chain() {
    for size in [3000_u32, 1 << 20, u32::MAX] {
        let trees = damaged(|bytes, parts| {
            let slot = parts.slot(bytes, parts.root, b"FILE       ");
            bytes[slot + 28..slot + 32].copy_from_slice(&size.to_le_bytes());
        });
        assert!(trees.iter().all(|tree| tree["/FILE"].error == EIO && tree["/FILE"].size == u64::from(size)), "{size}: {trees:#?}");
    }
}

#[test]
fn folders_that_are_no_tree() {
    // OUTER/INNER is OUTER itself, then the root, then the folder that holds the file.
    for target in 0..3 {
        let trees = damaged(|bytes, parts| {
            let outer = first(bytes, b"OUTER      ");
            let slot = parts.slot(bytes, parts.cluster(outer), b"INNER      ");
            let root = if parts.root < parts.cluster(2) { 0 } else { 2 };
            let cluster = [outer, root, first(bytes, b"FILE       ")][target];
            parts.set_first(bytes, slot, cluster);
        });
        for tree in trees {
            assert_eq!(tree["/OUTER/INNER"].error, EIO, "{target}");
            assert_eq!(tree["/OUTER"].error, 0, "its other entries can still be listed");
        }
    }
}

#[test]
fn an_image_that_ends_early() {
    for kind in ALL {
        let bytes = sample(kind);
        let parts = Parts::of(&bytes);
        let file = parts.cluster(first(&bytes, b"FILE       "));
        let tree = Disk::new(&bytes[..file + 600]).tree("vfat");
        assert_eq!(tree["/FILE"].error, EIO, "{kind:?}");
        assert_eq!(tree["/OUTER"].error, EIO, "{kind:?}");
        for length in [512, parts.fat.start, parts.fat.start + 100] {
            match Disk::new(&bytes[..length]).try_tree("vfat", "") {
                Ok(tree) => assert!(tree.is_empty(), "{kind:?} {length}: {tree:?}"),
                Err(error) => assert_eq!(error, EIO, "{kind:?} {length}"),
            }
        }
    }
}

#[test]
fn thousands_of_damaged_images() {
    for (kind, rounds) in [(FatType::Fat12, 2500), (FatType::Fat16, 1500), (FatType::Fat32, 500)] {
        let (mounted, errors) = Disk::new(&sample(kind)).fuzz(20, rounds);
        // Most damage leaves a volume that mounts, and much of it is met while reading: else the test tests nothing.
        assert!(mounted > rounds / 2 && mounted < rounds, "{kind:?}: {mounted} of {rounds} mounted");
        assert!(errors > rounds / 10, "{kind:?}: {errors} errors");
    }
}
