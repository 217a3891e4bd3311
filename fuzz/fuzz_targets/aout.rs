//! Any bytes behind the magic number of a.out; and any object converted to a.out, which has to be readable.
#![no_main]

#[path = "../../crates/modlink/tests/support/exercise.rs"]
mod exercise;

use modlink::{Object, aout};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = vec![0x07, 0x01];
    file.extend_from_slice(bytes);
    exercise::exercise(&file);
    if let Ok(written) = aout::write(bytes) {
        Object::parse(&written).expect("what was written can be read");
    }
});
