//! Symbols of every kind at every distance from the image: code that asks for an address gets that one, by a slot or
//! without, and so does whoever asks the image.

mod support;

use modlink::{Addr, LayoutOptions, Object, Relax, SymbolIndex};
use support::builder::{ABS, ALLOC, Builder, EXEC, GLOBAL, UNDEF, WEAK, WRITE};

const BASE: u64 = 0x4000_0000_0000;

/// `mov slot(%rip), %rax`, and where its field is and ends.
const LOAD: [u8; 8] = [0x48, 0x8b, 0x05, 0, 0, 0, 0, 0x90];
const FIELD: u64 = 3;
const END: u64 = 7;

/// `R_X86_64_64`, and those that load an address: `GOTPCREL`, `GOTPCRELX`, `REX_GOTPCRELX`.
const WORD: u32 = 1;
const LOADS: [u32; 3] = [9, 41, 42];

/// Distances from the base around every limit: of 32 bits, and of what a link keeps in 32 bits.
fn targets() -> impl Iterator<Item = u64> {
    let limits = [-(1_i64 << 40), -(1 << 31), -(1 << 31) + (1 << 28), 0, 1 << 28, 1 << 31, 1 << 32];
    let around = limits.into_iter().flat_map(|limit| [-1, 0, 1, 16].map(|more| BASE.wrapping_add_signed(limit + more)));
    around.chain([0, 1, 0x7fff_ffff, 1 << 31, u64::MAX])
}

/// What an instruction at `at` in the image loads: an address that it computes itself or finds in its slot.
fn loaded(out: &[u8], at: usize) -> u64 {
    let field: [u8; 4] = out[at + 3..at + 7].try_into().expect("field");
    let there = (at as u64 + END).wrapping_add_signed(i32::from_le_bytes(field).into());
    match out[at + 1] {
        0x8d => BASE.wrapping_add(there),
        0x8b => {
            let slot = usize::try_from(there).expect("a slot of the image");
            u64::from_le_bytes(out[slot..slot + 8].try_into().expect("slot"))
        }
        other => panic!("opcode {other:#x}"),
    }
}

fn check(info: u8, section: u16, value: u64, answer: Option<u64>, relax: Relax) {
    let mut builder = Builder::default();
    let text = builder.section(".text", ALLOC | EXEC, &LOAD.repeat(LOADS.len()));
    let data = builder.section(".data", ALLOC | WRITE, &[0; 8]);
    // Others around it, so that a search among slots has something to miss.
    let others = ["first", "second"].map(|name| builder.symbol(name, GLOBAL, UNDEF, 0, 0));
    let symbol = builder.symbol("target", info, section, value, 0);
    for (number, kind) in (0..).zip(LOADS) {
        builder.relocation(text, number * 8 + FIELD, symbol, kind, -4);
    }
    builder.relocation(data, 0, symbol, WORD, 0);
    let more = builder.section(".text.more", ALLOC | EXEC, &LOAD.repeat(others.len()));
    for (number, other) in (0..).zip(others) {
        builder.relocation(more, number * 8 + FIELD, other, LOADS[0], -4);
    }
    let bytes = builder.build();
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions { relax, ..LayoutOptions::default() }).expect("layout");
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let resolve = |name: &str| if name == "target" { answer.map(Addr) } else { Some(Addr(5)) };
    let image = layout.link(Addr(BASE), resolve, &mut out).expect("link");
    let what = format!("info {info:#x}, section {section:#x}, value {value:#x}, answer {answer:x?}, {relax:?}");
    let expected = if section == UNDEF { answer.unwrap_or(0) } else { value };
    assert_eq!(image.addr(SymbolIndex(symbol)), Some(Addr(expected)), "{what}");
    for number in 0..LOADS.len() {
        assert_eq!(loaded(&out, number * 8), expected, "load {number}: {what}");
    }
    let at = usize::try_from(layout.parts().data.start).expect("small");
    assert_eq!(out[at..at + 8], expected.to_le_bytes(), "{what}");
}

#[test]
fn whoever_asks_for_an_address_gets_it() {
    for relax in [Relax::WherePossible, Relax::Never] {
        for target in targets() {
            check(GLOBAL, UNDEF, 0, Some(target), relax);
            check(WEAK, UNDEF, 0, Some(target), relax);
            check(GLOBAL, ABS, target, None, relax);
        }
        check(WEAK, UNDEF, 0, None, relax);
    }
}

/// The value of a symbol is its section's place and an offset, which may point out of the image and even wrap around.
#[test]
fn a_symbol_may_be_outside_of_its_section() {
    for offset in [-(1_i64 << 40), -(1 << 31), -4, 0, 4, 1 << 30, (1 << 31) - 16, 1 << 31, 1 << 40, i64::MIN] {
        for relax in [Relax::WherePossible, Relax::Never] {
            let mut builder = Builder::default();
            let data = builder.section(".data", ALLOC | WRITE, &[0; 16]);
            let symbol = builder.symbol("target", GLOBAL, data, offset.cast_unsigned(), 0);
            builder.relocation(data, 8, symbol, WORD, 2);
            let bytes = builder.build();
            let object = Object::parse(&bytes).expect("object");
            let layout = object.layout(&LayoutOptions { relax, ..LayoutOptions::default() }).expect("layout");
            let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
            let image = layout.link(Addr(BASE), |_| None, &mut out).expect("link");
            let start = BASE + layout.parts().data.start;
            assert_eq!(image.symbol("target"), Some(Addr(start.wrapping_add_signed(offset))));
            let at = usize::try_from(layout.parts().data.start).expect("small") + 8;
            assert_eq!(out[at..at + 8], start.wrapping_add_signed(offset).wrapping_add(2).to_le_bytes());
        }
    }
}
