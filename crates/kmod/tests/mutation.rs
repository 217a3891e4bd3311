//! Bytes from outside, damaged in ten thousand ways: an error or an answer, never a panic, a hang or memory without bound.
//!
//! What is called with them is in `support/targets.rs`, for the fuzzer to call it too.

#[path = "support/targets.rs"]
mod targets;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use kmod::Error;
use kmod::file::{Compression, ModuleFile};
use kmod::index::TrieWriter;

use targets::{compressed_target, file_target, text_target, trie_target};

/// How many damaged inputs each target sees.
const ROUNDS: u64 = 10_000;

/// Xorshift: the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// Flips bits, puts in extreme numbers, cuts, repeats and mixes: one to four times.
fn damage(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                let extreme = [0u64, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 0x8000_0000_0000_0000][random.below(6)];
                let width = [1, 2, 4, 8][random.below(4)];
                for (byte, new) in bytes.iter_mut().skip(at).take(width).zip(extreme.to_le_bytes()) {
                    *byte = new;
                }
            }
            3 => {
                let end = (at + random.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                let (from, to) = (random.below(bytes.len()), random.below(bytes.len()));
                for offset in 0..8.min(bytes.len() - from.max(to)) {
                    bytes[to + offset] = bytes[from + offset];
                }
            }
            _ => {
                let random = random.next();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.to_le_bytes()[0];
                }
            }
        }
    }
    bytes
}

fn run(seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for seed in seeds {
        target(seed);
        for _ in 0..ROUNDS / seeds.len() as u64 {
            target(&damage(seed, &mut random));
        }
    }
}

/// A small module with everything that is read of one.
fn module() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("m.c"), dir.path().join("m.o"));
    let text = r#"
        extern int wanted(void); extern int weakly(void) __attribute__((weak));
        int offered(void) { return wanted() + (weakly ? weakly() : 0); }
        static const char info[] __attribute__((section(".modinfo"), used)) = "license=GPL\0alias=fs-m\0parm=a:b\0parmtype=a:int\0vermagic=1.2";
        static const char exports[] __attribute__((section("__ksymtab_strings"), used)) = "offered";
        static const char versions[128] __attribute__((section("__versions"), used)) = "\1\2\3\4\0\0\0\0wanted";
        static const char names[] __attribute__((section("__version_ext_names"), used)) = "a_very_long_name\0wanted";
        static const int crcs[] __attribute__((section("__version_ext_crcs"), used)) = { 7, 8 };
        __asm__(".globl __crc_offered\n__crc_offered = 0x1234\n");
    "#;
    std::fs::write(&source, text).unwrap();
    let done = Command::new("gcc").args(["-c", "-Wl,--build-id"]).arg(&source).arg("-o").arg(&object).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(object).unwrap()
}

/// A PKCS#7 message as `sign-file` makes one, with the marker behind it.
fn signed(mut module: Vec<u8>) -> Vec<u8> {
    fn value(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
        let body = contents.concat();
        let mut out = vec![tag];
        if body.len() < 128 {
            out.push(u8::try_from(body.len()).unwrap());
        } else {
            out.push(0x82);
            out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        }
        out.extend(body);
        out
    }
    let name = value(0x30, &[&value(0x31, &[&value(0x30, &[&[6, 3, 0x55, 4, 3], &value(12, &[b"a key"])])])]);
    let sha256 = value(0x30, &[&value(6, &[&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]])]);
    let signer = value(
        0x30,
        &[&[2, 1, 1], &value(0x30, &[&name, &[2, 2, 0, 0x99]]), &sha256, &value(0x30, &[&[6, 1, 42]]), &value(4, &[&[0x5a; 256]])],
    );
    let data = value(0x30, &[&[2, 1, 1], &value(0x31, &[&sha256]), &value(0x30, &[&[6, 1, 42]]), &value(0x31, &[&signer])]);
    let message = value(0x30, &[&[6, 1, 42], &value(0xa0, &[&data])]);
    module.extend(&message);
    module.extend([0, 0, 2, 0, 0, 0, 0, 0]);
    module.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    module.extend(b"~Module signature appended~\n");
    module
}

/// A classic a.out object: two globals, one of them undefined.
fn aout() -> Vec<u8> {
    let mut bytes = Vec::new();
    let strings = b"_offered\0_wanted\0";
    for word in [0o407u32, 8, 0, 0, 24, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([0x90; 8]);
    for (strx, kind) in [(4u32, 5u8), (13, 1)] {
        bytes.extend(strx.to_le_bytes());
        bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    }
    bytes.extend(u32::try_from(strings.len() + 4).unwrap().to_le_bytes());
    bytes.extend(strings);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

#[test]
fn the_seeds_are_read_in_full() {
    let plain = ModuleFile::from_bytes(Path::new("m.ko"), module()).unwrap();
    assert_eq!(plain.exports().unwrap()[0], kmod::file::Export { name: "offered".into(), crc: 0x1234 });
    let imports = plain.imports().unwrap();
    let wanted = imports.iter().find(|i| i.name == "wanted").unwrap();
    assert_eq!((wanted.weak, wanted.crc), (false, Some(8)), "the extended table counts");
    assert!(imports.iter().any(|i| i.name == "weakly" && i.weak));
    let signature = ModuleFile::from_bytes(Path::new("m.ko"), signed(module())).unwrap().signature().unwrap().unwrap();
    assert_eq!((signature.signer.as_slice(), signature.key.as_slice(), signature.hash.as_str()), (&b"a key"[..], &[0x99][..], "sha256"));
    assert_eq!(signature.signature, [0x5a; 256]);
    let old = ModuleFile::from_bytes(Path::new("m.o"), aout()).unwrap();
    assert_eq!(old.exports().unwrap()[0].name, "offered");
    assert_eq!(old.imports().unwrap()[0].name, "wanted");
    for packed in [gzip(&module()), xz(&module()), zstd(&module())] {
        let file = ModuleFile::from_bytes(Path::new("m.ko"), packed).unwrap();
        assert_eq!(file.bytes().unwrap(), module());
        assert_eq!(file.modinfo().unwrap().value("license").unwrap(), "GPL");
    }
}

#[test]
fn damaged_modules() {
    run(&[module(), signed(module()), aout()], file_target);
}

#[test]
fn damaged_compressed_modules() {
    run(&[gzip(&module()), xz(&module()), zstd(&module())], |bytes| {
        compressed_target(bytes);
    });
}

#[test]
fn damaged_indexes() {
    let mut writer = TrieWriter::default();
    let keys = ["fs_vfat", "fs_*", "pci:v00008086d*sv*sd*bc06sc*i*", "pci:v00008086d00001237sv*sd*bc*sc*i*", "", "x[0-9]?", "usb:v1d6b*"];
    for (rank, key) in (0u32..).zip(keys) {
        writer.insert(key, &format!("module{rank}"), rank).unwrap();
        writer.insert(key, "twice", rank).unwrap();
    }
    run(&[writer.finish()], trie_target);
}

#[test]
fn damaged_texts() {
    let config =
        b"alias x-* y\nblacklist a\noptions vfat a=\"b c\" d\ninstall sn* /bin/true $CMDLINE_OPTS\nsoftdep vfat pre: a b post: c\n\
        forbid x[a-z]*\nweakdep a b\\\n c\nsearch updates built-in\noverride a * b\nexternal 6.* /x\nexclude y\n";
    let cmdline = b"quiet a.b=c \"d.e=f g\" modprobe.blacklist=a,b x.y.z=1 .a= \"";
    let lists = b"kernel/a.ko: kernel/b.ko\nfuse fuse c10:229\nvfat 24576 0 - Live 0x0 (OE)\nvfat.alias=fs-vfat\0vfat.license=GPL\0";
    run(&[config.to_vec(), cmdline.to_vec(), lists.to_vec()], text_target);
}

#[test]
fn bombs_end_at_the_limit() {
    let zeros = vec![0u8; 8 << 20];
    for (format, bomb) in [(Compression::Gzip, gzip(&zeros)), (Compression::Xz, xz(&zeros)), (Compression::Zstd, zstd(&zeros))] {
        assert!(bomb.len() < 1 << 20, "{format}: {} bytes", bomb.len());
        let refused = format.decompress(&bomb, 1 << 20).unwrap_err();
        assert!(matches!(refused, Error::TooLarge { limit } if limit == 1 << 20), "{format}: {refused}");
        assert_eq!(format.decompress(&bomb, 8 << 20).unwrap().len(), 8 << 20);
    }
}
