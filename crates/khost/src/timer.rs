//! The timer: raises line 0 `HZ` times a second and counts `jiffies`.

use std::time::{Duration, Instant};

use crate::error::{Error, Step};
use crate::host::Host;
use crate::irq::TIMER;

/// One tick: `HZ` is 100.
const TICK: Duration = Duration::from_millis(10);

/// Starts the timer of a host. It ends when the kernel ends.
///
/// # Errors
/// [`Error::Setup`] where there is no thread to be had.
pub fn start(host: &'static Host) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name("timer".to_owned());
    let started = thread.spawn(move || run(host));
    started.map(drop).map_err(|error| Error::Setup { step: Step::Timer, error })
}

/// Ticks by the clock: a late tick counts as many as it is, and raises the line once.
fn run(host: &Host) {
    let started = Instant::now();
    let mut counted = 0_u64;
    while !host.services().ending.is_asked() {
        std::thread::sleep(TICK);
        let now = u64::try_from(started.elapsed().as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
        if now > counted {
            crate::exports::tick(now.saturating_sub(counted));
            counted = now;
            // The timer's line is always there.
            let _ = host.raise(TIMER);
        }
    }
}
