//! Laws that hold for every input.

mod support;

use std::fs;

use modlink::{
    Addr, Error, LayoutOptions, Object, Part, UseCount,
    module::{SymbolName, prototype_crc},
};
use proptest::{prelude::*, test_runner::RngSeed};
use support::{
    Work,
    builder::{ALLOC, Builder, EXEC, GLOBAL, NOBITS, PROGBITS, Section, UNDEF, WRITE},
};

/// Names that put a section into each class, with the flags that go with them.
const KINDS: [(&str, u64, u32); 8] = [
    (".text", ALLOC | EXEC, PROGBITS),
    (".rodata", ALLOC, PROGBITS),
    (".data", ALLOC | WRITE, PROGBITS),
    (".bss", ALLOC | WRITE, NOBITS),
    (".init.text", ALLOC | EXEC, PROGBITS),
    (".init.data", ALLOC | WRITE, PROGBITS),
    (".eh_frame", ALLOC, PROGBITS),
    (".comment", 0, PROGBITS),
];

fn build(sections: &[(usize, u32, u16)]) -> Vec<u8> {
    let mut builder = Builder::default();
    for (number, &(kind, align, size)) in sections.iter().enumerate() {
        let (name, flags, kind) = KINDS[kind];
        let byte = u8::try_from(number % 255 + 1).expect("byte");
        let data = if kind == NOBITS { Vec::new() } else { vec![byte; size.into()] };
        builder.add(Section { name, kind, flags, align: 1 << align, data, size: size.into(), info: 0, relocations: Vec::new() });
    }
    builder.build()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn sections_keep_their_bytes_alignment_and_part_and_never_overlap(
        sections in prop::collection::vec((0..KINDS.len(), 0_u32..13, 0_u16..9000), 0..40),
        reserve in 0_u64..5000,
    ) {
        let bytes = build(&sections);
        let object = Object::parse(&bytes).expect("object");
        let options = LayoutOptions { use_count: UseCount::Reserve, reserve, ..LayoutOptions::default() };
        let layout = object.layout(&options).expect("layout");
        let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
        layout.link(Addr(0x10_0000), |_| None, &mut out).expect("link");
        let mut taken = vec![layout.reserved(), layout.parts().data.start..layout.parts().data.start + 8];
        for section in layout.sections() {
            let (kind, align, size) = sections[section.index as usize - 1];
            prop_assert_eq!(section.size, u64::from(size));
            // Unwind tables follow each other without a gap.
            prop_assert!(KINDS[kind].0 == ".eh_frame" || section.offset % (1 << align) == 0);
            let part = layout.parts().get(section.part);
            prop_assert!(part.start <= section.offset && section.offset + section.size <= part.end);
            let byte = if KINDS[kind].2 == NOBITS { 0 } else { u8::try_from((section.index as usize - 1) % 255 + 1).expect("byte") };
            let start = usize::try_from(section.offset).expect("small");
            prop_assert!(out[start..start + usize::from(size)].iter().all(|&found| found == byte));
            taken.push(section.offset..section.offset + section.size);
        }
        taken.retain(|range| !range.is_empty());
        taken.sort_by_key(|range| range.start);
        prop_assert!(taken.windows(2).all(|two| two[0].end <= two[1].start));
        for range in &taken {
            let range = usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small");
            out[range].fill(0);
        }
        prop_assert!(out.iter().all(|&byte| byte == 0), "gaps are zero");
        for part in [Part::Text, Part::Rodata, Part::Data, Part::InitText, Part::InitData] {
            prop_assert_eq!(layout.parts().get(part).start % 4096, 0);
        }
    }

    #[test]
    fn a_relative_field_leads_to_its_target_or_is_refused(
        base in (1_u64..1 << 34).prop_map(|page| page << 12),
        distance in prop_oneof![any::<i64>(), -0x1_0000_0000_i64..0x1_0000_0000, -0x8000_0100_i64..-0x7fff_ff00, 0x7fff_ff00_i64..0x8000_0100],
        addend in -0x1000_i64..0x1000,
        offset in 0_u64..64,
    ) {
        let mut builder = Builder::default();
        let section = builder.section(".rodata", ALLOC, &[0; 68]);
        let symbol = builder.symbol("target", GLOBAL, UNDEF, 0, 0);
        builder.relocation(section, offset, symbol, 2, addend);
        let bytes = builder.build();
        let object = Object::parse(&bytes).expect("object");
        let layout = object.layout(&LayoutOptions::default()).expect("layout");
        let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
        let target = base.wrapping_add(offset).wrapping_add_signed(distance);
        let value = i128::from(distance) + i128::from(addend);
        match layout.link(Addr(base), |_| Some(Addr(target)), &mut out) {
            Ok(_) => {
                let field = i32::from_le_bytes(*out[usize::try_from(offset).expect("small")..].first_chunk().expect("field"));
                prop_assert_eq!(i128::from(field), value);
            }
            Err(Error::OutOfRange { .. }) => prop_assert!(i32::try_from(value).is_err(), "{:#x} was refused", value),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn checksummed_names_come_apart_and_together(name in "[a-zA-Z_][a-zA-Z0-9_]{0,20}", crc in any::<Option<u32>>()) {
        let written = SymbolName { bare: &name, crc }.to_string();
        prop_assert_eq!(SymbolName::parse(&written).to_string(), written.clone());
        if crc.is_some() {
            prop_assert_eq!(SymbolName::parse(&written), SymbolName { bare: &name, crc });
        }
    }

    #[test]
    fn blanks_do_not_change_a_prototype(
        tokens in prop::collection::vec(prop::sample::select(vec!["int", "char", "*", "(", ")", ",", "f", "const", "[", "4", "]", "..."]), 1..20),
        blanks in prop::collection::vec(prop::sample::select(vec![" ", "  ", "\t", "\n "]), 20),
    ) {
        let spaced: String = tokens.iter().zip(&blanks).flat_map(|(token, blank)| [*token, *blank]).collect();
        prop_assert_eq!(prototype_crc(&spaced), prototype_crc(&tokens.join(" ")));
    }
}

#[test]
fn code_that_is_position_independent_is_the_same_everywhere() {
    let work = Work::new();
    let bytes = fs::read(work.corpus("gcc", "-O2 -fPIC -fvisibility=hidden", "plain.c")).expect("object");
    let object = Object::parse(&bytes).expect("object");
    let layout = object.layout(&LayoutOptions::default()).expect("layout");
    let text = usize::try_from(layout.parts().text.end).expect("small");
    let image = |base| support::link(&bytes, &LayoutOptions::default(), base, base + 0x10_0000).expect("link");
    let first = image(0x7000_0000_0000);
    for base in [0x1_0000_0000_u64, 0x7f12_3456_7000, 0xffff_8000_0000_0000] {
        let other = image(base);
        assert!(first[..text] == other[..text], "{base:#x}");
        // Only pointers differ, and those by the difference of the bases.
        for (one, two) in first[text..].as_chunks::<8>().0.iter().zip(other[text..].as_chunks::<8>().0) {
            let (one, two) = (u64::from_le_bytes(*one), u64::from_le_bytes(*two));
            assert!(one == two || two.wrapping_sub(one) == base.wrapping_sub(0x7000_0000_0000));
        }
    }
}
