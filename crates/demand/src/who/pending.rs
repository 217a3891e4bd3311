//! Requests that the trace has shown and that may not be over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::events::Event;

/// A thread has one request at a time, and no more than 50 helpers run at once (`MAX_KMOD_CONCURRENT`, kernel/module/kmod.c); the
/// rest of these are over.
const MOST: usize = 4096;

/// How long a request of a task that is gone may still be worked on.
const KEPT: Duration = Duration::from_secs(60);

/// The latest request of each thread.
#[derive(Debug, Default)]
pub(super) struct Pending {
    latest: HashMap<u32, Entry>,
    count: u64,
}

/// An event, and when it was read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) read: Instant,
    number: u64,
}

impl Pending {
    /// A thread asks: whatever it asked for before is over.
    pub(super) fn add(&mut self, event: Event, now: Instant) {
        self.count += 1;
        if self.latest.len() >= MOST && !self.latest.contains_key(&event.tid) {
            self.latest.retain(|_, entry| now.duration_since(entry.read) < KEPT);
            let oldest = self.latest.iter().min_by_key(|(_, entry)| entry.number).map(|(tid, _)| *tid);
            if let Some(tid) = oldest.filter(|_| self.latest.len() >= MOST) {
                self.latest.remove(&tid);
            }
        }
        self.latest.insert(event.tid, Entry { event, read: now, number: self.count });
    }

    /// Events were lost: what a thread asked for last is not known any more.
    pub(super) fn forget(&mut self) {
        self.latest.clear();
    }

    /// Who asked for a name last, the newest first.
    pub(super) fn of(&self, name: &str) -> Vec<Entry> {
        let mut found: Vec<Entry> = self.latest.values().filter(|entry| entry.event.name == name).cloned().collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.number));
        found
    }

    /// A request is over.
    pub(super) fn over(&mut self, entry: &Entry) {
        if self.latest.get(&entry.event.tid).is_some_and(|now| now.number == entry.number) {
            self.latest.remove(&entry.event.tid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tid: u32, name: &str) -> Event {
        Event { tid, comm: "x".to_owned(), time: 0, name: name.to_owned(), waits: true, call_site: "f".to_owned() }
    }

    #[test]
    fn only_the_latest_request_of_a_thread_counts_and_the_rest_is_bounded() {
        let now = Instant::now();
        let mut pending = Pending::default();
        pending.add(event(1, "a"), now);
        pending.add(event(2, "a"), now);
        pending.add(event(1, "b"), now);
        assert_eq!(pending.of("a").iter().map(|entry| entry.event.tid).collect::<Vec<_>>(), [2]);
        let stale = pending.of("a").remove(0);
        pending.add(event(2, "a"), now);
        pending.over(&stale);
        assert_eq!(pending.of("a").len(), 1, "the newer request of thread 2 is not over");
        for tid in 10..10_000 {
            pending.add(event(tid, "c"), now);
        }
        assert_eq!(pending.latest.len(), MOST);
        assert_eq!(pending.of("c")[0].event.tid, 9_999);
    }
}
