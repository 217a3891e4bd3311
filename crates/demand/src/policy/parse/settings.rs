//! The keys beside the rules.

use std::time::Duration;

use toml::de::DeValue;

use super::Entry;
use super::words::{class, glob, kind, number, put, several, size, time, verdict, word};
use crate::policy::{Fault, LeaseMode, Policy};
use crate::{Kind, Mode};

/// A setting: what it takes, and how it is set.
struct Setting {
    key: &'static str,
    wanted: &'static str,
    set: fn(&mut Policy, &Entry<'_>) -> Option<()>,
}

/// Tables that hold settings.
const TABLES: &[&str] = &["default", "journal", "control", "leases", "leases.periods", "devices"];

/// Keys that stand for a setting of each kind of requester, or class, in messages and in the documentation.
const KIND: &str = "default.KIND";
const CLASS: &str = "leases.periods.CLASS";

const VERDICTS: &str = "`allow`, `audit` or `deny`";
const TIME: &str = "a time such as `2s`, `500ms`, `1h30m`";

/// The longest wait of the helper: whatever asked is blocked as long.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The settings.
const SETTINGS: &[Setting] = &[
    Setting {
        key: "mode",
        wanted: "`audit`, `learn` or `enforce`",
        set: |policy, entry| {
            let words = [("audit", Mode::Audit), ("learn", Mode::Learn), ("enforce", Mode::Enforce)];
            put(&mut policy.mode, word(entry.value, &words))
        },
    },
    Setting { key: "answer-within", wanted: "a time up to `10m`", set: |policy, entry| put(&mut policy.answer_within, wait(entry.value)) },
    Setting { key: "load-within", wanted: "a time up to `10m`", set: |policy, entry| put(&mut policy.load_within, wait(entry.value)) },
    Setting {
        key: "default.verdict",
        wanted: VERDICTS,
        set: |policy, entry| {
            policy.default.place = Some(entry.place.to_string());
            put(&mut policy.default.verdict, verdict(entry.value))
        },
    },
    Setting {
        key: KIND,
        wanted: VERDICTS,
        set: |policy, entry| {
            let kind = kind(entry.key.strip_prefix("default.")?)?;
            policy.default.places.insert(kind, entry.place.to_string());
            policy.default.kinds.insert(kind, verdict(entry.value)?);
            Some(())
        },
    },
    Setting {
        key: "journal.size",
        wanted: "a size such as `8MiB`, from `64KiB` to `1GiB`",
        set: |policy, entry| put(&mut policy.journal.size, size(entry.value).filter(|size| (64 << 10..=1 << 30).contains(size))),
    },
    Setting {
        key: "journal.keep",
        wanted: "a number of older files, up to 1000",
        set: |policy, entry| put(&mut policy.journal.keep, small(entry.value, 0, 1000)),
    },
    Setting {
        key: "control.group",
        wanted: "the name of a group",
        set: |policy, entry| {
            let name = entry.value.as_str().filter(|name| !name.is_empty() && !name.contains([':', '\n', '\0']))?;
            policy.control.group = Some(name.to_owned());
            Some(())
        },
    },
    Setting {
        key: "leases.mode",
        wanted: "`off`, `report` or `unload`",
        set: |policy, entry| {
            let words = [("off", LeaseMode::Off), ("report", LeaseMode::Report), ("unload", LeaseMode::Unload)];
            put(&mut policy.leases.mode, word(entry.value, &words))
        },
    },
    Setting { key: "leases.period", wanted: TIME, set: |policy, entry| put(&mut policy.leases.period, some_time(entry.value)) },
    Setting {
        key: "leases.classes",
        wanted: "classes of requests (`kerneld classes` lists them)",
        set: |policy, entry| put(&mut policy.leases.classes, several(entry.value, class)),
    },
    Setting {
        key: CLASS,
        wanted: TIME,
        set: |policy, entry| {
            let class = class(entry.key.strip_prefix("leases.periods.")?)?;
            policy.leases.periods.insert(class, some_time(entry.value)?);
            Some(())
        },
    },
    Setting {
        key: "leases.keep",
        wanted: "patterns of modules, not empty, without blanks",
        set: |policy, entry| put(&mut policy.leases.keep, several(entry.value, glob)),
    },
    Setting {
        key: "leases.pin-after",
        wanted: "a number of loads, from 1 to 1000",
        set: |policy, entry| put(&mut policy.leases.pin_after, small(entry.value, 1, 1000)),
    },
    Setting { key: "leases.pin-within", wanted: TIME, set: |policy, entry| put(&mut policy.leases.pin_within, some_time(entry.value)) },
    Setting {
        key: "devices.follow",
        wanted: "`true` or `false`",
        set: |policy, entry| put(&mut policy.devices.follow, entry.value.as_bool()),
    },
    Setting {
        key: "devices.workers",
        wanted: "a number from 1 to 64",
        set: |policy, entry| put(&mut policy.devices.workers, small(entry.value, 1, 64)),
    },
];

fn some_time(value: &DeValue<'_>) -> Option<Duration> {
    time(value).filter(|time| !time.is_zero())
}

fn wait(value: &DeValue<'_>) -> Option<Duration> {
    some_time(value).filter(|time| *time <= MAX_WAIT)
}

fn small(value: &DeValue<'_>, from: u32, to: u32) -> Option<u32> {
    u32::try_from(number(value)?).ok().filter(|number| (from..=to).contains(number))
}

/// Whether a key is that of a table of settings.
pub(super) fn is_table(key: &str) -> bool {
    TABLES.contains(&key)
}

/// Sets what an entry says.
pub(super) fn set(policy: &mut Policy, entry: &Entry<'_>) -> Result<(), Fault> {
    let (table, name) = entry.key.rsplit_once('.').unwrap_or(("", &entry.key));
    let listed = match table {
        "default" if kind(name).is_some() => KIND,
        "leases.periods" if class(name).is_some() => CLASS,
        _ => entry.key.as_str(),
    };
    match SETTINGS.iter().find(|setting| setting.key == listed && !name.chars().all(char::is_uppercase)) {
        Some(setting) => (setting.set)(policy, entry).ok_or_else(|| entry.bad(setting.wanted)),
        None if is_table(&entry.key) || entry.key == "rule" => {
            Err(entry.bad(if entry.key == "rule" { "tables: `[[rule]]`" } else { "a table" }))
        }
        None => Err(entry.unknown(beside(table))),
    }
}

/// The keys of a table.
fn beside(table: &str) -> Vec<&'static str> {
    let of_table = |key: &&'static str| key.rsplit_once('.').map_or("", |(table, _)| table) == table;
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let settings = SETTINGS.iter().map(|setting| setting.key);
    let mut keys: Vec<_> = settings.chain(TABLES.iter().copied()).chain(["rule"]).filter(of_table).map(last).collect();
    if table == "default" {
        keys.retain(|key| *key != "KIND");
        keys.extend(Kind::all().map(Kind::word));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_key() {
        let reference = include_str!("../../../../../docs/policy.md");
        let rules = super::super::rules::names().into_iter().map(|name| format!("rule.{name}"));
        for key in SETTINGS.iter().map(|setting| setting.key.to_owned()).chain(rules) {
            assert!(reference.contains(&format!("`{key}`")), "docs/policy.md does not name `{key}`");
        }
    }
}
