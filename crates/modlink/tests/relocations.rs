//! Every relocation type of x86-64: what is stored, at the ends of what the field holds, and one past them.

mod support;

use modlink::{Addr, Error, LayoutOptions, Object, Relax, Remedy};
use support::builder::{ALLOC, Builder, EXEC, GLOBAL, UNDEF, WEAK, WRITE};

/// Links an object whose first section holds one relocation in its middle, and answers the 8 bytes there.
struct Field {
    kind: u32,
    addend: i64,
    base: u64,
    target: u64,
    size: u64,
}

/// Where the field is in its section, and where the section starts in the image.
const OFFSET: u64 = 8;

fn link(field: &Field) -> Result<u64, Error> {
    let mut builder = Builder::default();
    let section = builder.section(".text", ALLOC | EXEC, &[0x90; 24]);
    let symbol = builder.symbol("target", GLOBAL, UNDEF, 0, field.size);
    builder.relocation(section, OFFSET, symbol, field.kind, field.addend);
    let bytes = builder.build();
    let object = Object::parse(&bytes)?;
    let layout = object.layout(&LayoutOptions::default())?;
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    layout.link(Addr(field.base), |_| Some(Addr(field.target)), &mut out)?;
    let at = usize::try_from(OFFSET).expect("offset");
    Ok(u64::from_le_bytes(out[at..at + 8].try_into().expect("field")))
}

const NOPS: u64 = 0x9090_9090_9090_9090;

fn low(value: u64, size: u32) -> u64 {
    if size == 8 { value } else { (NOPS >> (size * 8) << (size * 8)) | (value & ((1 << (size * 8)) - 1)) }
}

/// Type, size, smallest and largest value that the field holds.
const ABSOLUTE: [(u32, u32, i128, i128); 5] = [
    (1, 8, -(1 << 63), (1 << 64) - 1),
    (10, 4, 0, (1 << 32) - 1),
    (11, 4, -(1 << 31), (1 << 31) - 1),
    (12, 2, -(1 << 15), (1 << 16) - 1),
    (14, 1, -(1 << 7), (1 << 8) - 1),
];

const RELATIVE: [(u32, u32, i128, i128); 5] = [
    (24, 8, -(1 << 62), 1 << 62),
    (2, 4, -(1 << 31), (1 << 31) - 1),
    (39, 4, -(1 << 31), (1 << 31) - 1),
    (13, 2, -(1 << 15), (1 << 15) - 1),
    (15, 1, -(1 << 7), (1 << 7) - 1),
];

const SIZES: [(u32, u32, i128, i128); 2] = [(32, 4, 0, (1 << 32) - 1), (33, 8, 0, 1 << 62)];

fn wrap(value: i128) -> u64 {
    u64::try_from(value.rem_euclid(1 << 64)).expect("64 bits")
}

const BASE: u64 = 0x4000_0000_0000;

#[test]
fn absolute_types_hold_their_range_and_no_more() {
    for (kind, size, min, max) in ABSOLUTE {
        for (value, fits) in [(min, true), (max, true), (0, true), (min - 1, size == 8), (max + 1, size == 8)] {
            let field = Field { kind, addend: 0x100, base: BASE, target: wrap(value - 0x100), size: 0 };
            check(&field, value, size, fits);
        }
    }
}

#[test]
fn relative_types_hold_their_range_and_no_more() {
    for (kind, size, min, max) in RELATIVE {
        for (value, fits) in [(min, true), (max, true), (0, true), (min - 1, size == 8), (max + 1, size == 8)] {
            let place = i128::from(BASE + OFFSET);
            let field = Field { kind, addend: -4, base: BASE, target: wrap(value + place + 4), size: 0 };
            check(&field, value, size, fits);
        }
    }
}

#[test]
fn calls_are_direct_in_reach_and_go_through_a_stub_beyond() {
    let place = i128::from(BASE + OFFSET);
    let link = |value: i128| link(&Field { kind: 4, addend: -4, base: BASE, target: wrap(value + place + 4), size: 0 });
    let near = (1 << 31) - (1 << 18);
    for value in [-near, -1, 0, 1, near] {
        assert_eq!(link(value), Ok(low(wrap(value), 4)), "{value:#x}");
    }
    // The first stub is behind 24 bytes of text.
    for value in [-(1 << 31) - 1, -(1 << 40), (1 << 31), 1 << 40] {
        assert_eq!(link(value), Ok(low(24 - OFFSET - 4, 4)), "{value:#x}");
    }
}

#[test]
fn size_types_hold_their_range_and_no_more() {
    for (kind, size, min, max) in SIZES {
        for (value, fits) in [(min, true), (max, true), (max + 1, size == 8)] {
            let field = Field { kind, addend: -16, base: BASE, target: 1, size: wrap(value + 16) };
            check(&field, value, size, fits);
        }
    }
}

fn check(field: &Field, value: i128, size: u32, fits: bool) {
    match link(field) {
        Ok(found) => {
            assert!(fits, "type {}: {value:#x} was stored", field.kind);
            assert_eq!(found, low(wrap(value), size), "type {}: {value:#x}", field.kind);
        }
        Err(Error::OutOfRange { site, symbol, value: refused, limits, .. }) => {
            assert!(!fits, "type {}: {value:#x} was refused", field.kind);
            assert_eq!((site.section.as_str(), site.offset, symbol.as_str()), (".text", OFFSET, "target"));
            assert!(refused < limits.min.into() || refused > limits.max.into());
        }
        Err(other) => panic!("type {}: {other}", field.kind),
    }
}

#[test]
fn a_type_that_does_nothing_changes_nothing() {
    assert_eq!(link(&Field { kind: 0, addend: 77, base: BASE, target: 5, size: 0 }), Ok(NOPS));
}

#[test]
fn fields_of_the_global_offset_table_lead_to_the_target() {
    // Image: 24 bytes of text, and on the next page the table with one slot.
    let (table, place) = (BASE + 4096, BASE + OFFSET);
    let target = 0x1234_5678_9abc_u64;
    for (kind, size, value) in [
        (9, 4, table - 4 - place),  // GOTPCREL
        (41, 4, table - 4 - place), // GOTPCRELX without an instruction that can be rewritten
        (42, 4, table - 4 - place),
        (43, 4, table - 4 - place), // CODE_4_GOTPCRELX
        (46, 4, table - 4 - place),
        (49, 4, table - 4 - place),
        (28, 8, table - 4 - place),                          // GOTPCREL64
        (3, 4, 0_u64.wrapping_sub(4)),                       // GOT32: the slot is the first
        (27, 8, 0_u64.wrapping_sub(4)),                      // GOT64
        (30, 8, 0_u64.wrapping_sub(4)),                      // GOTPLT64
        (26, 4, table - 4 - place),                          // GOTPC32
        (29, 8, table - 4 - place),                          // GOTPC64
        (25, 8, target.wrapping_sub(4).wrapping_sub(table)), // GOTOFF64
        (31, 8, target.wrapping_sub(4).wrapping_sub(table)), // PLTOFF64
    ] {
        let found = link(&Field { kind, addend: -4, base: BASE, target, size: 0 });
        assert_eq!(found, Ok(low(value, size)), "type {kind}");
    }
}

#[test]
fn refused_types_say_why() {
    for kind in [16, 17, 18, 19, 20, 21, 22, 23, 34, 35, 36, 44, 45, 47, 48, 50, 51] {
        let error = link(&Field { kind, addend: 0, base: BASE, target: 0, size: 0 }).expect_err("thread-local");
        assert!(matches!(error, Error::ThreadLocalRelocation { .. }), "{kind}: {error}");
        assert!(error.to_string().starts_with("`target` is thread-local (R_X86_64_"), "{error}");
    }
    for kind in [5, 6, 7, 8, 37, 38] {
        let error = link(&Field { kind, addend: 0, base: BASE, target: 0, size: 0 }).expect_err("dynamic");
        assert!(matches!(error, Error::DynamicRelocation { .. }), "{kind}: {error}");
    }
    for kind in [52, 60, 63, 64, 0xffff_ffff] {
        let error = link(&Field { kind, addend: 0, base: BASE, target: 0, size: 0 }).expect_err("unknown");
        assert!(matches!(error, Error::UnknownRelocation { number, .. } if number == kind), "{kind}: {error}");
    }
}

#[test]
fn errors_name_the_flag_that_mends() {
    for (kind, base, target, remedy, words) in [
        (2, 0x7f00_0000_0000, 0x40_0000, Remedy::CompilePic, "recompile with -fPIC"),
        (10, 0x40_0000, 0x7f00_0000_0000, Remedy::CompilePicOrLow, "recompile with -fPIC"),
        (11, 0x7f00_0000_0000, 0x7f00_0000_0000, Remedy::NotKernelModel, "without -mcmodel=kernel"),
    ] {
        let error = link(&Field { kind, addend: 0, base, target, size: 0 }).expect_err("out of range");
        assert!(matches!(error, Error::OutOfRange { remedy: found, .. } if found == remedy), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("`target` at `.text`+0x8"), "{error}");
    }
}

/// A call to far away, 0xe8 in front of the field, and where it ends up.
fn far_call(kind: u32, opcode: &[u8]) -> Result<(Vec<u8>, usize), Error> {
    let mut builder = Builder::default();
    let mut code = opcode.to_vec();
    code.extend_from_slice(&[0; 4]);
    let section = builder.section(".text", ALLOC | EXEC, &code);
    let symbol = builder.symbol("far", GLOBAL, UNDEF, 0, 0);
    builder.relocation(section, opcode.len() as u64, symbol, kind, -4);
    let bytes = builder.build();
    let object = Object::parse(&bytes)?;
    let layout = object.layout(&LayoutOptions::default())?;
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    layout.link(Addr(0x1_0000), |_| Some(Addr(0x7fff_1234_5678)), &mut out)?;
    let at = opcode.len();
    let distance = i32::from_le_bytes(out[at..at + 4].try_into().expect("field"));
    let stub = usize::try_from(i64::try_from(at + 4).expect("small") + i64::from(distance)).expect("forward");
    Ok((out, stub))
}

#[test]
fn far_calls_go_through_a_stub() {
    for (kind, opcode) in [(4, &[0xe8][..]), (4, &[0xe9]), (2, &[0xe8]), (2, &[0xe9]), (2, &[0x0f, 0x85]), (40, &[0x90])] {
        let (out, stub) = far_call(kind, opcode).unwrap_or_else(|error| panic!("{kind} {opcode:x?}: {error}"));
        assert_eq!(out[stub..stub + 2], [0xff, 0x25], "jmp *slot(%rip)");
        let distance = i32::from_le_bytes(out[stub + 2..stub + 6].try_into().expect("field"));
        let slot = stub + 6 + usize::try_from(distance).expect("forward");
        assert_eq!(u64::from_le_bytes(out[slot..slot + 8].try_into().expect("slot")), 0x7fff_1234_5678);
    }
    let error = far_call(2, &[0x8b, 0x05]).expect_err("a load has no stub");
    assert!(matches!(error, Error::OutOfRange { remedy: Remedy::CompilePic, .. }), "{error}");
}

/// Instruction bytes in front of the field, its relocation type, and the whole instruction after it was rewritten for a
/// target that is 0x1000 bytes behind the field, at 0x11000.
#[test]
fn instructions_are_rewritten_as_the_psabi_says() {
    let cases: [(&[u8], u32, &[u8]); 12] = [
        (&[0x48, 0x8b, 0x05], 42, &[0x48, 0x8d, 0x05, 0xfc, 0x0f, 0, 0]),
        (&[0x4c, 0x8b, 0x3d], 42, &[0x4c, 0x8d, 0x3d, 0xfc, 0x0f, 0, 0]),
        (&[0x8b, 0x0d], 41, &[0x8d, 0x0d, 0xfc, 0x0f, 0, 0]),
        (&[0xff, 0x15], 41, &[0x67, 0xe8, 0xfc, 0x0f, 0, 0]),
        (&[0xff, 0x25], 41, &[0xe9, 0xfd, 0x0f, 0, 0, 0x90]),
        (&[0x48, 0x85, 0x15], 42, &[0x48, 0xf7, 0xc2, 0, 0x10, 0x01, 0]),
        (&[0x4c, 0x85, 0x2d], 42, &[0x49, 0xf7, 0xc5, 0, 0x10, 0x01, 0]),
        (&[0x90, 0x85, 0x3d], 41, &[0x90, 0xf7, 0xc7, 0, 0x10, 0x01, 0]),
        (&[0x48, 0x03, 0x05], 42, &[0x48, 0x81, 0xc0, 0, 0x10, 0x01, 0]),
        (&[0x4c, 0x3b, 0x3d], 42, &[0x49, 0x81, 0xff, 0, 0x10, 0x01, 0]),
        (&[0x90, 0x33, 0x35], 41, &[0x90, 0x81, 0xf6, 0, 0x10, 0x01, 0]),
        // A push has no shorter form: it keeps its slot.
        (&[0xff, 0x35], 41, &[0xff, 0x35, 0xfc, 0x0f, 0, 0]),
    ];
    for (code, kind, expected) in cases {
        let mut builder = Builder::default();
        // So that the field is at 0x10000 exactly.
        let mut text = vec![0x90; 0x1_0000 - 0x1000 - code.len()];
        text.extend_from_slice(code);
        text.extend_from_slice(&[0; 4]);
        let field = text.len() as u64 - 4;
        text.resize(0x1_0004 - 0x1000, 0x90);
        let section = builder.section(".text", ALLOC | EXEC, &text);
        let symbol = builder.symbol("host", GLOBAL, UNDEF, 0, 0);
        builder.relocation(section, field, symbol, kind, -4);
        let bytes = builder.build();
        let object = Object::parse(&bytes).expect("object");
        let layout = object.layout(&LayoutOptions::default()).expect("layout");
        let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
        layout.link(Addr(0x1000), |_| Some(Addr(0x1_1000)), &mut out).expect("link");
        let start = usize::try_from(field).expect("small") - code.len();
        let found = &out[start..start + expected.len()];
        if code == [0xff, 0x35] {
            assert_eq!(found[..2], expected[..2]);
            continue;
        }
        assert_eq!(found, expected, "{code:x?}");
    }
}

#[test]
fn nothing_is_rewritten_when_asked_not_to_or_in_data() {
    for (flags, relax) in [(ALLOC | EXEC, Relax::Never), (ALLOC | WRITE, Relax::WherePossible)] {
        let mut builder = Builder::default();
        let section = builder.section(".section", flags, &[0x48, 0x8b, 0x05, 0, 0, 0, 0]);
        let symbol = builder.symbol("here", GLOBAL, section, 0, 0);
        builder.relocation(section, 3, symbol, 42, -4);
        let bytes = builder.build();
        let object = Object::parse(&bytes).expect("object");
        let layout = object.layout(&LayoutOptions { relax, ..LayoutOptions::default() }).expect("layout");
        let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
        layout.link(Addr(0x1000), |_| None, &mut out).expect("link");
        let start = usize::try_from(layout.section_offset(".section").expect("section")).expect("small");
        assert_eq!(out[start..start + 3], [0x48, 0x8b, 0x05]);
    }
}

#[test]
fn a_symbol_has_one_slot_for_all_types() {
    let mut builder = Builder::default();
    let section = builder.section(".text", ALLOC | EXEC, &[0; 64]);
    let symbol = builder.symbol("host", GLOBAL, UNDEF, 0, 0);
    for (number, kind) in [9, 41, 42, 28, 3, 27, 30, 4].into_iter().enumerate() {
        builder.relocation(section, number as u64 * 8, symbol, kind, 0);
    }
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    assert_eq!(layout.parts().rodata, 4096..4104);
}

#[test]
fn undefined_symbols_are_listed_and_weak_ones_are_zero() {
    let mut builder = Builder::default();
    let section = builder.section(".data", ALLOC | WRITE, &[0xff; 32]);
    let symbols = [("one", GLOBAL), ("perhaps", WEAK), ("two", GLOBAL), ("unused", GLOBAL)];
    let symbols = symbols.map(|(name, info)| builder.symbol(name, info, UNDEF, 0, 0));
    for (number, symbol) in symbols.into_iter().take(3).enumerate() {
        builder.relocation(section, number as u64 * 8, symbol, 1, 0);
    }
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let imports: Vec<_> = layout.imports().map(|import| (import.name, import.weak)).collect();
    assert_eq!(imports, [("one", false), ("perhaps", true), ("two", false)]);
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let error = layout.link(Addr(0x1000), |_| None, &mut out).expect_err("undefined");
    assert_eq!(error, Error::Undefined { symbols: vec!["one".into(), "two".into()] });
    assert_eq!(error.to_string(), "`one`, `two` undefined");
    layout.link(Addr(0x1000), |name| (name != "perhaps").then_some(Addr(7)), &mut out).expect("link");
    assert_eq!(out[..24], [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn relocations_outside_of_their_section_are_refused() {
    for (offset, kind) in [(5, 2), (9, 0), (1, 1), (u64::MAX, 1), (u64::MAX - 2, 2)] {
        let mut builder = Builder::default();
        let section = builder.section(".data", ALLOC | WRITE, &[0; 8]);
        let symbol = builder.symbol("host", GLOBAL, UNDEF, 0, 0);
        builder.relocation(section, offset, symbol, kind, 0);
        let bytes = builder.build();
        let object = Object::parse(&bytes).expect("object");
        let error = object.layout(&LayoutOptions::default()).expect_err("outside");
        assert!(matches!(error, Error::RelocationOutsideSection { size: 8, .. }), "{offset}: {error}");
    }
}
