//! Rust without its standard library: calls through the global offset table, panics, formatting machinery.
#![no_std]
use core::sync::atomic::{AtomicU32, Ordering};
unsafe extern "C" {
    fn host_call(x: i32) -> i32;
    static host_variable: i32;
}
static COUNT: AtomicU32 = AtomicU32::new(0);
static TABLE: [fn(i32) -> i32; 2] = [one, two];
fn one(x: i32) -> i32 {
    unsafe { host_call(x) + host_variable }
}
fn two(x: i32) -> i32 {
    x.checked_mul(3).unwrap_or_else(|| panic!("too large: {x}"))
}
#[unsafe(no_mangle)]
pub extern "C" fn init_module() -> i32 {
    let at = COUNT.fetch_add(1, Ordering::Relaxed) as usize;
    TABLE[at](at as i32)
}
