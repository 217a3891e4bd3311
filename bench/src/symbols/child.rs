//! One table in a process of its own.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use crate::child;
use crate::error::{Error, Result};
use crate::measure;

use super::table::{TABLES, Table};

/// What a child is told, on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Task {
    /// The key of the table.
    pub table: String,
    /// How many names it holds.
    pub symbols: u32,
}

/// What a child answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// Time of a look-up that finds, picoseconds, the mean of each pass.
    pub hit: Vec<u64>,
    /// Time of a look-up that does not, picoseconds, the mean of each pass.
    pub miss: Vec<u64>,
    /// Time to build the table, nanoseconds.
    pub build: Vec<u64>,
}

/// How many look-ups make a pass at most, and how many passes there are.
const LOOKUPS: usize = 100_000;
const PASSES: usize = 15;
/// A pass of the linear search would take seconds; this many names times look-ups are enough.
const COMPARISONS: usize = 20_000_000;

/// Measures, in the child.
///
/// # Errors
/// An unknown table, one that finds wrongly, and system calls that fail.
pub fn measure(task: &Task) -> Result<Answer> {
    let unknown = || Error::Format { what: task.table.clone(), reason: "no such table".to_owned() };
    let spec = TABLES.iter().find(|spec| spec.key == task.table).ok_or_else(unknown)?;
    measure::pin()?;
    let names: Vec<String> = (0..task.symbols).map(|i| name(i, "of")).collect();
    let start = measure::thread_time()?;
    let table = (spec.make)(&names);
    let build = measure::thread_time()?.saturating_sub(start);

    let order = shuffled(names.len());
    let most = if spec.key == "linear" { COMPARISONS / names.len().max(1) } else { LOOKUPS };
    // The questions lie in memory in the order in which they are asked, as those of a module's symbol table do.
    let asked = |word: &str| -> Vec<(u32, String)> { order.iter().take(most).map(|&i| (i, name(i, word))).collect() };
    let (present, absent) = (asked("of"), asked("no"));
    check(spec.key, table.as_ref(), &present, &absent)?;
    Ok(Answer {
        hit: passes(table.as_ref(), &present)?,
        miss: passes(table.as_ref(), &absent)?,
        build: vec![u64::try_from(build.as_nanos()).unwrap_or(u64::MAX)],
    })
}

/// A name of 40 bytes; only the word in the middle tells an exported one from one that is not.
fn name(number: u32, word: &str) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9);
    format!("subsys_{mixed:08x}_call_{word}_driver_{number:09}")
}

/// The numbers below `count` in an order without one (Fisher and Yates, with a fixed generator).
fn shuffled(count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).map(|i| u32::try_from(i).unwrap_or(u32::MAX)).collect();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for last in (1..count).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let other = usize::try_from(random % (last as u64 + 1)).unwrap_or_default();
        order.swap(last, other);
    }
    order
}

fn check(key: &str, table: &dyn Table, present: &[(u32, String)], absent: &[(u32, String)]) -> Result<()> {
    let found = present.iter().all(|(number, name)| table.find(name) == Some(u64::from(*number)));
    let missed = absent.iter().all(|(_, name)| table.find(name).is_none());
    let wrong = || Error::Loader { loader: key.to_owned(), reason: "a wrong answer".to_owned() };
    (found && missed).then_some(()).ok_or_else(wrong)
}

fn passes(table: &dyn Table, names: &[(u32, String)]) -> Result<Vec<u64>> {
    let pass = |_| {
        let start = measure::thread_time()?;
        for (_, name) in names {
            black_box(table.find(black_box(name)));
        }
        let taken = measure::thread_time()?.saturating_sub(start).as_nanos();
        Ok(u64::try_from(taken * 1000 / names.len().max(1) as u128).unwrap_or(u64::MAX))
    };
    (0..PASSES).map(pass).collect()
}

/// Measures, from the parent.
pub(super) fn start(task: &Task) -> Result<Answer> {
    child::start(["symbols", &task.table, &task.symbols.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_forty_bytes_and_differ() {
        assert_eq!(name(0, "of").len(), 40);
        assert_eq!(name(99_999, "no").len(), 40);
        let order = shuffled(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_ne!(order, sorted);
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn every_table_finds_what_it_holds_and_nothing_else() {
        let names: Vec<String> = (0..300).map(|i| name(i, "of")).collect();
        let asked = |word: &str| -> Vec<(u32, String)> { (0..300).map(|i| (i, name(i, word))).collect() };
        for spec in &TABLES {
            let table = (spec.make)(&names);
            check(spec.key, table.as_ref(), &asked("of"), &asked("no")).expect(spec.key);
        }
    }
}
