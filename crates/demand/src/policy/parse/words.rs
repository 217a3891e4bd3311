//! The words that values are made of.

use std::time::Duration;

use toml::de::DeValue;

use super::super::{Glob, date, duration};
use crate::{Class, Kind, Verdict};

/// Units of sizes.
const SIZES: &[(&str, u64)] =
    &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1), ("", 1)];

/// Puts a value in its place, if it was understood.
pub(super) fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// A value as faults show it.
pub(super) fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("`{}`", text.escape_debug()),
        DeValue::Integer(number) => format!("`{number}`"),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(time) => format!("`{time}`"),
        DeValue::Array(items) => match items.iter().find(|item| !item.get_ref().is_str()) {
            Some(other) => format!("a list with {}", other.get_ref().type_str()),
            None => format!("`{}`", items.iter().filter_map(|item| item.get_ref().as_str()).collect::<Vec<_>>().join(", ").escape_debug()),
        },
        other => format!("a {}", other.type_str()),
    }
}

/// One or more texts: a text, or a list of texts that is not empty.
pub(super) fn texts<'v>(value: &'v DeValue<'_>) -> Option<Vec<&'v str>> {
    match value {
        DeValue::String(text) => Some(vec![text.as_ref()]),
        DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| item.get_ref().as_str()).collect(),
        _ => None,
    }
}

/// Several words, each understood by the same function.
pub(super) fn several<T>(value: &DeValue<'_>, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    texts(value)?.into_iter().map(one).collect()
}

/// A word of a table.
pub(super) fn word<T: Copy>(value: &DeValue<'_>, table: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    table.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

/// `allow`, `audit`, `deny`.
pub(super) fn verdict(value: &DeValue<'_>) -> Option<Verdict> {
    word(value, &[("allow", Verdict::Allow), ("audit", Verdict::Audit), ("deny", Verdict::Deny)])
}

/// A kind of requester.
pub(super) fn kind(text: &str) -> Option<Kind> {
    text.parse().ok()
}

/// A class of requests.
pub(super) fn class(text: &str) -> Option<Class> {
    text.parse().ok()
}

/// A pattern over names.
pub(super) fn glob(text: &str) -> Option<Glob> {
    // Blanks are in no name; a list written as one text would match nothing.
    if text.contains(char::is_whitespace) { None } else { Glob::new(text) }
}

/// A duration.
pub(super) fn time(value: &DeValue<'_>) -> Option<Duration> {
    duration(value.as_str()?)
}

/// A date or time, as TOML writes it or as a text, in microseconds since 1970.
pub(super) fn moment(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Datetime(time) => date(&time.to_string()),
        other => date(other.as_str()?),
    }
}

/// A number that is not negative.
pub(super) fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Bytes: a number, or a text with a unit.
pub(super) fn size(value: &DeValue<'_>) -> Option<u64> {
    let Some(text) = value.as_str() else { return number(value) };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = SIZES.iter().find(|(word, _)| *word == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}
