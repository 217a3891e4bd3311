//! `printk` and the `sprintf` family.

use std::arch::naked_asm;
use std::ffi::{c_char, c_int};

use super::va_list::VaList;
use crate::format::{self, Sink};

/// Most bytes of one message.
const MAX_MESSAGE: usize = 1023;
/// Longest format.
const MAX_FORMAT: usize = 64 << 10;

/// Makes a C-variadic function of one that takes a `va_list` as its last argument, which is argument `$named` (from 0) and
/// goes into register `$register`.
///
/// It saves the six integer registers behind a `va_list` on its own stack. The vector registers are not saved: no conversion
/// reads them.
macro_rules! variadic {
    ($(#[$doc:meta])* $name:ident => $body:ident, $named:literal, $register:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by C code, with a format and arguments that fit it.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name() -> c_int {
            naked_asm!(
                ".cfi_startproc",
                "sub rsp, 88",
                ".cfi_adjust_cfa_offset 88",
                "mov [rsp + 32], rdi",
                "mov [rsp + 40], rsi",
                "mov [rsp + 48], rdx",
                "mov [rsp + 56], rcx",
                "mov [rsp + 64], r8",
                "mov [rsp + 72], r9",
                concat!("mov dword ptr [rsp], ", $named, " * 8"),
                "mov dword ptr [rsp + 4], 48",
                "lea rax, [rsp + 96]",
                "mov [rsp + 8], rax",
                "lea rax, [rsp + 32]",
                "mov [rsp + 16], rax",
                concat!("mov ", $register, ", rsp"),
                "call {body}",
                "add rsp, 88",
                ".cfi_adjust_cfa_offset -88",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}

variadic!(
    /// `int printk(const char *format, ...)`
    printk => vprintk, "1", "rsi"
);
variadic!(
    /// `int sprintf(char *buffer, const char *format, ...)`
    sprintf => vsprintf, "2", "rdx"
);
variadic!(
    /// `int snprintf(char *buffer, size_t size, const char *format, ...)`
    snprintf => vsnprintf, "3", "rcx"
);

/// Writes to the kernel log.
///
/// # Safety
/// `template` is NULL or a string; `arguments` fit it.
unsafe extern "C" fn vprintk(template: *const c_char, arguments: *mut VaList) -> c_int {
    let mut buffer = [0_u8; MAX_MESSAGE];
    // SAFETY: the caller's promise; the buffer is ours.
    let length = unsafe { write(&mut buffer, template, arguments) };
    let text = buffer.get(..length.min(MAX_MESSAGE)).unwrap_or_default();
    if let Some(host) = crate::host::current() {
        host.services().log.write(&String::from_utf8_lossy(text));
    }
    c_int::try_from(text.len()).unwrap_or(c_int::MAX)
}

/// `int vsprintf(char *buffer, const char *format, va_list args)`, not exported: nobody can say how much room there is.
///
/// # Safety
/// As [`vsnprintf`], with room for all of the text.
unsafe extern "C" fn vsprintf(buffer: *mut c_char, template: *const c_char, arguments: *mut VaList) -> c_int {
    let size = usize::try_from(c_int::MAX).unwrap_or(0).min((usize::MAX / 2).saturating_sub(buffer.addr()));
    // SAFETY: the caller's promise.
    unsafe { vsnprintf(buffer, size, template, arguments) }
}

/// `int vsnprintf(char *buffer, size_t size, const char *format, va_list args)`
///
/// # Safety
/// `buffer` has room for `size` bytes (or for the text, if that is less); `template` is a string; `arguments` fit it.
pub(super) unsafe extern "C" fn vsnprintf(buffer: *mut c_char, size: usize, template: *const c_char, arguments: *mut VaList) -> c_int {
    let mut scratch = [0_u8; MAX_MESSAGE];
    // SAFETY: a `va_list` of the caller's; the copy is used up first.
    let mut copy = unsafe { arguments.read() };
    // Most texts are short: formatted once, then copied, so that no reference ever covers memory that is not there.
    // SAFETY: the caller's promise; the scratch buffer is ours.
    let length = unsafe { write(&mut scratch, template, &raw mut copy) };
    let room = size.saturating_sub(1);
    if length <= scratch.len() || room <= scratch.len() {
        let fits = length.min(room).min(scratch.len());
        if size > 0 {
            // SAFETY: `fits` is less than `size`, and the buffer is the caller's.
            unsafe { std::ptr::copy_nonoverlapping(scratch.as_ptr(), buffer.cast(), fits) };
            // SAFETY: `fits` is less than `size`.
            let end = unsafe { buffer.add(fits) };
            // SAFETY: as above.
            unsafe { end.write(0) };
        }
    } else {
        let fits = length.min(room);
        // SAFETY: `fits` bytes of the buffer are written by the text, which is that long at least.
        let target = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), fits) };
        // SAFETY: the caller's promise.
        unsafe { write(target, template, arguments) };
        // SAFETY: `fits` is less than `size`.
        let end = unsafe { buffer.add(fits) };
        // SAFETY: as above.
        unsafe { end.write(0) };
    }
    c_int::try_from(length).unwrap_or(c_int::MAX)
}

/// Formats into a buffer; answers the length of the whole text.
///
/// # Safety
/// `template` is NULL or a string; `arguments` fit it.
unsafe fn write(buffer: &mut [u8], template: *const c_char, arguments: *mut VaList) -> usize {
    let mut sink = Sink::new(buffer);
    if template.is_null() {
        sink.push(b"(null)");
        return sink.length();
    }
    // SAFETY: the caller's promise.
    let length = unsafe { libc::strnlen(template, MAX_FORMAT) };
    // SAFETY: `length` bytes were just read there.
    let template = unsafe { std::slice::from_raw_parts(template.cast::<u8>(), length) };
    // SAFETY: the list was made by a trampoline above or by the module's compiler, and is used by this thread alone.
    let arguments = unsafe { &mut *arguments };
    format::format(template, arguments, &mut sink);
    sink.length()
}
