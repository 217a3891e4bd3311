//! The idle timer, as arithmetic: `alarm(delay)` of the classic daemon with the clock given from outside.

use std::time::Instant;

use crate::Delay;

/// A timer that goes off every `delay`, is put off by a full delay whenever somebody asks for a module, and can be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimer {
    due: Option<Instant>,
}

impl IdleTimer {
    /// A timer that is off.
    #[must_use]
    pub fn off() -> Self {
        Self { due: None }
    }

    /// Goes off a full delay from now, whatever it was set to before.
    pub fn arm(&mut self, now: Instant, delay: Delay) {
        self.due = now.checked_add(delay.duration());
    }

    /// Does not go off.
    pub fn disarm(&mut self) {
        self.due = None;
    }

    /// When it goes off; `None`: not at all.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Has it gone off by now? If so, it is set again, a full delay from now: a daemon that slept through several periods makes
    /// one pass, as with `alarm(2)`.
    pub fn expired(&mut self, now: Instant, delay: Delay) -> bool {
        let expired = self.due.is_some_and(|due| due <= now);
        if expired {
            self.arm(now, delay);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::IdleTimer;
    use crate::Delay;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn delay(seconds: u64) -> Delay {
        Delay::from_seconds(seconds).unwrap()
    }

    #[test]
    fn it_goes_off_every_delay() {
        let start = Instant::now();
        let mut timer = IdleTimer::off();
        assert!(!timer.expired(start + Duration::from_secs(1000), delay(3)));
        timer.arm(start, delay(3));
        let fired: Vec<u64> = (0..10).filter(|second| timer.expired(start + Duration::from_secs(*second), delay(3))).collect();
        assert_eq!(fired, [3, 6, 9]);
    }

    proptest! {
        /// Between the last request and a tick there is a full delay, and without requests there is never more than one delay
        /// between two looks at the clock.
        #[test]
        fn a_request_puts_it_off_by_a_full_delay(
            period in 1_u64..10,
            steps in proptest::collection::vec((1_u64..4, any::<bool>()), 1..200),
        ) {
            let start = Instant::now();
            let mut timer = IdleTimer::off();
            timer.arm(start, delay(period));
            let (mut now, mut quiet_since) = (0, 0);
            for (pass, request) in steps {
                now += pass;
                let clock = start + Duration::from_secs(now);
                let expired = timer.expired(clock, delay(period));
                prop_assert_eq!(expired, now - quiet_since >= period);
                if expired {
                    quiet_since = now;
                }
                if request {
                    timer.arm(clock, delay(period));
                    quiet_since = now;
                }
                prop_assert_eq!(timer.due(), Some(start + Duration::from_secs(quiet_since + period)));
            }
        }
    }
}
