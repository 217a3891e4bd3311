//! `[[rule]]`.

use toml::Spanned;
use toml::de::DeValue;

use super::words::{class, glob, moment, put, several, verdict};
use super::{Entry, Source, entries};
use crate::Verdict;
use crate::policy::{Fault, FaultKind, Rule, Who};

/// A key of a rule: what it takes, and how it is set.
struct Key {
    name: &'static str,
    wanted: &'static str,
    set: fn(&mut Rule, &DeValue<'_>) -> Option<()>,
}

/// The keys of a rule.
const KEYS: &[Key] = &[
    Key { name: "name", wanted: "a text that is not empty", set: |rule, value| put(&mut rule.name, line(value)) },
    Key {
        name: "class",
        wanted: "classes of requests (`kerneld classes` lists them)",
        set: |rule, value| put(&mut rule.classes, several(value, class)),
    },
    Key {
        name: "request",
        wanted: "patterns of names, not empty, without blanks",
        set: |rule, value| put(&mut rule.requests, several(value, glob)),
    },
    Key {
        name: "module",
        wanted: "patterns of modules, not empty, without blanks",
        set: |rule, value| put(&mut rule.modules, several(value, glob)),
    },
    Key {
        name: "requester",
        wanted: "`root`, `service`, `user`, `container`, `kernel`, `device`, `unknown`, `uid:N`, `uid:N-M`, `unit:PATTERN`, `exe:PATTERN`, \
                 `removable`, `bus:NAME`, or some of them joined by `+`",
        set: |rule, value| put(&mut rule.requesters, several(value, Who::parse)),
    },
    Key { name: "verdict", wanted: "`allow`, `audit` or `deny`", set: |rule, value| put(&mut rule.verdict, verdict(value)) },
    Key { name: "reason", wanted: "a text that is not empty", set: |rule, value| put(&mut rule.reason, line(value).map(Some)) },
    Key { name: "until", wanted: "a date or time", set: |rule, value| put(&mut rule.until, moment(value).map(Some)) },
];

/// A text for people, as one line.
fn line(value: &DeValue<'_>) -> Option<String> {
    let line = value.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// Reads one rule, with all its faults.
pub(super) fn rule(source: &Source<'_>, number: usize, value: &Spanned<DeValue<'_>>) -> Result<Rule, Vec<Fault>> {
    let place = source.place(value.span().start);
    let whole = Entry { key: "rule".to_owned(), place: place.clone(), value: value.get_ref() };
    let table = value.get_ref().as_table().ok_or_else(|| vec![whole.bad("tables: `[[rule]]`")])?;
    let mut rule = Rule {
        name: format!("rule {number}"),
        place: place.to_string(),
        classes: Vec::new(),
        requests: Vec::new(),
        modules: Vec::new(),
        requesters: Vec::new(),
        verdict: Verdict::Deny,
        reason: None,
        until: None,
    };
    let mut faults = Vec::new();
    for entry in entries(source, "rule.", table) {
        let name = entry.key.strip_prefix("rule.").unwrap_or(&entry.key);
        match KEYS.iter().find(|key| key.name == name) {
            None => faults.push(entry.unknown(names())),
            Some(key) if (key.set)(&mut rule, entry.value).is_none() => faults.push(entry.bad(key.wanted)),
            Some(_) => {}
        }
    }
    if !table.contains_key("verdict") {
        faults.push(Fault { place, kind: FaultKind::MissingKey { key: "rule.verdict".to_owned() } });
    }
    if faults.is_empty() { Ok(rule) } else { Err(faults) }
}

/// The names of all keys.
pub(super) fn names() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}
