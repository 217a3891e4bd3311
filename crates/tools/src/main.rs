//! The multi-call program. Everything is in the library; here is only the entry point.
//!
//! `main` is C's, because the start-up of Rust's runtime opens `/dev/null` for closed standard descriptors and aborts where
//! that file does not exist yet: a kernel runs modprobe with descriptors 0 to 2 closed, and may do so before anything is mounted
//! on `/dev`. The library takes care of the descriptors instead.
#![no_main]

/// The entry point that the C library calls; the arguments are read through `std::env`.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> std::ffi::c_int {
    tools::descriptors::occupy_standard();
    std::ffi::c_int::from(tools::run(std::env::args_os()))
}
