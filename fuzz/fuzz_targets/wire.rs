//! Any bytes as a message of the kernel's socket and of kerneld's channel, and as a stream of frames.
#![no_main]

#[path = "../../crates/uapi/tests/support/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::packet_target(bytes);
    targets::stream_target(bytes);
});
