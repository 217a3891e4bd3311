//! Any bytes as a line of the control socket, and as an announcement of a device.
#![no_main]

#[path = "../../crates/kerneld/tests/linux/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::control_target(bytes);
    targets::uevent_target(bytes);
});
