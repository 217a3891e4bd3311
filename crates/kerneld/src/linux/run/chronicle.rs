//! The way of a record to the journal: a thread writes, and no answer waits for the disk.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use demand::journal::{Journal, Limits, Status};
use demand::{Paths, Record, lock, spool, stamp};

/// Records that the writer has not come to yet at most. Those that wait for a full disk wait in the journal itself.
const ROOM: usize = 8192;

/// How often floods are looked at, and a disk that was full is tried again.
const TICK: Duration = Duration::from_millis(500);

/// How long an answer waits for the record of its load.
const SETTLE: Duration = Duration::from_millis(100);

/// How many ticks pass between two looks at what helpers have left.
const SPOOL_TICKS: u32 = 4;

/// How the journal fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JournalState {
    /// The journal itself.
    #[serde(flatten)]
    pub journal: Status,
    /// Requests that the writer could not keep up with.
    pub overrun: u64,
    /// Records of helpers that decided by themselves.
    pub from_helpers: u64,
    /// Requests that helpers could only count, and lines of theirs that are damaged.
    pub lost_by_helpers: u64,
}

#[derive(Debug, Default)]
struct Desk {
    inbox: VecDeque<Record>,
    /// How many records were put into the inbox, and up to which of them the writer is through.
    taken: u64,
    through: u64,
    state: JournalState,
    limits: Option<Limits>,
    /// How often somebody wanted everything written.
    hurry: u64,
    /// How often it was.
    done: u64,
    ends: bool,
}

/// Takes records; cheap, and never waits for the disk.
#[derive(Debug)]
pub(crate) struct Chronicle {
    desk: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

impl Chronicle {
    /// Starts the writer.
    pub(crate) fn start(paths: &Paths, limits: Limits) -> io::Result<Self> {
        let desk = Arc::new(Shared::default());
        let mut writer = Writer { shared: desk.clone(), paths: paths.clone(), limits, ticks: SPOOL_TICKS, spooled: Spooled::Nothing };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())?;
        Ok(Self { desk, writer: Mutex::new(Some(thread)) })
    }

    /// Takes a record.
    pub(crate) fn take(&self, record: Record) {
        let mut desk = lock(&self.desk.desk);
        if desk.inbox.len() >= ROOM {
            desk.state.overrun = desk.state.overrun.saturating_add(record.repeated);
            return;
        }
        let first = desk.inbox.is_empty();
        desk.inbox.push_back(record);
        desk.taken = desk.taken.saturating_add(1);
        drop(desk);
        if first {
            self.desk.changed.notify_all();
        }
    }

    /// Lets the writer come to what was taken up to now, for a moment: whoever kills the daemon after an answer shall not take
    /// the record of a load along. A disk that is slow is not waited for.
    pub(crate) fn settle(&self) {
        let desk = lock(&self.desk.desk);
        let wanted = desk.taken;
        drop(self.desk.changed.wait_timeout_while(desk, SETTLE, |desk| desk.through < wanted));
    }

    /// Other limits from now on.
    pub(crate) fn set_limits(&self, limits: Limits) {
        lock(&self.desk.desk).limits = Some(limits);
    }

    /// How it fares.
    pub(crate) fn state(&self) -> JournalState {
        let desk = lock(&self.desk.desk);
        let mut state = desk.state.clone();
        state.journal.waiting = state.journal.waiting.saturating_add(u64::try_from(desk.inbox.len()).unwrap_or(u64::MAX));
        state
    }

    /// Has everything written, as far as the disk takes it, and waits for that; for a bounded time.
    pub(crate) fn flush(&self, patience: Duration) {
        let mut desk = lock(&self.desk.desk);
        desk.hurry = desk.hurry.saturating_add(1);
        let wanted = desk.hurry;
        self.desk.changed.notify_all();
        drop(self.desk.changed.wait_timeout_while(desk, patience, |desk| desk.done < wanted));
    }

    /// Writes what there is, and ends.
    pub(crate) fn end(&self) {
        lock(&self.desk.desk).ends = true;
        self.desk.changed.notify_all();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// What was put aside of helpers' records.
#[derive(Debug, PartialEq, Eq)]
enum Spooled {
    Nothing,
    /// It is in the journal, or waits there for the disk: not to be read again, nor to be removed before it is on the disk.
    Taken,
}

struct Writer {
    shared: Arc<Shared>,
    paths: Paths,
    limits: Limits,
    ticks: u32,
    spooled: Spooled,
}

impl Writer {
    fn run(&mut self) {
        let mut journal = Journal::open(&self.paths.journal(), self.limits);
        loop {
            let (records, hurry, ends) = self.wait(&mut journal);
            let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
            records.into_iter().for_each(|record| journal.append(record));
            self.ticks = self.ticks.saturating_add(1);
            if self.ticks >= SPOOL_TICKS || hurry.is_some() || ends {
                self.ticks = 0;
                self.collect(&mut journal);
            }
            if hurry.is_some() || ends {
                journal.finish()
            } else {
                journal.tick(stamp::now())
            }
            let mut desk = lock(&self.shared.desk);
            desk.state.journal = journal.status();
            desk.through = desk.through.saturating_add(count);
            desk.done = hurry.unwrap_or(desk.done);
            drop(desk);
            self.shared.changed.notify_all();
            if ends {
                // Else the next daemon would read it again.
                self.finish_spool(&journal);
                return;
            }
        }
    }

    /// Waits for records, or for a tick.
    fn wait(&self, journal: &mut Journal) -> (VecDeque<Record>, Option<u64>, bool) {
        let idle = |desk: &mut Desk| desk.inbox.is_empty() && desk.hurry == desk.done && !desk.ends;
        let waited = self.shared.changed.wait_timeout_while(lock(&self.shared.desk), TICK, idle);
        let mut desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(limits) = desk.limits.take() {
            journal.set_limits(limits);
        }
        let hurried = (desk.hurry != desk.done).then_some(desk.hurry);
        (std::mem::take(&mut desk.inbox), hurried, desk.ends)
    }

    /// Removes what was taken of helpers' records, once it is on the disk.
    fn finish_spool(&mut self, journal: &Journal) {
        if self.spooled == Spooled::Taken && journal.is_idle() {
            spool::finish(&self.paths.spool());
            self.spooled = Spooled::Nothing;
        }
    }

    /// Moves what helpers have left into the journal. What is put aside at one look is read at the next: no helper writes to it then.
    fn collect(&mut self, journal: &mut Journal) {
        let path = self.paths.spool();
        self.finish_spool(journal);
        if self.spooled == Spooled::Taken {
            return;
        }
        match spool::read_aside(&path) {
            Ok(found) if found == spool::Spooled::default() => {}
            Ok(found) => {
                let mut desk = lock(&self.shared.desk);
                let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
                add(&mut desk.state.from_helpers, u64::try_from(found.records.len()).unwrap_or(u64::MAX));
                add(&mut desk.state.lost_by_helpers, found.lost.saturating_add(found.damaged));
                drop(desk);
                found.records.into_iter().for_each(|record| journal.append(record));
                self.spooled = Spooled::Taken;
                return;
            }
            // Tried again at the next look.
            Err(_) => return,
        }
        // As above.
        let _ = spool::put_aside(&path);
    }
}
