//! Any bytes as the text of a trace pipe.
#![no_main]

#[path = "../../crates/demand/tests/support/targets.rs"]
#[allow(dead_code, reason = "each fuzz target calls one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::trace_target(bytes));
