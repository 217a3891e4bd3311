//! a.out objects: what they are linked to is what the ELF objects that they were made from are linked to.

mod support;

use std::fs;

use modlink::{Addr, Error, Format, LayoutOptions, Machine, Object, SymbolPlace, UseCount, aout};
use support::Work;

const FIXED: &str = "-O2 -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -fcf-protection=none -fno-stack-protector";

/// An image, and where its symbols are.
struct Linked {
    out: Vec<u8>,
    base: u64,
    symbols: Vec<(String, u64)>,
}

fn link(bytes: &[u8], base: u64, imports: u64) -> Linked {
    let object = Object::parse(bytes).unwrap_or_else(|error| panic!("{error}"));
    let options = LayoutOptions { use_count: UseCount::Reserve, ..LayoutOptions::default() };
    let layout = object.layout(&options).expect("layout");
    // By name, since the order of symbols differs.
    let address = |name: &str| Addr(imports + name.bytes().map(u64::from).sum::<u64>() * 16);
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    let image = layout.link(Addr(base), |name| Some(address(name)), &mut out).unwrap_or_else(|error| panic!("{error}"));
    let symbols = image.symbols().map(|symbol| (symbol.name.to_owned(), symbol.addr.0)).collect();
    Linked { out, base, symbols }
}

impl Linked {
    fn addr(&self, name: &str) -> u64 {
        self.symbols.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("`{name}`")).1
    }

    fn at(&self, addr: u64) -> &[u8] {
        &self.out[usize::try_from(addr - self.base).expect("inside")..]
    }

    fn pointer(&self, addr: u64, size: usize) -> u64 {
        let mut word = [0; 8];
        word[..size].copy_from_slice(&self.at(addr)[..size]);
        u64::from_le_bytes(word)
    }

    /// What an entry of `table` points to: the nearest symbol of the image and the distance from it, or a number.
    fn leads_to(&self, entry: u64, size: usize) -> (&str, u64) {
        let pointer = self.pointer(self.addr("table") + entry * size as u64, size);
        let before = self.symbols.iter().filter(|(_, addr)| (self.base..=pointer).contains(addr));
        match before.max_by_key(|(_, addr)| *addr) {
            Some((name, addr)) if pointer < self.base + self.out.len() as u64 => (name, pointer - addr),
            _ => ("", pointer),
        }
    }

    /// Where the call at the start of a function goes.
    fn call(&self, addr: u64) -> u64 {
        let code = self.at(addr);
        if self.base >> 32 != 0 {
            // `movabs $target, %rax` of the large model.
            let at = code.windows(2).position(|two| two == [0x48, 0xb8]).expect("movabs");
            return u64::from_le_bytes(*code[at + 2..].first_chunk().expect("field"));
        }
        let at = code.iter().position(|&byte| byte == 0xe8 || byte == 0xe9).expect("call");
        let distance = i32::from_le_bytes(*code[at + 1..].first_chunk().expect("field"));
        (addr + at as u64 + 5).wrapping_add_signed(distance.into()) & 0xffff_ffff
    }
}

const SOURCE: &str = "
    extern int host(int); extern int host_data[8]; extern long mod_use_count_;
    int defined = 7; int zeroed[10]; int common_one; long common_two[4];
    static int hidden_here = 9; static const char text[] = \"text\";
    __attribute__((noipa)) int calls(int x) { return host(x) + 2; }
    __attribute__((noipa)) int own(int x) { return calls(x) + 1; }
    int *reads(void) { return &hidden_here; }
    const char *reads_text(void) { return text; }
    void *table[] = { &defined, &zeroed[3], &host_data[2], (void *)calls, &hidden_here, &common_one, &common_two[1],
        (void *)host, &mod_use_count_, (void *)text };
    int init_module(void) { return own(defined); }
    void cleanup_module(void) { host(0); }";

fn check(flags: &str, machine: Machine, base: u64, imports: u64) {
    let size = if machine == Machine::I386 { 4 } else { 8 };
    let work = Work::new();
    let elf = fs::read(work.source("gcc", &format!("{FIXED} -fcommon -fno-inline {flags}"), "module.c", SOURCE)).expect("object");
    let converted = aout::write(&elf).unwrap_or_else(|error| panic!("{error}"));
    let object = Object::parse(&converted).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((object.format(), object.machine()), (Format::Aout, machine));
    let (elf, ours) = (link(&elf, base, imports), link(&converted, base, imports));
    // Sections are in other places, so what a pointer leads to is compared by name.
    for entry in [0, 1, 2, 3, 5, 6, 7] {
        assert_eq!(ours.leads_to(entry, size), elf.leads_to(entry, size), "entry {entry}");
    }
    let table = ours.addr("table");
    assert_eq!(ours.at(ours.pointer(table + 9 * size as u64, size))[..5], *b"text\0");
    assert_eq!(ours.at(ours.pointer(table + 4 * size as u64, size))[..4], 9_u32.to_le_bytes());
    assert_eq!(ours.at(ours.pointer(table + 8 * size as u64, size))[..8], [0; 8], "the use count");
    assert_eq!(ours.call(ours.addr("own")), ours.addr("calls"));
    assert_eq!(ours.at(ours.addr("defined"))[..4], 7_u32.to_le_bytes());
    let host = imports + "host".bytes().map(u64::from).sum::<u64>() * 16;
    assert_eq!(ours.call(ours.addr("calls")), host);
}

#[test]
fn i386_objects_link_as_their_elf_originals() {
    check("-m32", Machine::I386, 0x10_0000, 0x4000_0000);
    check("-m32", Machine::I386, 0xc200_0000, 0xc010_0000);
}

#[test]
fn x86_64_objects_link_as_their_elf_originals() {
    check("-mcmodel=small", Machine::X86_64, 0x4000_0000, 0x1000_0000);
    check("-mcmodel=large", Machine::X86_64, 0x7f00_0000_0000, 0x1000_0000);
}

#[test]
fn far_calls_of_low_code_go_through_stubs() {
    let work = Work::new();
    let source = "extern int host(int); int calls(int x) { return host(x) + 1; }";
    let elf = fs::read(work.source("gcc", FIXED, "far.c", source)).expect("object");
    let converted = aout::write(&elf).expect("a.out");
    let linked = link(&converted, 0x4000_0000, 0x7f00_0000_0000);
    let stub = linked.call(linked.addr("calls"));
    assert_eq!(linked.at(stub)[..2], [0xff, 0x25]);
    let slot = stub + 6 + u64::from(u32::from_le_bytes(*linked.at(stub)[2..].first_chunk().expect("field")));
    assert_eq!(linked.pointer(slot, 8), 0x7f00_0000_0000 + "host".bytes().map(u64::from).sum::<u64>() * 16);
}

#[test]
fn what_does_not_reach_is_refused() {
    let work = Work::new();
    let source = "extern int host_data; int *reads(void) { return &host_data; }";
    let elf = fs::read(work.source("gcc", FIXED, "far.c", source)).expect("object");
    let converted = aout::write(&elf).expect("a.out");
    let object = Object::parse(&converted).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    for target in [0x8000_0000, 0x7f00_0000_0000] {
        let error = layout.link(Addr(0x10_0000), |_| Some(Addr(target)), &mut out).expect_err("too far");
        assert!(error.to_string().ends_with("must be below 2 GiB"), "{error}");
    }
}

#[test]
fn names_lose_their_underscore_and_commons_are_commons() {
    let work = Work::new();
    let source = "int block[25]; int value = 1; extern int gone __attribute__((weak)); int *where(void) { return &gone; }";
    let elf = fs::read(work.source("gcc", &format!("{FIXED} -fcommon"), "names.c", source)).expect("object");
    let converted = aout::write(&elf).expect("a.out");
    assert!(converted.windows(7).any(|window| window == b"_block\0"));
    let object = Object::parse(&converted).expect("object");
    let block = object.find("block").expect("block");
    assert_eq!((block.place, block.size, block.value), (SymbolPlace::Common, 100, 32));
    let gone = object.symbols().find(|symbol| symbol.name == "gone").expect("gone");
    assert_eq!((gone.place, gone.binding), (SymbolPlace::Undefined, modlink::Binding::Weak));
}

#[test]
fn hidden_and_unlisted_symbols_become_local() {
    let work = Work::new();
    let source = "
        int shown(void) { return 1; } int unlisted(void) { return 2; }
        __attribute__((section(\"__ksymtab_strings\"), used)) static const char list[] = \"shown\";
        int init_module(void) { return 0; } void cleanup_module(void) {}";
    let elf = fs::read(work.source("gcc", FIXED, "list.c", source)).expect("object");
    let converted = aout::write(&elf).expect("a.out");
    let object = Object::parse(&converted).expect("object");
    let globals: Vec<_> = object.globals().map(|symbol| symbol.name).collect();
    assert_eq!(globals, ["shown", "init_module", "cleanup_module"]);
    assert!(object.find("unlisted").is_some());
}

#[test]
fn code_that_needs_a_table_of_addresses_cannot_be_converted() {
    let work = Work::new();
    let elf = fs::read(work.corpus("gcc", "-O2 -fPIC", "plain.c")).expect("object");
    let error = aout::write(&elf).expect_err("global offset table");
    assert!(matches!(error, Error::NotInAout { .. }), "{error}");
}

/// A file by hand: header words, then the rest.
fn file(header: [u32; 8], rest: &[&[u8]]) -> Vec<u8> {
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    rest.iter().for_each(|part| file.extend_from_slice(part));
    file
}

const I386: u32 = 0o407 | 100 << 16;

fn relocation(address: u32, fields: u32) -> Vec<u8> {
    [address.to_le_bytes(), fields.to_le_bytes()].concat()
}

#[test]
fn relocations_follow_the_rule_of_insmod() {
    // Text of 16 bytes, data of 8, bss of 4: at 0, 16 and 24 in the file's addresses.
    let text = [0x10, 0, 0, 0, 0x18, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff, 0x2a, 0, 0, 0];
    let data = [4, 0, 0, 0, 0, 0, 0, 0];
    let relocations = [
        relocation(0, 6 | 2 << 25),                 // the word of the data's first byte
        relocation(4, 8 | 2 << 25),                 // the bss's first byte
        relocation(8, 1 << 24 | 2 << 25 | 1 << 27), // relative, symbol 0
        relocation(12, 2 | 2 << 25),                // a number
        relocation(0, 4 | 2 << 25),                 // of the data: text + 4
        relocation(4, 1 | 2 << 25 | 1 << 27),       // of the data: symbol 1
    ]
    .concat();
    let symbols = [[4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [8, 0, 0, 0, 7, 0, 0, 0, 20, 0, 0, 0]].concat();
    let strings = b"\x0c\0\0\0_ho\0_da\0";
    let bytes = file([I386, 16, 8, 4, 24, 0, 32, 16], &[&text, &data, &relocations, &symbols, strings]);
    let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let base = 0x10_0000_u32;
    layout.link(Addr(base.into()), |name| (name == "ho").then_some(Addr(0xc000_0000)), &mut out).expect("link");
    let place = |name: &str| u32::try_from(layout.section_offset(name).expect("section")).expect("small");
    let word = |at: u32| u32::from_le_bytes(*out[at as usize..].first_chunk().expect("word"));
    let (text, data, bss) = (place(".text"), place(".data"), place(".bss"));
    assert_eq!(word(text), base + data);
    assert_eq!(word(text + 4), base + bss);
    // The stored word is relative to a field at address 0 of the file.
    assert_eq!(word(text + 8), 0xc000_0000_u32.wrapping_sub(4).wrapping_sub(base + text));
    assert_eq!(word(text + 12), 0x2a);
    assert_eq!(word(data), base + text + 4);
    assert_eq!(word(data + 4), base + data + 4);
}

#[test]
fn malformed_files_are_refused() {
    let empty: &[&[u8]] = &[];
    let parse = |header, rest: &[&[u8]]| Object::parse(&file(header, rest)).map(|_| ()).expect_err("malformed");
    assert!(matches!(parse([I386, 1, 0, 0, 0, 0, 0, 0], empty), Error::Truncated { .. }));
    assert!(matches!(parse([0o407 | 3 << 16, 0, 0, 0, 0, 0, 0, 0], empty), Error::WrongMachine { machine: 3, .. }));
    assert_eq!(Object::parse(&file([0o410, 0, 0, 0, 0, 0, 0, 0], empty)).map(|_| ()), Err(Error::NotAnObject));
    let text = [0; 8];
    let one = |fields| -> Error { parse([I386, 8, 0, 0, 0, 0, 8, 0], &[&text, &relocation(0, fields)]) };
    assert!(matches!(one(4 | 1 << 25), Error::UnimplementedRelocation { length: 1, .. }));
    assert_eq!(one(4).to_string(), "unimplemented relocation at `.text`+0x0: r_length = 0");
    assert!(matches!(one(4 | 3 << 25), Error::UnimplementedRelocation { length: 3, .. }));
    assert!(matches!(one(7 | 2 << 25 | 1 << 27), Error::BadRelocation { symbol: 7, .. }));
    assert!(matches!(one(12 | 2 << 25), Error::BadRelocation { symbol: 12, .. }));
    let outside = parse([I386, 8, 0, 0, 0, 0, 8, 0], &[&text, &relocation(5, 4 | 2 << 25)]);
    assert!(matches!(outside, Error::RelocationOutsideSection { size: 8, .. }), "{outside}");
    assert!(matches!(parse([I386, 0, 0, 0, 12, 0, 0, 0], &[&[9; 12], b"\x05\0\0\0x"]), Error::BadTable { .. }));
}
