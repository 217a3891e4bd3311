//! The jobs under way, and who waits for each.

use std::time::Instant;

use uapi::kerneld::Request;

/// A job of this daemon's life; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// The id of a request whose sender waits for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyId(u32);

impl ReplyId {
    /// The id of a message: `Ok(None)` for 0 (no reply wanted), `Err` with the number where it cannot be the type of a reply.
    ///
    /// # Errors
    /// The number itself.
    pub fn from_message(id: i64) -> Result<Option<Self>, i64> {
        match u32::try_from(id) {
            Ok(0) => Ok(None),
            Ok(id) => Ok(Some(Self(id))),
            Err(_) => Err(id),
        }
    }

    /// The type of the reply.
    #[must_use]
    pub fn mtype(self) -> u32 {
        self.0
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// A delayed release that waits for its time.
    Sleeping {
        /// When it is time.
        until: Instant,
    },
    /// Its program runs.
    Running,
    /// Its program was told to quit (blanker).
    Quitting,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which one.
    pub id: JobId,
    /// What was asked.
    pub request: Request,
    /// For what.
    pub text: String,
    /// Where it stands.
    pub state: JobState,
    /// Its process; 0 as long as it has none.
    pub pid: u32,
    /// The process that caused it, for `KERNELD_TRIGGER`.
    pub trigger: u32,
    /// Who gets its exit status.
    pub waiters: Vec<ReplyId>,
}

/// A job to be: all but its number.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// What was asked.
    pub request: Request,
    /// For what.
    pub text: &'a str,
    /// Where it stands.
    pub state: JobState,
    /// The process that caused it.
    pub trigger: u32,
    /// Who waits already.
    pub waiter: Option<ReplyId>,
}

/// All jobs, oldest first.
#[derive(Clone, Debug, Default)]
pub struct JobTable {
    jobs: Vec<Job>,
    last: u64,
}

impl JobTable {
    /// Adds a job.
    pub fn add(&mut self, new: &NewJob<'_>) -> JobId {
        self.last = self.last.wrapping_add(1);
        let id = JobId(self.last);
        let (request, text, state, trigger) = (new.request, new.text.to_owned(), new.state, new.trigger);
        self.jobs.push(Job { id, request, text, state, pid: 0, trigger, waiters: new.waiter.into_iter().collect() });
        id
    }

    /// The job with this number.
    pub fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// The oldest job that `wanted` holds for.
    pub fn find_mut(&mut self, wanted: impl Fn(&Job) -> bool) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| wanted(job))
    }

    /// Takes out the job with this number.
    pub fn remove(&mut self, id: JobId) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.id == id)?;
        Some(self.jobs.remove(at))
    }

    /// Takes out all jobs that `wanted` holds for, oldest first.
    pub fn remove_where(&mut self, wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        self.jobs.extract_if(.., |job| wanted(job)).collect()
    }

    /// All jobs, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// How many have, or are about to have, a process.
    #[must_use]
    pub fn running(&self) -> usize {
        self.jobs.len() - self.sleeping()
    }

    /// How many wait for their time.
    #[must_use]
    pub fn sleeping(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.state, JobState::Sleeping { .. })).count()
    }

    /// How many requesters wait.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.jobs.iter().map(|job| job.waiters.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{JobState, JobTable, NewJob, ReplyId};
    use uapi::kerneld::Request;

    fn new(text: &str, waiter: i64) -> NewJob<'_> {
        let waiter = ReplyId::from_message(waiter).unwrap();
        NewJob { request: Request::RequestModule, text, state: JobState::Running, trigger: 0, waiter }
    }

    #[test]
    fn jobs_are_found_by_number_and_by_what_they_are_for() {
        let mut table = JobTable::default();
        let vfat = table.add(&new("vfat", 5));
        let minix = table.add(&new("minix", 0));
        assert_eq!((table.running(), table.sleeping(), table.waiters()), (2, 0, 1));
        assert_eq!(table.find_mut(|job| job.text == "minix").map(|job| job.id), Some(minix));
        assert_eq!(table.remove(vfat).map(|job| job.text), Some("vfat".to_owned()));
        assert_eq!(table.remove(vfat), None);
        assert_ne!(table.add(&new("vfat", 0)), vfat, "a number is never used twice");
    }

    #[test]
    fn only_a_number_that_a_reply_can_carry_is_an_id() {
        assert_eq!(ReplyId::from_message(0), Ok(None));
        assert_eq!(ReplyId::from_message(0x7fff_0001).map(|id| id.map(ReplyId::mtype)), Ok(Some(0x7fff_0001)));
        for bad in [-1, i64::from(u32::MAX) + 1, i64::MIN, i64::MAX] {
            assert_eq!(ReplyId::from_message(bad), Err(bad));
        }
    }
}
