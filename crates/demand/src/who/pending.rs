//! Requests that the trace has shown and that may not be over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::events::Event;
use crate::Requester;

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
    /// Who the thread is, once that was read: as long as it waits, it can become nobody else.
    pub(super) known: Option<Requester>,
    number: u64,
    /// Whether the thread was looked for in vain.
    gone: bool,
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
        self.latest.insert(event.tid, Entry { event, read: now, known: None, number: self.count, gone: false });
    }

    /// Events were lost: what a thread asked for last is not known any more.
    pub(super) fn forget(&mut self) {
        self.latest.clear();
    }

    /// Who asked for a name last and may still be there, the newest first.
    pub(super) fn of(&self, name: &str) -> Vec<Entry> {
        let mut found: Vec<Entry> = self.latest.values().filter(|entry| !entry.gone && entry.event.name == name).cloned().collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.number));
        found
    }

    /// The last who asked for a name and is gone, not long ago: a helper of theirs may still be there.
    pub(super) fn gone_for(&self, name: &str, now: Instant) -> Option<Entry> {
        let recent = |entry: &&Entry| entry.gone && entry.event.name == name && now.duration_since(entry.read) < KEPT;
        self.latest.values().filter(recent).max_by_key(|entry| entry.number).cloned()
    }

    /// The thread of a request is gone. Whoever is killed while asking stays no candidate for what others ask.
    pub(super) fn gone(&mut self, entry: &Entry) {
        if let Some(now) = self.still(entry) {
            now.gone = true;
        }
    }

    /// The thread of a request was read, and waits.
    pub(super) fn is_known(&mut self, entry: &Entry, requester: Requester) {
        if let Some(now) = self.still(entry) {
            now.known = Some(requester);
        }
    }

    /// The request itself, if the thread has not made another one.
    fn still(&mut self, entry: &Entry) -> Option<&mut Entry> {
        self.latest.get_mut(&entry.event.tid).filter(|now| now.number == entry.number)
    }

    /// A request is over.
    pub(super) fn over(&mut self, entry: &Entry) {
        if self.still(entry).is_some() {
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
        pending.gone(&stale);
        assert_eq!(pending.of("a").len(), 1, "the newer request of thread 2 is not over");
        let last = pending.of("a").remove(0);
        pending.gone(&last);
        assert_eq!((pending.of("a").len(), pending.gone_for("a", now).map(|entry| entry.event.tid)), (0, Some(2)));
        assert!(pending.gone_for("a", now + KEPT).is_none());
        for tid in 10..10_000 {
            pending.add(event(tid, "c"), now);
        }
        assert_eq!(pending.latest.len(), MOST);
        assert_eq!(pending.of("c")[0].event.tid, 9_999);
    }
}
