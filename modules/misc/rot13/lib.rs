// SPDX-License-Identifier: MIT OR Apache-2.0
//! rot13: a module in Rust. It exports one function, so that a C module may stand on it, and takes one parameter.
//!
//! `insmod rot13.o rot13_shift=1`
#![no_std]

#[path = "../../rust/module.rs"]
mod module;

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// By how many letters; insmod sets it before the module runs.
#[unsafe(no_mangle)]
static rot13_shift: AtomicI32 = AtomicI32::new(13);

fn rotate(byte: u8, shift: u8) -> u8 {
    let first = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    first + (byte - first + shift) % 26
}

/// Rotates the letters of a text in place.
///
/// # Safety
/// `text` points to `length` bytes that nobody else uses meanwhile.
#[unsafe(no_mangle)]
unsafe extern "C" fn rot13(text: *mut u8, length: usize) {
    // `init_module` has seen to it that the shift is between 0 and 25.
    let shift = rot13_shift.load(Relaxed) as u8;
    // SAFETY: the caller's promise.
    let text = unsafe { core::slice::from_raw_parts_mut(text, length) };
    for byte in text {
        *byte = rotate(*byte, shift);
    }
}

#[unsafe(no_mangle)]
extern "C" fn init_module() -> c_int {
    let shift = rot13_shift.load(Relaxed);
    if !(0..26).contains(&shift) {
        log!(Error, "rot13: a shift of {shift} is not between 0 and 25");
        return -22; // EINVAL
    }
    let mut greeting = *b"Hello from Rust";
    // SAFETY: the array is ours.
    unsafe { rot13(greeting.as_mut_ptr(), greeting.len()) };
    log!(Info, "rot13: {}", core::str::from_utf8(&greeting).unwrap_or_default());
    0
}

#[unsafe(no_mangle)]
extern "C" fn cleanup_module() {
    log!(Info, "rot13: gone");
}

export!(rot13: unsafe extern "C" fn(*mut u8, usize), "rot13", "void rot13(unsigned char *, unsigned long)");
modinfo!("license=MIT OR Apache-2.0");
modinfo!("description=Rotates letters; written in Rust");
modinfo!("parm_rot13_shift=i");
modinfo!("parm=rot13_shift:by how many letters (0 to 25)");
