//! Lines that strangers can cause, kept from pushing everything else out of the log (`printk_ratelimit` of Linux).

use std::time::{Duration, Instant};

/// Lines in a window.
const BURST: u32 = 10;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(5);

/// How many lines were said and kept back in the current window.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    start: Option<Instant>,
    said: u32,
    kept_back: u64,
}

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Say it, and that so many before it were not said.
    Say {
        /// Lines of the window before that nobody saw.
        kept_back: u64,
    },
    /// Only count it.
    KeepBack,
}

impl RateLimit {
    /// Decides about one line.
    pub(crate) fn line(&mut self, now: Instant) -> Verdict {
        let mut kept_back = 0;
        if self.start.is_none_or(|start| now.saturating_duration_since(start) >= WINDOW) {
            kept_back = self.kept_back;
            *self = Self { start: Some(now), said: 0, kept_back: 0 };
        }
        if self.said < BURST {
            self.said = self.said.saturating_add(1);
            Verdict::Say { kept_back }
        } else {
            self.kept_back = self.kept_back.saturating_add(1);
            Verdict::KeepBack
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, RateLimit, Verdict, WINDOW};
    use std::time::Instant;

    #[test]
    fn a_flood_is_counted_and_the_count_is_said_in_the_next_window() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        let said = (0..1000).filter(|_| limit.line(start) != Verdict::KeepBack).count();
        assert_eq!(said, usize::try_from(BURST).unwrap());
        assert_eq!(limit.line(start + WINDOW), Verdict::Say { kept_back: 990 });
        assert_eq!(limit.line(start + WINDOW), Verdict::Say { kept_back: 0 });
    }
}
