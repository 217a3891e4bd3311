//! Times and dates as people write them.

use std::time::Duration;

/// Units of durations, with their milliseconds.
const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// The last second of the year 9999, in microseconds since 1970.
const LAST: u64 = 253_402_300_799_000_000;

/// Microseconds of a day.
const DAY: u64 = 86_400_000_000;

/// A duration such as `2s`, `500ms`, `1h30m`; `None` if it is none, or more than some million years.
///
/// ```
/// assert_eq!(demand::policy::duration("1h30m").unwrap().as_secs(), 5400);
/// assert_eq!(demand::policy::duration("5"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: Option<u64> = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, further) = behind.split_at(end);
        let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        let part = number.parse::<u64>().ok()?.checked_mul(*milliseconds)?;
        total = Some(total.unwrap_or(0).checked_add(part)?);
        rest = further;
    }
    total.map(Duration::from_millis)
}

/// A duration as [`duration`] reads it. What is less than a millisecond is left out.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Weeks are days for people who read on.
    for (unit, milliseconds) in UNITS.iter().rev().filter(|(unit, _)| *unit != "w") {
        if left >= *milliseconds {
            text.push_str(&format!("{}{unit}", left / milliseconds));
            left %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A date or time such as `2026-12-31`, `2026-12-31T18:00:00Z`, `2026-12-31 18:00:00+01:00` in microseconds since 1970. Without an offset
/// it is UTC, without a time the beginning of the day. `None` if it is none, or before 1970.
#[must_use]
pub fn date(text: &str) -> Option<u64> {
    let text = text.trim();
    let (day, time) = text.split_at_checked(10)?;
    let mut numbers = day.split('-');
    let mut number = |digits: usize| numbers.next().filter(|part| part.len() == digits)?.parse::<u32>().ok();
    let (year, month, of_month) = (number(4)?, number(2)?, number(2)?);
    let days = days_since_1970(year, month, of_month)?;
    let seconds = if time.is_empty() { 0 } else { seconds_of_day(time.strip_prefix(['T', 't', ' '])?)? };
    let total = i64::try_from(days.checked_mul(86_400)?).ok()?.checked_add(seconds)?;
    u64::try_from(total).ok()?.checked_mul(1_000_000)
}

/// `HH:MM[:SS[.fraction]][Z|±HH:MM]` in seconds; negative where the offset leads into the day before.
fn seconds_of_day(text: &str) -> Option<i64> {
    let end = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, offset) = text.split_at(end);
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let two = |part: &str, limit: i64| part.parse::<i64>().ok().filter(|n| part.len() == 2 && *n < limit);
    let mut parts = clock.split(':');
    let (hour, minute) = (two(parts.next()?, 24)?, two(parts.next()?, 60)?);
    let second = parts.next().map_or(Some(0), |part| two(part, 61))?;
    let shift = match offset {
        "" | "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let shift = two(hours, 24)? * 3600 + two(minutes, 60)? * 60;
            if offset.starts_with('-') { -shift } else { shift }
        }
    };
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second - shift)
}

/// Days from the first of 1970 to a day of the Gregorian calendar.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u32 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some(years + u64::from(months + day - 1))
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A time in microseconds since 1970 as `2026-12-31T18:00:00Z`; one that no clock shows as the end of the last year of four digits.
#[must_use]
pub fn show_date(time: u64) -> String {
    let time = time.min(LAST);
    let (mut days, seconds) = (time / DAY, time % DAY / 1_000_000);
    let mut year = 1970;
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days >= u64::from(days_of_month(year, month)) {
        days -= u64::from(days_of_month(year, month));
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_and_read() {
        for (text, milliseconds) in [("500ms", 500), ("2s", 2000), ("10m", 600_000), ("1h30m", 5_400_000), ("7d", 604_800_000)] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_millis(milliseconds));
            assert_eq!(show_duration(read), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0s");
        for wrong in ["", "5", "s", "1x", "-1s", "1h 30", "99999999999999999999s", "9999999999999999999d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_are_written_and_read() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2026-11-21T23:46:43Z", 1_795_304_803),
            ("2026-11-22T00:46:43+01:00", 1_795_304_803),
            ("2026-11-21 20:46:43.5-03:00", 1_795_304_803),
        ] {
            assert_eq!(date(text), Some(seconds * 1_000_000), "{text}");
        }
        assert_eq!(show_date(1_795_304_803_000_000), "2026-11-21T23:46:43Z");
        assert_eq!(show_date(951_782_400_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(show_date(u64::MAX), "9999-12-31T23:59:59Z");
        for wrong in
            ["", "2026", "2026-13-01", "2026-02-30", "2026-1-1", "1969-12-31", "2026-11-21T25:00:00Z", "2026-11-21T1:00", "2026-11-21Tx"]
        {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }
}
