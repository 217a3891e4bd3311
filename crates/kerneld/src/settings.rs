//! What an administrator can set while the daemon runs (by SIGHUP or kdstat), and what holds for its life.

use std::time::Duration;

use uapi::kerneld::{DEFAULT_DELAY, Request};

/// Largest delay in seconds (`alarm(2)` of the classic systems took a signed number).
const MAX_DELAY: u64 = 0x7fff_ffff;

/// The period of the idle timer: whole seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(u64);

impl Delay {
    /// So many seconds; `None` for 0, which would be no timer at all (say `keep`), and for more than 2³¹ − 1.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (1..=MAX_DELAY).contains(&seconds).then_some(Self(seconds))
    }

    /// Reads decimal seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().and_then(Self::from_seconds)
    }

    /// Seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// The same as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Default for Delay {
    fn default() -> Self {
        Self(DEFAULT_DELAY)
    }
}

/// Whether modules are unloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unloading {
    /// On request and when idle.
    #[default]
    Allowed,
    /// Never: no idle timer, and every request to unload is ignored (`keep`; kerneld(8)).
    Keep,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// What an administrator has to know.
    #[default]
    Normal,
    /// Every message and every job (`debug`).
    Debug,
}

/// Whether there is a program that brings up routes. Looked up at start and at SIGHUP only, so that a kernel that looks up many
/// routes does not cost a search each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoutePrograms {
    /// Requests are answered with 0 at once.
    #[default]
    Absent,
    /// It is run.
    Present,
}

/// The settings that can change while the daemon runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Period of the idle timer, and how long a delayed release waits.
    pub delay: Delay,
    /// `keep` or not.
    pub unloading: Unloading,
    /// `debug` or not.
    pub verbosity: Verbosity,
    /// Is there a request-route program?
    pub route: RoutePrograms,
}

/// Which messages this daemon takes: the `msgtyp` of `msgrcv(2)`. Positive: exactly that type. Negative: every type up to its
/// absolute value, lowest first. 0: all, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served(i32);

impl Served {
    /// By the number after `type=`.
    #[must_use]
    pub fn new(msgtyp: i32) -> Self {
        Self(msgtyp)
    }

    /// The number that the channel wants.
    #[must_use]
    pub fn msgtyp(self) -> i64 {
        i64::from(self.0)
    }

    /// Does this daemon get requests of that type?
    #[must_use]
    pub fn takes(self, request: Request) -> bool {
        match self.0 {
            0 => true,
            exact if exact > 0 => exact.unsigned_abs() == request.code(),
            upto => request.code() <= upto.unsigned_abs(),
        }
    }
}

impl Default for Served {
    /// All types of `kerneld.h`, 1 to 255, lowest first.
    fn default() -> Self {
        Self(-255)
    }
}

#[cfg(test)]
mod tests {
    use super::{Delay, Served};
    use uapi::kerneld::Request;

    #[test]
    fn a_delay_is_whole_seconds() {
        assert_eq!(Delay::parse("180").map(Delay::seconds), Some(180));
        assert_eq!(Delay::parse("2147483647").map(Delay::seconds), Some(2_147_483_647));
        for bad in ["", "0", "-1", "+1", "1.5", "2147483648", "99999999999999999999", "x", " 1"] {
            assert_eq!(Delay::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Delay::default().seconds(), 60);
    }

    #[test]
    fn a_type_selects_as_msgrcv_does() {
        assert!(Served::default().takes(Request::System) && Served::default().takes(Request::Debug));
        assert!(Served::new(2).takes(Request::RequestModule) && !Served::new(2).takes(Request::System));
        assert!(Served::new(-6).takes(Request::RequestRoute) && !Served::new(-6).takes(Request::Blanker));
        assert!(Served::new(0).takes(Request::Debug));
        assert!(!Served::new(i32::MAX).takes(Request::System) && Served::new(i32::MIN).takes(Request::Debug));
    }
}
