//! Long names, aliases, and case.

use fatfs::FatType;

use crate::driver::{Disk, ENOENT};
use crate::image::{self, Parts};

/// A FAT16 image with these files in its root.
fn with(names: &[&str]) -> Vec<u8> {
    let mut bytes = image::empty(FatType::Fat16);
    image::edit(&mut bytes, |volume| {
        for name in names {
            image::write(volume, name, name.as_bytes());
        }
    });
    bytes
}

/// The names in the root, as this type lists them.
fn listed(bytes: &[u8], kind: &str) -> Vec<String> {
    Disk::new(bytes).tree(kind).into_keys().map(|path| path[1..].to_owned()).collect()
}

/// Where these UTF-16 units stand in the image, within one slot.
fn find_units(bytes: &[u8], units: &[u16]) -> usize {
    let wanted: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    bytes.windows(wanted.len()).position(|window| window == wanted).expect("the name is in the image")
}

#[test]
fn vfat_finds_names_in_any_case_and_by_alias() {
    let disk = Disk::new(&with(&["A long name.text", "Ärger Ωmega жук.txt", "SHORT.TXT", "trailing"]));
    let long = disk.stat("vfat", "A long name.text").expect("as written");
    for name in ["a LONG name.TEXT", "A LONG NAME.TEXT", "ALONGN~1.TEX", "alongn~1.tex", "A long name.text...", "a long name.text."] {
        assert_eq!(disk.stat("vfat", name), Ok(long), "{name}");
    }
    let foreign = disk.stat("vfat", "Ärger Ωmega жук.txt").expect("as written");
    assert_eq!(disk.stat("vfat", "äRGER ωMEGA ЖУК.TXT"), Ok(foreign));
    assert_eq!(disk.stat("vfat", "short.txt"), disk.stat("vfat", "SHORT.TXT"));
    for name in ["A long name", "A long name.text2", "long name.text", "ALONGN~2.TEX", "SHORT", "SHORTTXT", "..", "\u{fffd}"] {
        assert_eq!(disk.stat("vfat", name), Err(ENOENT), "{name}");
    }
}

#[test]
fn msdos_knows_short_names_only() {
    let bytes = with(&["A long name.text", "SHORT.TXT", "NOEXT"]);
    assert_eq!(listed(&bytes, "msdos"), ["alongn~1.tex", "noext", "short.txt"]);
    let disk = Disk::new(&bytes);
    assert!(disk.stat("msdos", "ALONGN~1.TEX").is_ok() && disk.stat("msdos", "Short.Txt").is_ok());
    assert_eq!(disk.stat("msdos", "A long name.text"), Err(ENOENT));
    assert_eq!(disk.stat("msdos", "noext.txt"), Err(ENOENT));
    assert_eq!(disk.stat("msdos", "noext.longer"), Err(ENOENT));
}

#[test]
fn case_flags_and_code_page() {
    let mut bytes = with(&["LOWER.TXT", "BASE.TXT", "EXT.TXT", "XX.TXT", "YY.TXT"]);
    let parts = Parts::of(&bytes);
    for (name, flags) in [(b"LOWER   TXT", 0x18), (b"BASE    TXT", 0x08), (b"EXT     TXT", 0x10)] {
        let slot = parts.slot(&bytes, parts.root, name);
        bytes[slot + 12] = flags;
        // The writer gives every file a long name, which would come first.
        bytes[slot - 32] = 0xe5;
    }
    // 0x05 stands for 0xe5, which would mean "deleted"; 0x8e is a letter of code page 437.
    let slot = parts.slot(&bytes, parts.root, b"XX      TXT");
    bytes[slot..slot + 2].copy_from_slice(&[0x05, 0x8e]);
    // A slash or a control character must not get into a path.
    let slot = parts.slot(&bytes, parts.root, b"YY      TXT");
    bytes[slot..slot + 2].copy_from_slice(b"/\x07");
    assert_eq!(listed(&bytes, "vfat"), ["EXT.txt", "__.TXT", "base.TXT", "lower.txt", "σÄ.TXT"]);
    assert_eq!(listed(&bytes, "msdos"), ["__.txt", "base.txt", "ext.txt", "lower.txt", "σÄ.txt"]);
    assert!(Disk::new(&bytes).stat("vfat", "σä.txt").is_ok());
}

#[test]
fn surrogates_come_in_pairs() {
    // U+E000 and U+E001 hold the place: the writer knows no character above U+FFFF.
    let mut bytes = with(&["ab\u{e000}\u{e001}c.txt"]);
    let at = find_units(&bytes, &[0xe000, 0xe001]);
    let set = |bytes: &mut Vec<u8>, pair: [u16; 2]| {
        bytes[at..at + 2].copy_from_slice(&pair[0].to_le_bytes());
        bytes[at + 2..at + 4].copy_from_slice(&pair[1].to_le_bytes());
    };
    set(&mut bytes, [0xd83d, 0xde00]);
    assert_eq!(listed(&bytes, "vfat"), ["ab😀c.txt"]);
    assert!(Disk::new(&bytes).stat("vfat", "AB😀C.TXT").is_ok());
    for (pair, shown) in
        [([0xd83d, 0x0041], "ab\u{fffd}Ac.txt"), ([0xde00, 0xd83d], "ab\u{fffd}\u{fffd}c.txt"), ([0x0041, 0xdc00], "abA\u{fffd}c.txt")]
    {
        set(&mut bytes, pair);
        assert_eq!(listed(&bytes, "vfat"), [shown], "{pair:x?}");
        assert!(Disk::new(&bytes).stat("vfat", shown).is_ok(), "what is listed is found");
    }
}

#[test]
fn names_of_full_length() {
    let ascii = "x".repeat(255);
    let bytes = with(&[&ascii]);
    assert_eq!(listed(&bytes, "vfat"), [ascii.as_str()]);
    let bytes = with(&[&"日".repeat(85)]);
    assert_eq!(listed(&bytes, "vfat"), ["日".repeat(85)], "255 bytes are not too many");
    // 86 of these characters are a name on disk, but not in a path: the alias stands for it.
    let mut bytes = with(&[&"x".repeat(86)]);
    let root = Parts::of(&bytes).root;
    for slot in bytes[root..].chunks_exact_mut(32).filter(|slot| slot[11] == 0x0f) {
        for at in (1..11).chain(14..26).chain(28..32) {
            if slot[at..].starts_with(b"x\0") {
                slot[at..at + 2].copy_from_slice(&0x65e5_u16.to_le_bytes());
            }
        }
    }
    let names = listed(&bytes, "vfat");
    assert!(names.len() == 1 && names[0].starts_with("XXXXXX") && names[0].is_ascii(), "{names:?}");
}

/// Changes to the two slots of a long name (bytes of a 32-byte slot; from 32 on, of the second) that make it worthless.
const BROKEN: &[(&str, usize, u8)] = &[
    ("the number", 0, 0x45),
    ("not marked as the last", 0, 0x02),
    ("a number of zero", 0, 0x40),
    ("a number above twenty", 0, 0x5f),
    ("bits that have no meaning", 0, 0xc2),
    ("deleted", 0, 0xe5),
    ("the checksum", 13, 0x00),
    ("another attribute", 11, 0x08),
    ("the number of the second", 32, 0x03),
    ("the first number again", 32, 0x02),
    ("the first one again", 32, 0x42),
    ("the checksum of the second", 32 + 13, 0x00),
    ("the second is deleted", 32, 0xe5),
];

#[test]
fn a_long_name_counts_only_if_it_is_whole() {
    let good = with(&["A name of two slots.txt"]);
    assert_eq!(listed(&good, "vfat"), ["A name of two slots.txt"]);
    let parts = Parts::of(&good);
    let slot = parts.slot(&good, parts.root, b"ANAMEO~1TXT");
    let first = slot - 64;
    assert_eq!(good[first], 0x42, "two pieces");
    for (what, at, byte) in BROKEN {
        let mut bytes = good.clone();
        assert_ne!(bytes[first + at], *byte, "{what}");
        bytes[first + at] = *byte;
        assert_eq!(listed(&bytes, "vfat"), ["ANAMEO~1.TXT"], "{what}");
    }
    // An old system renamed the file and did not know of the pieces.
    let mut bytes = good.clone();
    bytes[slot..slot + 11].copy_from_slice(b"RENAMED TXT");
    assert_eq!(listed(&bytes, "vfat"), ["RENAMED.TXT"]);
    // It deleted the file; the pieces belong to nothing.
    let mut bytes = good;
    bytes[slot] = 0xe5;
    assert_eq!(listed(&bytes, "vfat"), Vec::<String>::new());
}

#[test]
fn hostile_names_do_not_become_paths() {
    for (from, to) in [(['a', 'b'], ['/', 'b']), (['a', 'b'], ['\u{1}', 'b']), (['a', 'b'], ['\n', 'b'])] {
        let mut bytes = with(&["ab is a name.txt"]);
        let at = find_units(&bytes, &from.map(|c| c as u16));
        for (index, character) in to.iter().enumerate() {
            bytes[at + 2 * index..at + 2 * index + 2].copy_from_slice(&(*character as u16).to_le_bytes());
        }
        assert_eq!(listed(&bytes, "vfat"), ["ABISAN~1.TXT"], "{to:?}");
    }
    // "..": as a long name, and as an 8.3 name that only looks like it.
    let mut bytes = with(&["ab is.x"]);
    let at = find_units(&bytes, &['a' as u16, 'b' as u16]);
    for (index, unit) in ['.' as u16, '.' as u16, 0].iter().enumerate() {
        bytes[at + 2 * index..at + 2 * index + 2].copy_from_slice(&unit.to_le_bytes());
    }
    assert_eq!(listed(&bytes, "vfat"), ["ABIS~1.X"]);
    let mut bytes = with(&["PLAIN"]);
    let parts = Parts::of(&bytes);
    for name in [b"        .  ", b"           ", b"..         ", b".          "] {
        let slot = parts.root + bytes[parts.root..].chunks_exact(32).position(|slot| slot[11] & 0x08 == 0).expect("the file") * 32;
        bytes[slot..slot + 11].copy_from_slice(name);
        assert_eq!(listed(&bytes, "vfat"), Vec::<String>::new(), "{name:?}");
        assert_eq!(listed(&bytes, "msdos"), Vec::<String>::new(), "{name:?}");
    }
}
