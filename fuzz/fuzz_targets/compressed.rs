//! Any bytes as a compressed module.
#![no_main]

#[path = "../../crates/kmod/tests/support/targets.rs"]
#[allow(dead_code, reason = "each fuzz target calls one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::compressed_target(bytes);
});
