//! Floods: many requests of one kind are counted instead of being written one by one. Counts are never lost.
//!
//! Two meshes, so that neither one name asked for over and over nor ever new names can push the rest of the history out of the bounded
//! journal. What loaded something, or failed to, is always written: that happens as often as modules come and go.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Outcome, Record};

/// A mesh lets a number of records through at once, and then some per second.
struct Mesh {
    /// Records that pass at once.
    burst: u64,
    /// Microseconds until one more passes.
    interval: u64,
    /// What records have in common that are counted together.
    key: fn(&Record) -> u64,
}

/// The finer first.
const MESHES: &[Mesh] =
    &[Mesh { burst: 10, interval: 1_000_000 / 10, key: same_request }, Mesh { burst: 200, interval: 1_000_000 / 10, key: same_source }];

/// Most heaps of counted records. Beyond, all others are one.
const MAX_HEAPS: usize = 1024;

/// How long a heap grows before it is written, in microseconds.
const FLUSH_AFTER: u64 = 1_000_000;

/// How long something must be quiet to be forgotten, in microseconds.
const FORGET_AFTER: u64 = 60_000_000;

fn same_request(record: &Record) -> u64 {
    hash(&(record.request.as_str(), source(record)))
}

fn same_source(record: &Record) -> u64 {
    hash(&(record.class, source(record)))
}

fn source(record: &Record) -> impl Hash {
    let first = record.requesters.first();
    (first.map(|first| (first.kind, first.uid)), record.decision.verdict)
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How much may still pass.
struct Allowance {
    left: u64,
    /// When it was last reckoned, in microseconds.
    at: u64,
}

/// Records that are counted together.
struct Heap {
    /// The last of them.
    last: Record,
    count: u64,
    since: u64,
}

/// What passes and what is counted.
#[derive(Default)]
pub(super) struct Flood {
    allowances: HashMap<(usize, u64), Allowance>,
    heaps: HashMap<u64, Heap>,
    /// Records that were counted instead of being written, since the beginning.
    pub(super) counted: u64,
}

impl std::fmt::Debug for Flood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flood").field("heaps", &self.heaps.len()).field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl Flood {
    /// The record, if it is to be written; else it is counted.
    pub(super) fn pass(&mut self, record: Record) -> Option<Record> {
        if matches!(record.outcome, Outcome::Loaded | Outcome::Failed { .. } | Outcome::Repeated) {
            return Some(record);
        }
        for (number, mesh) in MESHES.iter().enumerate() {
            let key = (mesh.key)(&record);
            if !self.spend(number, mesh, key, record.time) {
                self.count(key, record);
                return None;
            }
        }
        Some(record)
    }

    fn spend(&mut self, number: usize, mesh: &Mesh, key: u64, now: u64) -> bool {
        // Where there are too many to tell apart, the rest shares one allowance.
        let key = if self.allowances.len() < 4 * MAX_HEAPS || self.allowances.contains_key(&(number, key)) { key } else { 0 };
        let allowance = self.allowances.entry((number, key)).or_insert(Allowance { left: mesh.burst, at: now });
        let gained = now.saturating_sub(allowance.at) / mesh.interval;
        if gained > 0 {
            allowance.left = allowance.left.saturating_add(gained).min(mesh.burst);
            allowance.at = now;
        }
        let passes = allowance.left > 0;
        allowance.left = allowance.left.saturating_sub(1);
        passes
    }

    /// Counts a record that there is no room for.
    pub(super) fn fold(&mut self, record: Record) {
        self.count(same_request(&record), record);
    }

    fn count(&mut self, key: u64, record: Record) {
        if record.outcome != Outcome::Repeated {
            self.counted = self.counted.saturating_add(record.repeated);
        }
        let key = if self.heaps.len() < MAX_HEAPS || self.heaps.contains_key(&key) { key } else { 0 };
        let since = record.time;
        let count = record.repeated;
        match self.heaps.get_mut(&key) {
            Some(heap) => {
                heap.count = heap.count.saturating_add(count);
                heap.last = record;
            }
            None => {
                self.heaps.insert(key, Heap { last: record, count, since });
            }
        }
    }

    /// The heaps that have grown long enough, as records, oldest first.
    pub(super) fn flush(&mut self, now: u64) -> Vec<Record> {
        let mut done: Vec<Heap> =
            self.heaps.extract_if(|_, heap| now.saturating_sub(heap.since) >= FLUSH_AFTER).map(|(_, heap)| heap).collect();
        self.allowances.retain(|_, allowance| now.saturating_sub(allowance.at) < FORGET_AFTER);
        done.sort_by_key(|heap| (heap.last.time, heap.last.sequence));
        done.into_iter().map(summary).collect()
    }

    /// Whether records are counted that are not written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.heaps.is_empty()
    }
}

/// One record for all of a heap.
fn summary(heap: Heap) -> Record {
    Record { outcome: Outcome::Repeated, repeated: heap.count, plan: Vec::new(), ..heap.last }
}
