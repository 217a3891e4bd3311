//! Any bytes as a packet of the request socket: what helpers ask, and what the daemon answers.
#![no_main]

#[path = "../../crates/demand/tests/support/targets.rs"]
#[allow(dead_code, reason = "each fuzz target calls one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::request_target(bytes));
