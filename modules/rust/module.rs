// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a module in Rust uses of the hosted kernel: the counterpart of `module.h`, as far as the samples need it.
//!
//! A module is a `no_std` static library with `panic = "abort"`. Built with `lto = "fat"` it holds the parts of `core` that it uses, and
//! GNU ld joins it to one relocatable object:
//!
//! ```text
//! rustc --edition 2024 --crate-type staticlib -O -C panic=abort -C lto=fat -C codegen-units=1 lib.rs -o libNAME.a
//! ld -r --gc-sections -e init_module -u cleanup_module -T module.lds libNAME.a -o NAME.o
//! ```
#![allow(dead_code)]

use core::ffi::{c_char, c_int, c_long};
use core::fmt::Write;
use core::panic::PanicInfo;

unsafe extern "C" {
    fn printk(format: *const c_char, ...) -> c_int;
    /// The first word of the module's data; insmod binds it.
    static mod_use_count_: core::sync::atomic::AtomicI64;
}

/// The levels of the kernel log.
#[derive(Clone, Copy)]
pub enum Level {
    Error = 3,
    Info = 6,
}

/// A line for the kernel log, cut where it does not fit.
pub struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    /// Writes it to the kernel log.
    pub fn print(&mut self, level: Level) {
        // The level cannot be a conversion (printk looks for it in the format), so there is a format per level.
        let format = match level {
            Level::Error => c"<3>%s\n".as_ptr(),
            Level::Info => c"<6>%s\n".as_ptr(),
        };
        // SAFETY: the format takes one string, and the line ends in a zero byte, which `write_str` never reaches.
        unsafe { printk(format, self.bytes.as_ptr()) };
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for &byte in text.as_bytes() {
            if self.length + 1 < self.bytes.len() {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

/// Writes a formatted line to the kernel log.
#[macro_export]
macro_rules! log {
    ($level:ident, $($argument:tt)*) => {{
        let mut line = $crate::module::Line::new();
        let _cut = core::fmt::Write::write_fmt(&mut line, format_args!($($argument)*));
        line.print($crate::module::Level::$level);
    }};
}

/// Puts a function on the list of exports, with its C prototype for the checksum.
#[macro_export]
macro_rules! export {
    ($function:ident: $type:ty, $name:literal, $prototype:literal) => {
        const _: () = {
            const NAME: &str = concat!($name, "\0");
            const PROTOTYPE: &str = concat!($name, "\0", $prototype, "\0");
            #[used]
            #[unsafe(link_section = "__ksymtab_strings")]
            static LISTED: [u8; NAME.len()] = *NAME.as_bytes().first_chunk().unwrap();
            #[used]
            #[unsafe(link_section = "__kproto")]
            static TYPED: [u8; PROTOTYPE.len()] = *PROTOTYPE.as_bytes().first_chunk().unwrap();
            // Nothing in the module calls it, so this is what keeps it.
            #[used]
            #[unsafe(link_section = ".kexport")]
            static KEPT: $type = $function;
        };
    };
}

/// An entry for `.modinfo`, such as `modinfo!("license=MIT")`.
#[macro_export]
macro_rules! modinfo {
    ($entry:literal) => {
        const _: () = {
            const ENTRY: &str = concat!($entry, "\0");
            #[used]
            #[unsafe(link_section = ".modinfo")]
            static KEPT: [u8; ENTRY.len()] = *ENTRY.as_bytes().first_chunk().unwrap();
        };
    };
}

/// One user more (`MOD_INC_USE_COUNT`).
pub fn get() {
    use core::sync::atomic::Ordering::SeqCst;
    // SAFETY: the kernel keeps the word as long as the module, and changes it atomically too.
    let count = unsafe { &mod_use_count_ };
    count.fetch_add(1, SeqCst);
    count.fetch_or(VISITED, SeqCst);
}

/// One user less (`MOD_DEC_USE_COUNT`).
pub fn put() {
    use core::sync::atomic::Ordering::SeqCst;
    // SAFETY: as in `get`.
    let count = unsafe { &mod_use_count_ };
    count.fetch_or(VISITED, SeqCst);
    count.fetch_sub(1, SeqCst);
}

const VISITED: c_long = 0x2000_0000;

/// There is nothing to unwind to: the panic is reported, and the invalid instruction makes it a fault of this module.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log!(Error, "{info}");
    // SAFETY: `ud2` changes nothing; control does not come back.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
