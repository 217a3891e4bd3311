//! Shapes of objects: parts and their protection, groups, common symbols, many sections, what is refused.

mod support;

use std::fs;

use modlink::{Addr, Error, Format, Layout, LayoutOptions, Machine, Object, Part, SymbolKind, UseCount};
use support::{
    Work,
    builder::{ABS, ALLOC, Builder, COMMON, EXEC, GLOBAL, GROUP, IFUNC, NOBITS, PROGBITS, SECTION, Section, TLS, UNDEF, WRITE},
};

fn linked(layout: &Layout<'_>, base: u64) -> Vec<u8> {
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    layout.link(Addr(base), |_| Some(Addr(base)), &mut out).unwrap_or_else(|error| panic!("{error}"));
    out
}

const PARTS: [Part; 5] = [Part::Text, Part::Rodata, Part::Data, Part::InitText, Part::InitData];

/// No byte of a part shares a page with a byte of another one, and everything is where its flags say.
fn check_parts(layout: &Layout<'_>) {
    let parts = layout.parts();
    let mut end = 0;
    for part in PARTS {
        let range = parts.get(part);
        assert_eq!(range.start % 4096, 0, "{part:?}");
        assert!(range.start >= end && range.end >= range.start && range.end <= layout.size(), "{part:?}");
        end = range.end;
    }
    for section in layout.sections() {
        let range = parts.get(section.part);
        assert!(section.offset >= range.start && section.offset + section.size <= range.end, "{}", section.name);
        assert_eq!(section.offset % section.align, if section.name == ".eh_frame" { section.offset % section.align } else { 0 });
    }
    assert_eq!(layout.size() % 4096, 0);
}

#[test]
fn sections_go_to_the_part_that_their_flags_ask_for() {
    let work = Work::new();
    let source = "
        extern void host(void);
        int bss[100], data = 1; const int constant = 2; const char *const names[] = { \"a\" };
        __attribute__((section(\".init.text\"))) int init_module(void) { host(); return (long)names[data]; }
        __attribute__((section(\".exit.text\"))) void cleanup_module(void) { host(); }
        __attribute__((section(\".init.data\"))) int once = 4;
        __attribute__((section(\".modinfo\"))) const char info[] = \"license=GPL\";
        int used(void) { return bss[data] + constant + once; }";
    let path = work.source("gcc", "-O2 -fPIC", "parts.c", source);
    let bytes = fs::read(path).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions { use_count: UseCount::Reserve, ..LayoutOptions::default() }).expect("layout");
    check_parts(&layout);
    let part = |name: &str| layout.sections().find(|section| section.name == name).map(|section| section.part);
    for (name, expected) in [
        (".text", Part::Text),
        (".exit.text", Part::Text),
        (".rodata", Part::Rodata),
        (".eh_frame", Part::Rodata),
        (".data", Part::Data),
        (".bss", Part::Data),
        (".data.rel.ro.local", Part::Data),
        (".init.text", Part::InitText),
        (".init.data", Part::InitData),
        (".modinfo", Part::InitData),
    ] {
        assert_eq!(part(name), Some(expected), "{name}");
    }
    assert_eq!(part(".comment"), None);
    assert_eq!((object.format(), object.machine()), (Format::Elf64, Machine::X86_64));
    assert_eq!(object.section(".modinfo"), Some(&b"license=GPL\0"[..]));
}

#[test]
fn the_use_count_is_the_first_word_of_the_data() {
    let mut builder = Builder::default();
    let section = builder.section(".data", ALLOC | WRITE, &[0xff; 8]);
    let symbol = builder.symbol("mod_use_count_", GLOBAL, UNDEF, 0, 0);
    builder.relocation(section, 0, symbol, 1, 0);
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions { use_count: UseCount::Reserve, ..LayoutOptions::default() }).expect("layout");
    assert_eq!((layout.imports().len(), layout.use_count()), (0, Some(layout.parts().data.start)));
    let out = linked(&layout, 0x5000);
    assert_eq!(out[..8], [0; 8]);
    assert_eq!(out[8..16], (0x5000 + layout.parts().data.start).to_le_bytes());
    let plain = object.layout(&LayoutOptions::default()).expect("layout");
    assert_eq!(plain.imports().map(|import| import.name).collect::<Vec<_>>(), ["mod_use_count_"]);
}

#[test]
fn common_symbols_get_zeroed_memory_of_their_alignment() {
    let mut builder = Builder::default();
    let section = builder.section(".data", ALLOC | WRITE, &[0; 24]);
    let symbols = [("c", 16, 100), ("d", 64, 8), ("e", 1, 1)];
    let symbols = symbols.map(|(name, align, size)| (builder.symbol(name, GLOBAL, COMMON, align, size), align, size));
    for (number, (symbol, ..)) in symbols.iter().enumerate() {
        builder.relocation(section, number as u64 * 8, *symbol, 1, 0);
    }
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    check_parts(&layout);
    let out = linked(&layout, 0x1_0000);
    let mut taken = Vec::from([std::ops::Range { start: 0, end: 24 }]);
    for (number, (_, align, size)) in symbols.into_iter().enumerate() {
        let addr = u64::from_le_bytes(out[number * 8..number * 8 + 8].try_into().expect("8"));
        let range = addr - 0x1_0000..addr - 0x1_0000 + size;
        assert_eq!(addr % align, 0);
        assert!(range.end <= layout.parts().data.end && taken.iter().all(|other| range.start >= other.end || range.end <= other.start));
        assert!(out[usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")].iter().all(|&b| b == 0));
        taken.push(range);
    }
}

#[test]
fn of_two_groups_with_one_signature_the_first_counts() {
    let mut builder = Builder::default();
    let member = |name: &'static str, byte| Section {
        name,
        kind: PROGBITS,
        flags: ALLOC | EXEC,
        align: 1,
        data: vec![byte; 8],
        size: 0,
        info: 0,
        relocations: Vec::new(),
    };
    let group = |info, words: &[u32]| Section {
        name: ".group",
        kind: GROUP,
        flags: 0,
        align: 4,
        data: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        size: 0,
        info,
        relocations: Vec::new(),
    };
    // Sections 1 to 4 are members; 5 to 8 groups: twice COMDAT `twice`, once COMDAT `once`, one that is not COMDAT.
    for (name, byte) in [(".text.a", 1), (".text.b", 2), (".text.c", 3), (".text.d", 4)] {
        builder.add(member(name, byte));
    }
    let frame = builder.section(".eh_frame", ALLOC, &[0; 16]);
    builder.add(group(1, &[1, 1]));
    builder.add(group(1, &[1, 2]));
    builder.add(group(2, &[1, 3]));
    builder.add(group(1, &[0, 4]));
    builder.symbol("twice", GLOBAL, 1, 0, 8);
    builder.symbol("once", GLOBAL, 3, 0, 8);
    let discarded = builder.symbol("discarded", GLOBAL, 2, 0, 8);
    builder.relocation(frame, 4, 1, 2, 0);
    builder.relocation(frame, 8, discarded, 2, 0);
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let names: Vec<_> = layout.sections().filter(|section| section.part == Part::Text).map(|section| section.name).collect();
    assert_eq!(names, [".text.a", ".text.c", ".text.d"]);
    let out = linked(&layout, 0x1_0000);
    let frame = usize::try_from(layout.eh_frame().start).expect("small");
    assert_ne!(out[frame + 4..frame + 8], [0; 4]);
    assert_eq!(out[frame + 8..frame + 12], [0; 4], "unwind tables of what is not there stay empty");
}

#[test]
fn unwind_tables_are_one_list_that_ends() {
    let mut builder = Builder::default();
    builder.section(".rodata", ALLOC, &[7; 3]);
    for byte in [1, 2, 3] {
        builder.add(Section {
            name: ".eh_frame",
            kind: 0x7000_0001,
            flags: ALLOC,
            align: 8,
            data: vec![byte; 12],
            size: 0,
            info: 0,
            relocations: Vec::new(),
        });
    }
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let out = linked(&layout, 0x1000);
    let range = layout.eh_frame();
    let range = usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small");
    assert_eq!(out[range.clone()], [[1; 12], [2; 12], [3; 12]].concat());
    assert_eq!(out[range.end..range.end + 4], [0; 4]);
    assert!(layout.parts().rodata.end >= range.end as u64 + 4);
}

#[test]
fn a_function_called_init_is_not_freed_after_the_start() {
    let work = Work::new();
    let source = "int init(int x) { return x + 1; } int init_module(void) { return init(1); } void cleanup_module(void) {}";
    let path = work.source("gcc", "-O1 -fno-inline -fPIC -ffunction-sections", "function.c", source);
    let bytes = fs::read(path).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    assert!(layout.parts().init_text.is_empty());
    let path = work.source(
        "gcc",
        "-fPIC",
        "old.c",
        "__attribute__((section(\".text.init\"))) int init_module(void) { return 0; } void cleanup_module(void) {}",
    );
    let bytes = fs::read(path).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    assert!(!layout.parts().init_text.is_empty());
}

#[test]
fn more_sections_than_sixteen_bits_count() {
    let work = Work::new();
    let mut source = String::from("\t.text\n\t.globl first\nfirst:\n\tcall last\n");
    for number in 0..66_000 {
        source.push_str(&format!("\t.section .text.f{number},\"ax\"\n\tnop\n"));
    }
    source.push_str("\t.globl last\nlast:\n\tcall first\n\t.quad last\n");
    let path = work.source("gcc", "", "many.s", &source);
    let bytes = fs::read(path).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let last = object.find("last").expect("symbol");
    assert!(matches!(last.place, modlink::SymbolPlace::Section(section) if section > 65_535), "{last:?}");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let image = layout.link(Addr(0x40_0000), |_| None, &mut out).expect("link");
    let (first, last) = (image.symbol("first").expect("first"), image.symbol("last").expect("last"));
    let read = |addr: u64| &out[usize::try_from(addr - 0x40_0000).expect("small")..];
    let distance = i32::from_le_bytes(*read(first.0 + 1).first_chunk().expect("field"));
    assert_eq!(first.0.wrapping_add(5).wrapping_add_signed(distance.into()), last.0);
    assert_eq!(read(last.0 + 5)[..8], last.0.to_le_bytes());
}

#[test]
fn what_modules_cannot_have_is_refused_with_a_reason() {
    let data = |flags, align| Section {
        name: ".odd",
        kind: PROGBITS,
        flags: ALLOC | WRITE | flags,
        align,
        data: vec![0; 8],
        size: 0,
        info: 0,
        relocations: Vec::new(),
    };
    let layout = |builder: &Builder| {
        let bytes = builder.build();
        let object = Object::parse(&bytes)?;
        object.layout(&LayoutOptions::default()).map(|layout| layout.size())
    };
    let mut builder = Builder::default();
    builder.add(data(TLS, 8));
    let error = layout(&builder).expect_err("thread-local");
    assert_eq!(error, Error::ThreadLocal { name: ".odd".into() });
    assert!(error.to_string().starts_with("`.odd` is thread-local"), "{error}");

    let mut builder = Builder::default();
    builder.add(data(0x800, 8));
    assert_eq!(layout(&builder), Err(Error::CompressedSection { section: ".odd".into() }));

    for (align, error) in [
        (24, Error::BadAlignment { name: ".odd".into(), align: 24 }),
        (8192, Error::AlignmentAbovePage { name: ".odd".into(), align: 8192, page: 4096 }),
    ] {
        let mut builder = Builder::default();
        builder.add(data(0, align));
        assert_eq!(layout(&builder), Err(error));
    }

    let mut builder = Builder::default();
    let text = builder.section(".text", ALLOC | EXEC, &[0xc3]);
    builder.symbol("pick", GLOBAL | IFUNC, text, 0, 1);
    assert_eq!(layout(&builder), Err(Error::IndirectFunction { symbol: "pick".into() }));

    let mut builder = Builder::default();
    let huge = Section { kind: NOBITS, size: 1 << 40, data: Vec::new(), ..data(0, 8) };
    builder.add(huge);
    assert!(matches!(layout(&builder), Err(Error::TooLarge { .. })));

    let mut builder = Builder::default();
    let text = builder.section(".text", ALLOC | EXEC, &[0; 8]);
    let debug = builder.section(".debug_info", 0, &[0; 8]);
    let symbol = builder.symbol("elsewhere", GLOBAL, debug, 0, 0);
    builder.relocation(text, 0, symbol, 1, 0);
    let error = layout(&builder).expect_err("not loaded");
    assert!(matches!(&error, Error::SymbolNotLoaded { section, .. } if section == ".debug_info"), "{error}");
}

#[test]
fn files_that_are_no_objects_are_refused() {
    let work = Work::new();
    let program = work.path("program");
    fs::write(work.path("main.c"), "int main(void) { return 0; }").expect("source");
    support::run(std::process::Command::new("gcc").arg("-o").arg(&program).arg(work.path("main.c")));
    let program = fs::read(program).expect("program");
    assert_eq!(Object::parse(&program).expect_err("executable"), Error::NotRelocatable { file_type: 3 });
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", b"!<arch>\n"] {
        assert_eq!(Object::parse(bytes).expect_err("no object").to_string(), "not an object file");
    }
    let mut other = Builder::default().build();
    other[18] = 183;
    assert_eq!(Object::parse(&other).expect_err("aarch64"), Error::WrongMachine { class: 2, byte_order: 1, machine: 183 });
    let mut big = Builder::default().build();
    big[5] = 2;
    assert!(matches!(Object::parse(&big), Err(Error::WrongMachine { byte_order: 2, .. })));
}

#[test]
fn bases_and_buffers_have_to_fit() {
    let mut builder = Builder::default();
    builder.section(".text", ALLOC | EXEC, &[0xc3]);
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let mut out = vec![0; 4096];
    let link = |base, out: &mut [u8]| layout.link(Addr(base), |_| None, out).map(|_| ());
    assert_eq!(link(0x1001, &mut out), Err(Error::UnalignedBase { base: Addr(0x1001), page: 4096 }));
    assert_eq!(link(0x1000, &mut out[1..]), Err(Error::WrongBuffer { expected: 4096, found: 4095 }));
    assert!(matches!(link(u64::MAX - 4095, &mut out), Err(Error::PastAddressSpace { .. })));
    assert!(matches!(
        object.layout(&LayoutOptions { page_size: 3000, ..LayoutOptions::default() }),
        Err(Error::BadPageSize { page: 3000 })
    ));
}

#[test]
fn an_image_is_the_same_whatever_its_buffer_held_and_wherever_that_was() {
    let work = Work::new();
    for (flags, file) in [("-O2 -fPIC", "plain.c"), ("-O2 -fno-pic -fcommon", "plain.c")] {
        let bytes = fs::read(work.corpus("gcc", flags, file)).expect("object");
        let options = LayoutOptions::default();
        let one = support::link(&bytes, &options, 0x40_0000, 0x50_0000).expect("link");
        let two = support::link(&bytes, &options, 0x40_0000, 0x50_0000).expect("link");
        let zeroed = LayoutOptions { buffer: modlink::Buffer::Zeroed, ..options };
        let object = Object::parse(&bytes).expect("object");
        let layout = object.layout(&zeroed).expect("layout");
        let addresses = support::addresses(&layout, 0x50_0000);
        let mut three = vec![0; usize::try_from(layout.size()).expect("size")];
        layout.link(Addr(0x40_0000), |name| support::find(&addresses, name), &mut three).expect("link");
        assert!(one == two && one == three);
    }
}

#[test]
fn load_maps_and_debuggers_see_run_addresses() {
    let work = Work::new();
    let bytes = fs::read(work.corpus("gcc", "-O2 -g -fPIC -fcommon", "plain.c")).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let base = Addr(0x7f00_0000_0000);
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let image = layout.link(base, |_| Some(base), &mut out).expect("link");
    let letter = |name: &str| image.symbols().find(|symbol| symbol.name == name).map(|symbol| symbol.letter);
    for (name, expected) in
        [("choose", 'T'), ("twice", 't'), ("exported", 'D'), ("own", 'd'), ("tentative", 'B'), ("buffer", 'b'), ("names", 'd')]
    {
        assert_eq!(letter(name), Some(expected), "{name}");
    }
    assert_eq!(letter("host_call"), None);
    let choose = image.globals().find(|symbol| symbol.name == "choose").expect("choose");
    assert_eq!((choose.kind, image.symbol("choose")), (SymbolKind::Function, Some(choose.addr)));
    let globals: Vec<_> = image.globals().map(|symbol| (symbol.name, symbol.addr)).collect();
    assert_eq!(image.exports().collect::<Vec<_>>(), globals);
    assert!(globals.contains(&("choose", choose.addr)) && globals.iter().all(|(name, _)| *name != "host_call"));
    assert!(image.symbol("twice").is_some_and(|addr| addr >= base));

    use object::{Object as _, ObjectSection as _};
    let debug = layout.debug_object(base).expect("ELF");
    let debug = object::File::parse(&*debug).expect("object");
    for section in layout.sections() {
        let theirs = debug.section_by_index(object::SectionIndex(section.index as usize)).expect("section");
        assert_eq!(theirs.address(), base.0 + section.offset, "{}", section.name);
    }
}

#[test]
fn absolute_symbols_are_numbers() {
    let mut builder = Builder::default();
    let section = builder.section(".data", ALLOC | WRITE, &[0; 16]);
    let local = builder.symbol("", SECTION, section, 0, 0);
    let number = builder.symbol("number", GLOBAL, ABS, 0x1234_5678_9abc, 0);
    builder.relocation(section, 0, number, 1, 1);
    builder.relocation(section, 8, local, 1, 8);
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let out = linked(&object.layout(&LayoutOptions::default()).expect("layout"), 0x2000);
    assert_eq!(out[..8], 0x1234_5678_9abd_u64.to_le_bytes());
    assert_eq!(out[8..16], 0x2008_u64.to_le_bytes());
}
