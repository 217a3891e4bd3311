//! Damaged objects: thousands of them, each refused or linked, none with a panic, and none that costs much memory.

mod support;

use std::fs;

use modlink::{Object, aout};
use support::{Work, exercise::exercise};

/// A small generator of numbers, the same ones in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("small")
    }
}

/// Values that break comparisons and sums.
const EDGES: [u64; 12] = [0, 1, 0x7f, 0xff, 0xfff1, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX - 7, u64::MAX];

fn mutate(original: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=numbers.below(4) {
        // Headers and tables decide more than code does.
        let near = [0, bytes.len().saturating_sub(bytes.len() / 3)][numbers.below(2)];
        let at = match numbers.below(3) {
            0 => numbers.below(bytes.len().min(64)),
            1 => near + numbers.below(bytes.len() - near),
            _ => numbers.below(bytes.len()),
        };
        let at = at.min(bytes.len() - 1);
        match numbers.below(6) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = u8::try_from(numbers.below(256)).expect("byte"),
            2 => {
                let at = at & !3;
                let edge = EDGES[numbers.below(EDGES.len())].to_le_bytes();
                let size = [1, 2, 4, 8][numbers.below(4)];
                bytes.iter_mut().skip(at).zip(&edge[..size]).for_each(|(byte, edge)| *byte = *edge);
            }
            3 => bytes.truncate(at.max(1)),
            4 => {
                let from = numbers.below(bytes.len());
                let size = numbers.below(64).min(bytes.len() - at.max(from));
                bytes.copy_within(from..from + size, at);
            }
            _ => {
                let by = u8::try_from(numbers.below(16)).expect("small");
                bytes[at] = bytes[at].wrapping_add(by).wrapping_sub(8);
            }
        }
    }
    bytes
}

fn survive(original: &[u8], count: usize, seed: u64) {
    assert!(exercise(original), "the original links");
    let mut numbers = Numbers(seed);
    let linked = (0..count).filter(|_| exercise(&mutate(original, &mut numbers))).count();
    // Both outcomes have to occur, or the mutations were pointless.
    assert!(linked > count / 50 && linked < count, "{linked} of {count} were linked");
}

#[test]
fn damaged_elf_objects() {
    for (compiler, flags, file, count) in [
        ("gcc", "-O2 -fPIC", "plain.c", 4000),
        ("gcc", "-O2 -fno-pic -mcmodel=large", "plain.c", 1000),
        ("g++", "-O1 -fPIC", "groups.cc", 2000),
        ("gcc", "-m32 -O2 -ffreestanding -fpic", "plain.c", 2000),
    ] {
        let work = Work::new();
        survive(&fs::read(work.corpus(compiler, flags, file)).expect("object"), count, 1);
    }
}

#[test]
fn damaged_aout_objects() {
    for flags in ["-m32", "-mcmodel=small"] {
        let work = Work::new();
        let flags = format!("{flags} -O2 -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -fcommon");
        let elf = fs::read(work.corpus("gcc", &flags, "plain.c")).expect("object");
        survive(&aout::write(&elf).expect("a.out"), 3000, 2);
    }
}

#[test]
fn damaged_objects_are_converted_or_refused() {
    let work = Work::new();
    let flags = "-O2 -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -fcommon";
    let original = fs::read(work.corpus("gcc", flags, "plain.c")).expect("object");
    let mut numbers = Numbers(3);
    let mut converted = 0;
    for _ in 0..1000 {
        if let Ok(bytes) = aout::write(&mutate(&original, &mut numbers)) {
            Object::parse(&bytes).unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
            converted += 1;
        }
    }
    assert!(converted > 0);
}

#[test]
fn every_truncation_is_refused_or_linked() {
    let work = Work::new();
    let elf = fs::read(work.corpus("gcc", "-O2 -fPIC", "plain.c")).expect("object");
    for size in (0..elf.len()).step_by(3) {
        assert!(!exercise(&elf[..size]), "section headers are at the end: {size} bytes linked");
    }
}

#[test]
fn memory_is_bounded_by_the_file() {
    // One relocation table, claimed by a thousand sections.
    let work = Work::new();
    let bytes = fs::read(work.corpus("gcc", "-m32 -O2 -ffreestanding -fpic", "plain.c")).expect("object");
    let table = usize::try_from(u32::from_le_bytes(*bytes[32..].first_chunk().expect("e_shoff"))).expect("small");
    let count = usize::from(u16::from_le_bytes(*bytes[48..].first_chunk().expect("e_shnum")));
    let is_relocations = |header: &[u8]| header[4..8] == 9_u32.to_le_bytes();
    let headers: Vec<&[u8]> = bytes[table..table + count * 40].chunks_exact(40).collect();
    let relocations = headers.iter().find(|header| is_relocations(header)).expect("relocations").to_vec();
    let mut hostile = bytes.clone();
    for header in &headers {
        hostile.extend_from_slice(header);
    }
    for _ in 0..1000 {
        hostile.extend_from_slice(&relocations);
    }
    hostile[32..36].copy_from_slice(&u32::try_from(bytes.len()).expect("small").to_le_bytes());
    hostile[48..50].copy_from_slice(&u16::try_from(count + 1000).expect("few").to_le_bytes());
    let error = Object::parse(&hostile).expect_err("overlapping");
    assert!(matches!(error, modlink::Error::OverlappingSections { .. }), "{error}");
}

#[test]
fn saved_inputs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let mut files: Vec<_> = fs::read_dir(folder).expect("inputs").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut numbers = Numbers(4);
    for file in files {
        let bytes = fs::read(&file).expect("input");
        exercise(&bytes);
        (0..500).for_each(|_| {
            exercise(&mutate(&bytes, &mut numbers));
        });
    }
}
