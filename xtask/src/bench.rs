//! `cargo xtask bench NAME`: the benchmarks are a crate of their own, so that the rivals never slow the tests.
//!
//! busybox, the rival for gzip, is unpacked beside the kernels and not installed.

use crate::packages;
use crate::step::{self, Error};

/// What the benchmarks need beside cargo.
const NEEDS: &[(&str, &str, &str)] = &[
    ("gcc", "gcc", "compiles the functions to link"),
    ("as", "binutils", "assembles the large objects"),
    ("ld.lld", "lld", "links the shared objects for dlopen"),
    ("mold", "mold", "is the fastest linker in the archive"),
    ("mkfs.vfat", "dosfstools", "makes the FAT image to mount"),
    ("mcopy", "mtools", "fills it"),
    ("kmod", "kmod", "is the rival of the tools"),
    ("xz", "xz-utils", "packs modules"),
    ("zstd", "zstd", "packs modules"),
    ("gzip", "gzip", "packs modules"),
];

/// Runs one benchmark.
pub(crate) fn run(name: &str, json: bool) -> Result<(), Error> {
    packages::ensure(NEEDS)?;
    let mut cargo = step::cargo(&["run", "--quiet", "--release", "--manifest-path", "bench/Cargo.toml", "--", name]);
    if json {
        cargo.arg("--json");
    }
    step::run(&mut cargo)
}
