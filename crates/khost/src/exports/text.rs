//! Strings of modules.

use std::ffi::{CStr, c_char};

/// Longest name that is read from a module.
const MAX_NAME: usize = 4096;

/// Copies a NUL-terminated string of at most 4,096 bytes; `None` for NULL, for a longer one, and for what is not UTF-8.
///
/// # Safety
/// `text` is NULL or points to bytes that can be read up to a NUL.
pub(super) unsafe fn copy(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; never reads beyond the NUL.
    let length = unsafe { libc::strnlen(text, MAX_NAME) };
    if length >= MAX_NAME {
        return None;
    }
    // SAFETY: `length` bytes and the NUL behind them were just found.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_owned)
}
