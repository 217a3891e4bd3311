//! The queue of messages for kerneld: order, limits and age. It knows no socket and reads no clock.

use std::time::{Duration, Instant};

use uapi::kerneld::{FIRST_ID, MAX_QUEUE, MAX_TEXT, Message, STALE_SECONDS};

/// Largest type of a request (`0x7ffeffff` in Linux 2.0): above it lie the ids of replies.
const MAX_TYPE: u32 = 0x7ffe_ffff;

/// Bytes that a message counts besides its text: `KDHDR` of Linux 2.0 with 8-byte words. Without it, messages without text could
/// fill the memory.
const HEADER: usize = 16;

/// A message nobody took yet.
#[derive(Debug)]
struct Unread {
    message: Message,
    since: Instant,
}

/// Unread messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    unread: Vec<Unread>,
    last_id: u32,
}

/// Why a message was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its type is none, or its text is too long: it will never fit.
    Unfit,
    /// There is no room now.
    Full,
}

impl Queue {
    /// The next sequence number.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.last_id = if self.last_id < FIRST_ID || self.last_id >= i32::MAX.cast_unsigned() { FIRST_ID } else { self.last_id + 1 };
        self.last_id
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, message: Message, now: Instant) -> Result<(), Refused> {
        if message.mtype == 0 || message.mtype > MAX_TYPE || message.text.len() > MAX_TEXT {
            return Err(Refused::Unfit);
        }
        if self.bytes().saturating_add(cost(&message)) > MAX_QUEUE {
            return Err(Refused::Full);
        }
        self.unread.push(Unread { message, since: now });
        Ok(())
    }

    /// Bytes that wait.
    fn bytes(&self) -> usize {
        self.unread.iter().map(|unread| cost(&unread.message)).fold(0, usize::saturating_add)
    }

    /// Throws away what nobody took for ten seconds, and answers how many that were.
    pub(crate) fn flush_stale(&mut self, now: Instant) -> usize {
        let before = self.unread.len();
        self.unread.retain(|unread| now.saturating_duration_since(unread.since) <= Duration::from_secs(STALE_SECONDS));
        before.saturating_sub(self.unread.len())
    }

    /// Takes the message that a receiver of `msgtyp` gets (`msgrcv(2)`): the oldest, the oldest of a type, or the oldest of the
    /// lowest type up to a bound.
    pub(crate) fn take(&mut self, msgtyp: i64) -> Option<Message> {
        let types = self.unread.iter().map(|unread| unread.message.mtype).enumerate();
        let at = match msgtyp {
            0 => (!self.unread.is_empty()).then_some(0),
            1.. => types.into_iter().find(|(_, mtype)| i64::from(*mtype) == msgtyp).map(|(at, _)| at),
            ..0 => {
                let bound = msgtyp.unsigned_abs();
                types.into_iter().filter(|(_, mtype)| u64::from(*mtype) <= bound).min_by_key(|(_, mtype)| *mtype).map(|(at, _)| at)
            }
        };
        at.map(|at| self.unread.remove(at).message)
    }

    /// Puts back a message that could not be delivered, in front of all others.
    pub(crate) fn put_back(&mut self, message: Message, since: Instant) {
        self.unread.insert(0, Unread { message, since });
    }

    /// Does the request with this id still wait?
    pub(crate) fn holds(&self, id: u32) -> bool {
        self.unread.iter().any(|unread| unread.message.id == i64::from(id))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.unread.clear();
    }
}

/// What a message counts.
fn cost(message: &Message) -> usize {
    message.text.len().saturating_add(HEADER)
}

#[cfg(test)]
mod tests {
    use super::{Queue, Refused};
    use std::time::{Duration, Instant};
    use uapi::kerneld::{FIRST_ID, MAX_TEXT, Message};

    fn message(mtype: u32, text: &str) -> Message {
        Message { mtype, id: 0, pid: 0, text: text.to_owned() }
    }

    #[test]
    fn receivers_get_what_msgrcv_gives() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for (mtype, text) in [(6, "a"), (2, "b"), (255, "c"), (2, "d"), (300, "e")] {
            queue.push(message(mtype, text), now).unwrap();
        }
        let mut take = |msgtyp| queue.take(msgtyp).map(|message| message.text);
        assert_eq!(take(-255).as_deref(), Some("b"), "the lowest type up to 255");
        assert_eq!(take(6).as_deref(), Some("a"), "exactly 6");
        assert_eq!(take(7), None);
        assert_eq!(take(0).as_deref(), Some("c"), "the oldest");
        assert_eq!(take(-255).as_deref(), Some("d"));
        assert_eq!(take(-255), None, "300 is over the bound");
        assert_eq!(take(i64::MIN).as_deref(), Some("e"));
    }

    #[test]
    fn the_queue_has_limits_and_forgets_what_is_old() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        assert_eq!(queue.push(message(0, ""), start), Err(Refused::Unfit));
        assert_eq!(queue.push(message(0x7fff_0001, ""), start), Err(Refused::Unfit));
        assert_eq!(queue.push(message(2, &"x".repeat(MAX_TEXT + 1)), start), Err(Refused::Unfit));
        for _ in 0..4 {
            queue.push(message(2, &"x".repeat(MAX_TEXT)), start).unwrap();
        }
        assert_eq!(queue.push(message(2, &"x".repeat(100)), start), Err(Refused::Full));
        assert_eq!(queue.flush_stale(start + Duration::from_secs(10)), 0);
        assert_eq!(queue.flush_stale(start + Duration::from_secs(11)), 4);
        queue.push(message(2, "again"), start).unwrap();
        let mut count = 0;
        while queue.push(message(1, ""), start).is_ok() {
            count += 1;
        }
        assert!((500..1100).contains(&count), "messages without text are bounded too: {count}");
    }

    #[test]
    fn ids_start_high_and_wrap_to_the_start() {
        let mut queue = Queue::default();
        assert_eq!([queue.next_id(), queue.next_id()], [FIRST_ID, FIRST_ID + 1]);
        queue.last_id = i32::MAX.cast_unsigned();
        assert_eq!(queue.next_id(), FIRST_ID);
    }
}
