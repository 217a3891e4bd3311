//! What debuggers and unwinders are told of loaded code: gdb's JIT interface (gdb manual, "JIT Compilation Interface"), and frame
//! information for `__register_frame` (GCC's `unwind-dw2-fde.c`).
#![allow(unsafe_code)]

use std::ptr;
use std::sync::{Mutex, PoisonError};

/// `enum jit_actions_t`.
const NOTHING: u32 = 0;
const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// `struct jit_code_entry`: one object in the list that the debugger reads.
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    previous: *mut CodeEntry,
    object: *const u8,
    size: u64,
}

/// `struct jit_descriptor`.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut CodeEntry,
    first: *mut CodeEntry,
}

/// The list that the debugger finds by its name.
#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: NOTHING, relevant: ptr::null_mut(), first: ptr::null_mut() };

/// The debugger sets a breakpoint here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // Keeps the function, and every store to the list before its call.
    // SAFETY: an empty instruction sequence.
    unsafe { std::arch::asm!("", options(nostack, preserves_flags)) };
}

unsafe extern "C" {
    fn __register_frame(begin: *const u8);
    fn __deregister_frame(begin: *const u8);
}

/// One at a time changes the list.
static LIST: Mutex<()> = Mutex::new(());

/// An object in the list; off it when dropped.
#[derive(Debug)]
struct Shown {
    entry: *mut CodeEntry,
    object: Box<[u8]>,
}

// SAFETY: the entry is only touched under the lock of the list.
unsafe impl Send for Shown {}

impl Shown {
    fn new(object: Vec<u8>) -> Self {
        let object = object.into_boxed_slice();
        let size = u64::try_from(object.len()).unwrap_or(0);
        let entry = CodeEntry { next: ptr::null_mut(), previous: ptr::null_mut(), object: object.as_ptr(), size };
        let entry = Box::into_raw(Box::new(entry));
        let _lock = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptor = &raw mut __jit_debug_descriptor;
        // SAFETY: under the lock nobody else changes the list; every entry in it is alive, as each leaves it before it is freed.
        let first = unsafe { (*descriptor).first };
        if !first.is_null() {
            // SAFETY: as above.
            unsafe { (*first).previous = entry };
        }
        // SAFETY: the entry was made just now.
        unsafe { (*entry).next = first };
        // SAFETY: as above.
        unsafe { (*descriptor).first = entry };
        announce(entry, REGISTER);
        Self { entry, object }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _lock = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the entry is alive until the end of this function, and under the lock nobody else changes the list.
        let entry = unsafe { &*self.entry };
        let (next, previous) = (entry.next, entry.previous);
        if !next.is_null() {
            // SAFETY: neighbours in the list are alive.
            unsafe { (*next).previous = previous };
        }
        if previous.is_null() {
            let descriptor = &raw mut __jit_debug_descriptor;
            // SAFETY: under the lock.
            unsafe { (*descriptor).first = next };
        } else {
            // SAFETY: neighbours in the list are alive.
            unsafe { (*previous).next = next };
        }
        announce(self.entry, UNREGISTER);
        debug_assert_eq!(entry.object, self.object.as_ptr());
        // SAFETY: made by `Box::into_raw` in `new`, and in no list any more.
        drop(unsafe { Box::from_raw(self.entry) });
    }
}

/// Tells the debugger. The lock of the list is held.
fn announce(entry: *mut CodeEntry, action: u32) {
    let descriptor = &raw mut __jit_debug_descriptor;
    // SAFETY: under the lock.
    unsafe { (*descriptor).relevant = entry };
    // SAFETY: under the lock.
    unsafe { (*descriptor).action = action };
    __jit_debug_register_code();
    // SAFETY: under the lock.
    unsafe { (*descriptor).action = NOTHING };
}

/// Frame information that the unwinder knows, by its address.
#[derive(Debug)]
struct Frames(u64);

impl Frames {
    fn pointer(&self) -> *const u8 {
        ptr::with_exposed_provenance(usize::try_from(self.0).unwrap_or(0))
    }
}

/// What was registered for one module.
#[derive(Debug, Default)]
pub(crate) struct Registration {
    frames: Option<Frames>,
    object: Option<Shown>,
}

impl Registration {
    /// Registers frame information: records up to their terminator, in memory that stays until [`undo`](Self::undo).
    pub(crate) fn add_frames(&mut self, frames: &[u8]) {
        let frames = Frames(frames.as_ptr().expose_provenance() as u64);
        // SAFETY: the chain of records was checked to end in its terminator, and its memory never changes.
        unsafe { __register_frame(frames.pointer()) };
        self.frames = Some(frames);
    }

    /// Shows an object file, its `sh_addr` set to run addresses, to debuggers.
    pub(crate) fn add_object(&mut self, object: Vec<u8>) {
        if !object.is_empty() {
            self.object = Some(Shown::new(object));
        }
    }

    /// Takes everything back. Not done for modules that stay in memory for ever: their code may still be on some stack.
    pub(crate) fn undo(&mut self) {
        if let Some(frames) = self.frames.take() {
            // SAFETY: registered by `add_frames`, and its memory is still mapped.
            unsafe { __deregister_frame(frames.pointer()) };
        }
        self.object = None;
    }
}

#[cfg(test)]
mod tests {
    use super::{__jit_debug_descriptor, CodeEntry, Shown};

    /// The objects in the list, as a debugger walks it, each with a look at the way back.
    fn listed() -> Vec<u8> {
        let descriptor = &raw const __jit_debug_descriptor;
        // SAFETY: no other test of this program changes the list.
        let mut entry: *const CodeEntry = unsafe { (*descriptor).first };
        let (mut found, mut before) = (Vec::new(), std::ptr::null());
        while !entry.is_null() {
            // SAFETY: entries in the list are alive.
            let this = unsafe { &*entry };
            assert_eq!(this.previous.cast_const(), before);
            assert_eq!(this.size, 3);
            // SAFETY: the object of an entry has `size` bytes.
            found.push(unsafe { *this.object });
            (before, entry) = (entry, this.next.cast_const());
        }
        found
    }

    #[test]
    fn objects_enter_in_front_and_leave_from_anywhere() {
        let mut shown: Vec<Shown> = (0..4).map(|number| Shown::new(vec![number; 3])).collect();
        assert_eq!(listed(), [3, 2, 1, 0]);
        shown.remove(1);
        assert_eq!(listed(), [3, 2, 0]);
        shown.pop();
        assert_eq!(listed(), [2, 0]);
        shown.remove(0);
        assert_eq!(listed(), [2]);
        shown.clear();
        assert!(listed().is_empty());
    }
}
