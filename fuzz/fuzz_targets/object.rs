//! Any bytes as an object: parsed, laid out, linked, prepared as a module.
#![no_main]

#[path = "../../crates/modlink/tests/support/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exercise::exercise(bytes);
});
