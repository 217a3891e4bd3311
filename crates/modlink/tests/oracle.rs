//! Real objects, linked by other linkers at the same addresses: every byte has to be the same.

mod support;

use support::{
    Work,
    oracle::{Linker, compare},
};

/// Compiler, flags, source, base, first import.
type Case = (&'static str, &'static str, &'static str, u64, u64);

const LOW: u64 = 0x40_0000;
const HIGH: u64 = 0x7f12_3456_0000;
const KERNEL: u64 = 0xffff_ffff_a000_0000;

const CASES: &[Case] = &[
    ("gcc", "-O2 -fPIC", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fPIC -fvisibility=hidden", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fPIC -fno-plt", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fPIE", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fPIE -mno-direct-extern-access", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fno-pic -fcommon", "plain.c", LOW, LOW + 0x10_0000),
    ("gcc", "-O0 -g -fno-pic -fno-common", "plain.c", LOW, LOW + 0x10_0000),
    ("gcc", "-O2 -fno-pic -mcmodel=kernel", "plain.c", KERNEL, KERNEL + 0x10_0000),
    ("gcc", "-O2 -fno-pic -mcmodel=medium -mlarge-data-threshold=8", "plain.c", LOW, LOW + 0x10_0000),
    ("gcc", "-O2 -fno-pic -mcmodel=large", "plain.c", HIGH, LOW),
    ("gcc", "-O2 -fPIC -mcmodel=large", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O2 -fPIC -ffunction-sections -fdata-sections", "plain.c", HIGH, HIGH + 0x10_0000),
    ("gcc", "-O3 -fPIC -fcf-protection=full -funroll-loops", "plain.c", HIGH, HIGH + 0x10_0000),
    ("clang", "-O2 -fPIC", "plain.c", HIGH, HIGH + 0x10_0000),
    ("clang", "-O2 -fPIC -fvisibility=hidden", "plain.c", HIGH, HIGH + 0x10_0000),
    ("clang", "-O2 -fno-pic -mcmodel=small", "plain.c", LOW, LOW + 0x10_0000),
    ("clang", "-O2 -fno-pic -mcmodel=kernel", "plain.c", KERNEL, KERNEL + 0x10_0000),
    ("clang", "-O2 -fPIC -mcmodel=large", "plain.c", HIGH, HIGH + 0x10_0000),
    ("clang", "-O2 -fPIE", "plain.c", HIGH, HIGH + 0x10_0000),
    ("g++", "-O1 -fPIC", "groups.cc", HIGH, HIGH + 0x10_0000),
    ("g++", "-O0 -fno-pic", "groups.cc", LOW, LOW + 0x10_0000),
    ("clang++", "-O1 -fPIC -ffunction-sections", "groups.cc", HIGH, HIGH + 0x10_0000),
    ("rustc", "--edition=2024 --crate-type=lib --emit=obj -O -Cpanic=abort", "core.rs", HIGH, HIGH + 0x10_0000),
    (
        "rustc",
        "--edition=2024 --crate-type=lib --emit=obj -Cpanic=abort -Crelocation-model=static -Ccode-model=kernel",
        "core.rs",
        KERNEL,
        KERNEL + 0x10_0000,
    ),
    ("gcc", "", "forms.s", LOW, LOW + 0x10_0000),
];

/// What lld of that age does not link: a type of the psABI, and another machine.
const GNU_ONLY: &[Case] = &[
    ("gcc", "", "types.s", LOW, LOW + 0x10_0000),
    (
        "gcc",
        "-m32 -O2 -ffreestanding -fno-pic -fcommon -fno-asynchronous-unwind-tables -Wa,-mrelax-relocations=no",
        "plain.c",
        LOW,
        LOW + 0x10_0000,
    ),
    ("gcc", "-m32 -O2 -ffreestanding -fpic", "plain.c", 0xc100_0000, 0xc010_0000),
    ("gcc", "-m32 -O2 -ffreestanding -fpic -Wa,-mrelax-relocations=no", "plain.c", LOW, 0xf000_0000),
    ("gcc", "-m32 -O0 -ffreestanding -fPIE", "plain.c", LOW, LOW + 0x10_0000),
];

#[test]
fn images_are_those_of_gnu_ld() {
    for &(compiler, flags, file, base, imports) in CASES.iter().chain(GNU_ONLY) {
        println!("{compiler} {flags} {file}");
        let work = Work::new();
        compare(&work, &work.corpus(compiler, flags, file), Linker::Gnu, base, imports);
    }
}

#[test]
fn rewritten_instructions_are_those_of_lld() {
    for &(compiler, flags, file, base, imports) in CASES {
        println!("{compiler} {flags} {file}");
        let work = Work::new();
        // lld writes one file from the lowest address to the highest, so everything has to be near.
        compare(&work, &work.corpus(compiler, flags, file), Linker::Lld, base, imports.max(base + 0x10_0000));
    }
}
