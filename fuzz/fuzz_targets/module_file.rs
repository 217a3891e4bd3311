//! Any bytes as a module file.
#![no_main]

#[path = "../../crates/kmod/tests/support/targets.rs"]
#[allow(dead_code, reason = "each fuzz target calls one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::file_target(bytes);
});
