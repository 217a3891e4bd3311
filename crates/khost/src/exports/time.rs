//! Time and interrupts.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use kernel::InterruptContext;
use uapi::Errno;

use super::text;
use crate::host::current;
use crate::irq::{Handler, Sharing};
use crate::log::Level;

/// `extern volatile unsigned long jiffies`
pub(super) static JIFFIES: AtomicU64 = AtomicU64::new(0);

/// `SA_SHIRQ`
const SA_SHIRQ: c_ulong = 0x0400_0000;

/// Counts `ticks` more ticks of the timer.
pub fn tick(ticks: u64) {
    JIFFIES.fetch_add(ticks, Ordering::Relaxed);
}

/// `long get_seconds(void)`
pub(super) extern "C" fn get_seconds() -> c_long {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    c_long::try_from(since.as_secs()).unwrap_or(c_long::MAX)
}

/// `void msleep(unsigned int milliseconds)`
pub(super) extern "C" fn msleep(milliseconds: c_uint) {
    if InterruptContext::is_active() {
        if let Some(host) = current() {
            host.services().log.line(Level::ERR, "msleep: called in an interrupt handler; not sleeping");
        }
        return;
    }
    std::thread::sleep(Duration::from_millis(milliseconds.into()));
}

/// `int in_interrupt(void)`
pub(super) extern "C" fn in_interrupt() -> c_int {
    c_int::from(InterruptContext::is_active())
}

/// `int request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags, const char *device, void *dev_id)`
///
/// # Safety
/// `device` is NULL or a string.
pub(super) unsafe extern "C" fn request_irq(irq: c_uint, handler: u64, flags: c_ulong, device: *const c_char, cookie: u64) -> c_int {
    let Some(host) = current() else { return -Errno::ENOSYS.number() };
    // SAFETY: the caller's promise.
    let device = unsafe { text::copy(device) }.unwrap_or_default();
    let Some(owner) = host.owner_at(&[handler]) else { return -Errno::EINVAL.number() };
    let sharing = if flags & SA_SHIRQ == 0 { Sharing::Exclusive } else { Sharing::Shared };
    let handler = Handler { address: handler, cookie, device, sharing, owner };
    match host.services().interrupts.request(usize::try_from(irq).unwrap_or(usize::MAX), handler) {
        Ok(()) => 0,
        Err(error) => -error.number(),
    }
}

/// `void free_irq(unsigned int irq, void *dev_id)`
pub(super) extern "C" fn free_irq(irq: c_uint, cookie: u64) {
    let Some(host) = current() else { return };
    if host.services().interrupts.free(usize::try_from(irq).unwrap_or(usize::MAX), cookie).is_err() {
        host.services().log.line(Level::ERR, &format!("free_irq: nobody has line {irq} with that dev_id"));
    }
}
