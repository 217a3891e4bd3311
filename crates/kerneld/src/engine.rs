//! What kerneld does with a message, an ended job, and the passing of time: a state machine without a process, a socket or a
//! clock of its own.

use std::time::Instant;

use uapi::kerneld::{Message, Request};

use crate::job::NewJob;
use crate::status::{Command, Report};
use crate::text::{ModuleAlias, Quad, ShellCommand, TextError};
use crate::{
    Action, Ended, IdleTimer, Job, JobId, JobState, JobTable, Level, ReplyId, RoutePrograms, Run, Served, Settings, Shell, Unloading,
    Verbosity,
};

/// Most helpers at once. At the limit the daemon asks for no further message until one has ended; the kernel answers requests
/// that stay unread with `-ENODEV`.
pub const MAX_RUNNING: usize = 128;
/// Most delayed releases at once; one more is refused.
pub const MAX_SLEEPING: usize = 256;
/// Most requesters that wait for a reply at once; at the limit as with [`MAX_RUNNING`].
pub const MAX_WAITERS: usize = 16_384;

/// Status of a request that was refused, is of an unknown type, or made no sense.
const REFUSED: i32 = 1;
/// Status of a delayed release that was cancelled: the sleeping process of the classic daemon died of `SIGINT` (2).
const CANCELLED: Ended = Ended::Signal(2);
/// The signal that ends a screen blanker.
const SIGQUIT: i32 = 3;

/// What a request came to at once.
enum Outcome {
    /// A job was started or joined, which will give the reply.
    Pending,
    /// The reply: status and text.
    Answer(i32, String),
}

impl Outcome {
    /// Done; nothing was started.
    const DONE: Self = Self::Answer(0, String::new());
}

/// A request, once its envelope was checked.
struct Asked<'a> {
    request: Request,
    text: &'a str,
    waiter: Option<ReplyId>,
    trigger: u32,
    now: Instant,
}

/// The daemon's mind.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    served: Served,
    jobs: JobTable,
    idle: IdleTimer,
}

impl Engine {
    /// A daemon that has just started.
    #[must_use]
    pub fn new(settings: Settings, served: Served, now: Instant) -> Self {
        let mut engine = Self { settings, served, jobs: JobTable::default(), idle: IdleTimer::off() };
        engine.arm(now);
        engine
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The jobs under way.
    #[must_use]
    pub fn jobs(&self) -> &JobTable {
        &self.jobs
    }

    /// May the daemon take another message?
    #[must_use]
    pub fn can_take(&self) -> bool {
        self.jobs.running() < MAX_RUNNING && self.jobs.waiters() < MAX_WAITERS
    }

    /// When [`tick`](Self::tick) is due next; `None`: only a message or an ended job can change anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let sleepers = self.jobs.iter().filter_map(|job| match job.state {
            JobState::Sleeping { until } => Some(until),
            JobState::Running | JobState::Quitting => None,
        });
        sleepers.chain(self.idle.due()).min()
    }

    /// New settings (SIGHUP). The idle timer starts anew.
    pub fn reload(&mut self, settings: Settings, now: Instant) {
        self.settings = settings;
        self.arm(now);
    }

    /// The kernel that asked is gone: jobs are forgotten, and their processes go on. A blanker stays in the table, since it could
    /// not be turned off otherwise.
    pub fn forget(&mut self, now: Instant) {
        self.jobs.remove_where(|job| job.request != Request::Blanker);
        while let Some(job) = self.jobs.find_mut(|job| !job.waiters.is_empty()) {
            job.waiters.clear();
        }
        self.arm(now);
    }

    /// A message came.
    #[must_use]
    pub fn message(&mut self, message: &Message, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let waiter = ReplyId::from_message(message.id).unwrap_or_else(|id| {
            actions
                .push(Action::Log(Level::Warning, format!("message of type {} has the id {id}, which no reply can carry", message.mtype)));
            None
        });
        self.debug(&mut actions, || format!("message: type {}, id {}, text `{}`", message.mtype, message.id, message.text.escape_debug()));
        let outcome = match Request::from_code(message.mtype) {
            Some(request) if request != Request::Pnp => {
                let asked = Asked { request, text: &message.text, waiter, trigger: message.pid, now };
                self.dispatch(&asked, &mut actions).unwrap_or_else(|error| {
                    let (name, text) = (request.name(), message.text.escape_debug());
                    actions.push(Action::Log(Level::Warning, format!("refused: {name} of `{text}`: {error}")));
                    Outcome::Answer(REFUSED, String::new())
                })
            }
            _ => {
                actions.push(Action::Log(Level::Warning, format!("unknown message type: {}", message.mtype)));
                Outcome::Answer(REFUSED, String::new())
            }
        };
        if let (Outcome::Answer(status, text), Some(to)) = (outcome, waiter) {
            actions.push(Action::Reply { to, status, text });
        }
        actions
    }

    /// The process of a job is there. Who asked for a blanker gets his reply now, as it ends only when told.
    #[must_use]
    pub fn started(&mut self, job: JobId, pid: u32) -> Vec<Action> {
        let Some(job) = self.jobs.get_mut(job) else { return Vec::new() };
        job.pid = pid;
        let running = job.request == Request::Blanker && job.state == JobState::Running;
        let answered = if running { std::mem::take(&mut job.waiters) } else { Vec::new() };
        answered.into_iter().map(|to| Action::Reply { to, status: 0, text: String::new() }).collect()
    }

    /// A job ended; everybody who waits for it gets a reply of his own.
    #[must_use]
    pub fn ended(&mut self, job: JobId, how: Ended, output: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(job) = self.jobs.remove(job) {
            self.finish(job, how, output, &mut actions);
        }
        actions
    }

    /// Time has passed: delayed releases whose time has come, and the idle timer.
    #[must_use]
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(job) = self.jobs.find_mut(|job| matches!(job.state, JobState::Sleeping { until } if until <= now)) {
            let id = job.id;
            match (self.settings.unloading, ModuleAlias::new(&job.text)) {
                (Unloading::Allowed, Ok(name)) => {
                    job.state = JobState::Running;
                    actions.push(Action::Start { job: id, run: Run::Unload(name), trigger: job.trigger });
                }
                _ => actions.extend(self.ended(id, Ended::Exit(0), "")),
            }
        }
        if self.idle.expired(now, self.settings.delay) {
            let loading = self.jobs.iter().any(|job| job.request == Request::RequestModule);
            if loading {
                self.debug(&mut actions, || "idle timer: a module is being loaded, nothing is removed".to_owned());
            } else {
                actions.push(Action::Autoclean);
            }
        }
        actions
    }

    /// Does what a request asks for.
    fn dispatch(&mut self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> Result<Outcome, TextError> {
        match asked.request {
            Request::System => {
                let output = if asked.waiter.is_some() { Shell::Answer } else { Shell::Discard };
                Ok(self.start(asked, Run::Shell(ShellCommand::new(asked.text)?, output), actions))
            }
            Request::RequestModule => {
                let name = ModuleAlias::new(asked.text)?;
                self.arm(asked.now);
                Ok(self.share_or_start(asked, Run::Load(name), actions))
            }
            Request::ReleaseModule => {
                let name = ModuleAlias::new(asked.text)?;
                Ok(if self.keeps(asked, actions) { Outcome::DONE } else { self.start(asked, Run::Unload(name), actions) })
            }
            Request::DelayedReleaseModule => {
                ModuleAlias::new(asked.text)?;
                Ok(if self.keeps(asked, actions) { Outcome::DONE } else { self.sleep(asked, actions) })
            }
            Request::CancelReleaseModule => Ok(self.cancel(asked, actions)),
            Request::RequestRoute => {
                let quad = Quad::new(asked.text)?;
                match self.settings.route {
                    RoutePrograms::Absent => Ok(Outcome::DONE),
                    RoutePrograms::Present => Ok(self.share_or_start(asked, Run::Route(quad), actions)),
                }
            }
            Request::Blanker => Ok(self.blanker(asked, actions)),
            Request::Debug => Ok(self.converse(asked, actions)),
            Request::Pnp => Ok(Outcome::Answer(REFUSED, String::new())),
        }
    }

    /// A job of its own.
    fn start(&mut self, asked: &Asked<'_>, run: Run, actions: &mut Vec<Action>) -> Outcome {
        let job = self.jobs.add(&asked.job(JobState::Running));
        actions.push(Action::Start { job, run, trigger: asked.trigger });
        Outcome::Pending
    }

    /// Joins the same request if it is under way, else starts a job.
    fn share_or_start(&mut self, asked: &Asked<'_>, run: Run, actions: &mut Vec<Action>) -> Outcome {
        match self.jobs.find_mut(|job| job.request == asked.request && job.text == asked.text) {
            Some(job) => {
                job.waiters.extend(asked.waiter);
                Outcome::Pending
            }
            None => self.start(asked, run, actions),
        }
    }

    /// With `keep`, every request to unload is ignored.
    fn keeps(&self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> bool {
        let keeps = self.settings.unloading == Unloading::Keep;
        if keeps {
            self.debug(actions, || format!("keep: {} of `{}` is ignored", asked.request.name(), asked.text.escape_debug()));
        }
        keeps
    }

    /// A release whose time comes after the delay.
    fn sleep(&mut self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> Outcome {
        let until = asked.now.checked_add(self.settings.delay.duration());
        let Some(until) = until.filter(|_| self.jobs.sleeping() < MAX_SLEEPING) else {
            let line = format!("{MAX_SLEEPING} delayed releases wait already; the one of `{}` is refused", asked.text.escape_debug());
            actions.push(Action::Log(Level::Warning, line));
            return Outcome::Answer(REFUSED, String::new());
        };
        self.jobs.add(&asked.job(JobState::Sleeping { until }));
        Outcome::Pending
    }

    /// Takes back every delayed release of that name that still sleeps.
    fn cancel(&mut self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> Outcome {
        if self.settings.unloading == Unloading::Allowed {
            let sleeps = |job: &Job| matches!(job.state, JobState::Sleeping { .. }) && job.text == asked.text;
            for job in self.jobs.remove_where(sleeps) {
                self.finish(job, CANCELLED, "", actions);
            }
        }
        Outcome::DONE
    }

    /// `on` starts a blanker unless one runs, and is answered when it is there; `off` tells it to quit, and is answered when it has.
    fn blanker(&mut self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> Outcome {
        let running = self.jobs.find_mut(|job| job.request == Request::Blanker && job.state == JobState::Running);
        match (asked.text, running) {
            ("on", Some(_)) => Outcome::DONE,
            ("on", None) => self.start(asked, Run::Blanker, actions),
            ("off", Some(job)) => {
                job.state = JobState::Quitting;
                job.waiters.extend(asked.waiter);
                actions.push(Action::Quit { job: job.id });
                Outcome::Pending
            }
            ("off", None) => match self.jobs.find_mut(|job| job.state == JobState::Quitting) {
                Some(job) => {
                    job.waiters.extend(asked.waiter);
                    Outcome::Pending
                }
                None => Outcome::Answer(REFUSED, String::new()),
            },
            _ => {
                actions.push(Action::Log(Level::Warning, format!("blanker: `{}` is neither `on` nor `off`", asked.text.escape_debug())));
                Outcome::Answer(REFUSED, String::new())
            }
        }
    }

    /// A word from kdstat, or several.
    fn converse(&mut self, asked: &Asked<'_>, actions: &mut Vec<Action>) -> Outcome {
        let commands: Result<Vec<Command>, _> = asked.text.split_whitespace().map(str::parse).collect();
        let commands = match commands {
            Ok(commands) => commands,
            Err(error) => return Outcome::Answer(REFUSED, format!("{error}\n")),
        };
        for command in commands {
            match command {
                Command::Verbosity(verbosity) => self.settings.verbosity = verbosity,
                Command::Unloading(unloading) => {
                    self.settings.unloading = unloading;
                    self.arm(asked.now);
                }
                Command::Delay(delay) => {
                    self.settings.delay = delay;
                    self.arm(asked.now);
                }
                Command::Flush => self.flush(actions),
            }
        }
        Outcome::Answer(0, Report { settings: &self.settings, jobs: &self.jobs }.to_string())
    }

    /// Empties the job queue: delayed releases are dropped, running helpers go on unobserved, and everybody who waits is answered
    /// `-EINTR`. A blanker stays, since it could not be turned off otherwise.
    fn flush(&mut self, actions: &mut Vec<Action>) {
        for job in self.jobs.remove_where(|job| job.request != Request::Blanker) {
            let status = -uapi::Errno::EINTR.number();
            actions.extend(job.waiters.into_iter().map(|to| Action::Reply { to, status, text: String::new() }));
        }
    }

    /// Answers everybody who waits for a job that is out of the table.
    fn finish(&self, job: Job, how: Ended, output: &str, actions: &mut Vec<Action>) {
        let status = match (job.state, how) {
            (JobState::Quitting, Ended::Signal(SIGQUIT)) => 0,
            _ => how.status(),
        };
        self.debug(actions, || {
            format!("ended: pid {}, type {} ('{}'), status {status}", job.pid, job.request.name(), job.text.escape_debug())
        });
        actions.extend(job.waiters.into_iter().map(|to| Action::Reply { to, status, text: output.to_owned() }));
    }

    /// Sets the idle timer anew. A daemon that gets no requests to load has no timer: nothing would put its ticks off, and the
    /// daemon that does get them has one.
    fn arm(&mut self, now: Instant) {
        if self.settings.unloading == Unloading::Allowed && self.served.takes(Request::RequestModule) {
            self.idle.arm(now, self.settings.delay);
        } else {
            self.idle.disarm();
        }
    }

    /// A line that only `debug` shows.
    fn debug(&self, actions: &mut Vec<Action>, line: impl FnOnce() -> String) {
        if self.settings.verbosity == Verbosity::Debug {
            actions.push(Action::Log(Level::Debug, line()));
        }
    }
}

impl<'a> Asked<'a> {
    /// The job that this request becomes.
    fn job(&self, state: JobState) -> NewJob<'a> {
        NewJob { request: self.request, text: self.text, state, trigger: self.trigger, waiter: self.waiter }
    }
}
