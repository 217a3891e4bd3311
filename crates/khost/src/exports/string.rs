//! The string and memory functions: the C library's, at addresses within reach of modules.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

macro_rules! forwarded {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As in C.
            pub(super) unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                // SAFETY: the caller's promise is what the function asks for.
                unsafe { libc::$name($($argument),*) }
            }
        )*
    };
}

forwarded! {
    memcpy(to: *mut c_void, from: *const c_void, size: usize) -> *mut c_void;
    memmove(to: *mut c_void, from: *const c_void, size: usize) -> *mut c_void;
    memset(at: *mut c_void, byte: c_int, size: usize) -> *mut c_void;
    memcmp(left: *const c_void, right: *const c_void, size: usize) -> c_int;
    memchr(at: *const c_void, byte: c_int, size: usize) -> *mut c_void;
    strlen(text: *const c_char) -> usize;
    strnlen(text: *const c_char, size: usize) -> usize;
    strcmp(left: *const c_char, right: *const c_char) -> c_int;
    strncmp(left: *const c_char, right: *const c_char, size: usize) -> c_int;
    strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char;
    strncpy(to: *mut c_char, from: *const c_char, size: usize) -> *mut c_char;
    strcat(to: *mut c_char, from: *const c_char) -> *mut c_char;
    strchr(text: *const c_char, byte: c_int) -> *mut c_char;
    strrchr(text: *const c_char, byte: c_int) -> *mut c_char;
    strstr(text: *const c_char, wanted: *const c_char) -> *mut c_char;
}

/// `int bcmp(const void *left, const void *right, size_t size)`: compilers turn `memcmp(…) == 0` into it.
///
/// # Safety
/// As in C.
pub(super) unsafe extern "C" fn bcmp(left: *const c_void, right: *const c_void, size: usize) -> c_int {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { libc::memcmp(left, right, size) }
}

/// `unsigned long simple_strtoul(const char *text, char **end, unsigned int base)`
///
/// # Safety
/// `text` is a string; `end` is NULL or can be written.
pub(super) unsafe extern "C" fn simple_strtoul(text: *const c_char, end: *mut *mut c_char, base: c_uint) -> c_ulong {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { libc::strtoul(text, end, c_int::try_from(base).unwrap_or(0)) }
}
