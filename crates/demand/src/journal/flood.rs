//! Floods: many requests of one kind are counted instead of being written one by one. Counts are never lost.
//!
//! Two meshes, so that neither one name asked for over and over nor ever new names can push the rest of the history out of the bounded
//! journal. What loaded something is always written: that happens as often as modules come and go. What fails can be asked for without
//! end, and is counted like the rest.

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

/// The same name for the same requester.
const FINE: Mesh = Mesh { burst: 10, interval: 100_000, key: same_request };

/// The same class for the same requester.
const COARSE: Mesh = Mesh { burst: 200, interval: 100_000, key: same_source };

/// Most heaps of counted records. Beyond, all others are one.
const MAX_HEAPS: usize = 1024;

/// Most allowances that are remembered.
const MAX_ALLOWANCES: usize = 8192;

/// How long a heap grows before it is written, in microseconds.
const FLUSH_AFTER: u64 = 1_000_000;

/// How often heaps are looked at, in microseconds.
const LOOK: u64 = 100_000;

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

impl Allowance {
    fn left(&mut self, mesh: &Mesh, now: u64) -> u64 {
        let gained = now.saturating_sub(self.at) / mesh.interval;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(mesh.burst);
            self.at = now;
        }
        self.left
    }
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
    allowances: HashMap<u64, Allowance>,
    heaps: HashMap<u64, Heap>,
    /// When heaps were last looked at, in microseconds.
    looked: u64,
    /// Records that were counted instead of being written, since the beginning.
    pub(super) counted: u64,
}

impl std::fmt::Debug for Flood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flood").field("heaps", &self.heaps.len()).field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl Flood {
    /// The clock was set back: what is known of later times would keep everything waiting until they come again.
    pub(super) fn set_back(&mut self, now: u64) {
        self.looked = self.looked.min(now);
        self.heaps.values_mut().for_each(|heap| heap.since = heap.since.min(now));
        self.allowances.values_mut().for_each(|allowance| allowance.at = allowance.at.min(now));
    }

    /// The record, if it is to be written; else it is counted.
    pub(super) fn pass(&mut self, record: Record) -> Option<Record> {
        if matches!(record.outcome, Outcome::Loaded | Outcome::Repeated) {
            return Some(record);
        }
        let (fine, coarse) = ((FINE.key)(&record), (COARSE.key)(&record));
        let now = record.time;
        // Names that the coarse mesh stops are not remembered: there may be any number of them.
        let exhausted = self.allowances.get_mut(&fine).is_some_and(|allowance| allowance.left(&FINE, now) == 0);
        let stopped = if exhausted { Some(fine) } else { (!self.spend(&COARSE, coarse, now)).then_some(coarse) };
        match stopped {
            Some(key) => {
                self.count(key, record);
                None
            }
            None => {
                self.spend(&FINE, fine, now);
                Some(record)
            }
        }
    }

    fn spend(&mut self, mesh: &Mesh, key: u64, now: u64) -> bool {
        // Where there are too many to tell apart, the rest shares one allowance.
        let key = if self.allowances.len() < MAX_ALLOWANCES || self.allowances.contains_key(&key) { key } else { 0 };
        let allowance = self.allowances.entry(key).or_insert(Allowance { left: mesh.burst, at: now });
        let left = allowance.left(mesh, now);
        allowance.left = left.saturating_sub(1);
        left > 0
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
        if now.saturating_sub(self.looked) < LOOK {
            return Vec::new();
        }
        self.looked = now;
        self.allowances.retain(|_, allowance| now.saturating_sub(allowance.at) < FORGET_AFTER);
        self.take(|heap| now.saturating_sub(heap.since) >= FLUSH_AFTER)
    }

    /// All heaps, as records, oldest first. What may still pass stays what it was.
    pub(super) fn empty(&mut self) -> Vec<Record> {
        self.take(|_| true)
    }

    fn take(&mut self, which: impl Fn(&Heap) -> bool) -> Vec<Record> {
        let mut done: Vec<Heap> = self.heaps.extract_if(|_, heap| which(heap)).map(|(_, heap)| heap).collect();
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
