//! The arguments of variadic functions on x86-64 (System V psABI 3.5.7, "Variable Argument Lists").

use std::ffi::c_char;

use crate::format::Arguments;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("khost offers printk to modules by the x86-64 calling convention; port exports/va_list.rs and exports/print.rs first");

/// Bytes of the register save area that hold integer arguments: six registers.
const INTEGER_AREA: u32 = 48;

/// `va_list`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct VaList {
    /// Offset of the next integer register in the save area.
    integers: u32,
    /// Offset of the next vector register; never looked at, since there is no floating point.
    vectors: u32,
    /// The next argument on the stack.
    stack: *const u64,
    /// Where the registers were saved.
    saved: *const u64,
}

impl Arguments for VaList {
    fn word(&mut self) -> u64 {
        let place = if self.integers < INTEGER_AREA {
            let slot = usize::try_from(self.integers / 8).unwrap_or(0);
            self.integers += 8;
            // SAFETY: the save area has six words, and `slot` is less than six.
            unsafe { self.saved.add(slot) }
        } else {
            let place = self.stack;
            // SAFETY: the callee of a variadic call reads its stack arguments upwards; as many as its format asks for.
            self.stack = unsafe { place.add(1) };
            place
        };
        // SAFETY: a saved register or a word of the caller's stack. A format that asks for more arguments than were passed
        // reads other words of that stack, as it does in C.
        unsafe { place.read() }
    }

    fn text(&mut self, address: u64, limit: usize, sink: &mut dyn FnMut(&[u8])) {
        let start: *const c_char = std::ptr::with_exposed_provenance(usize::try_from(address).unwrap_or(0));
        // SAFETY: the module says that a string is there; a bad pointer traps, with no lock held.
        let length = unsafe { libc::strnlen(start, limit) };
        // SAFETY: `length` bytes were just read there.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
        sink(bytes);
    }
}
