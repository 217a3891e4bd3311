//! The loop: events in, actions out.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use uapi::ClientError;

use crate::hosted::{Link, Pass, Received};
use crate::pidfile::PidFile;
use crate::signals::{Event, Signals};
use crate::{Action, Children, Ended, Engine, Error, Level, Log, Options, Programs, Run, Shell, Unloading, Verbosity};

/// How often a kernel that is not there is looked for.
const RETRY: Duration = Duration::from_millis(250);
/// How long `SIGTERM` waits for helpers whose exit status the kernel waits for.
const GRACE: Duration = Duration::from_secs(2);

/// How serving a kernel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// The kernel closed the channel.
    KernelGone,
    /// By a signal.
    Terminated,
}

/// What can be read.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    signals: bool,
    channel: bool,
    control: bool,
    output: bool,
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    options: Options,
    programs: Programs,
    engine: Engine,
    children: Children,
    signals: Signals,
    log: Log,
    ending: Option<Instant>,
    /// What the last autoclean pass was refused with.
    refused_pass: Option<String>,
}

impl Daemon {
    /// A daemon that is not attached yet.
    ///
    /// # Errors
    /// [`Error::NoKernel`], an unreadable configuration, or signals that cannot be caught.
    pub fn new(options: Options, log: Log) -> Result<Self, Error> {
        let signals = Signals::new().map_err(Error::Process)?;
        let options = options.absolute()?;
        let (settings, programs) = options.load()?;
        let engine = Engine::new(settings, options.served(), Instant::now());
        Ok(Self { options, programs, engine, children: Children::default(), signals, log, ending: None, refused_pass: None })
    }

    /// Serves the kernel until a signal ends it. `ready` is called once: when attached, or when it starts to wait for a kernel.
    ///
    /// # Errors
    /// [`Error::Attach`] and [`Error::Gone`], unless told to wait for the kernel; [`Error::Process`].
    pub fn run(mut self, ready: impl FnOnce()) -> Result<(), Error> {
        let mut ready = Some(ready);
        let outcome = self.attach_and_serve(&mut ready);
        match &outcome {
            Ok(()) => self.say(Level::Info, "stopped"),
            Err(error) => self.say(Level::Error, &error.to_string()),
        }
        outcome
    }

    fn attach_and_serve(&mut self, ready: &mut Option<impl FnOnce()>) -> Result<(), Error> {
        let mut pid_file = None;
        loop {
            let Some(mut link) = self.attach(ready)? else { return Ok(()) };
            self.engine.forget(Instant::now());
            if let (None, Some(path)) = (&pid_file, &self.options.pid_file) {
                pid_file = Some(PidFile::write(path)?);
            }
            let pid = std::process::id();
            self.say(Level::Info, &format!("started, pid={pid}, qid={}", link.channel.id()));
            if let Some(ready) = ready.take() {
                ready();
            }
            match self.serve(&mut link)? {
                Served::Terminated => return Ok(()),
                Served::KernelGone if !self.options.retry => return Err(Error::Gone { kernel: self.programs.kernel.clone() }),
                Served::KernelGone => {
                    let line = Error::Gone { kernel: self.programs.kernel.clone() }.to_string();
                    self.say(Level::Warning, &format!("{line}; waiting for another"));
                }
            }
        }
    }

    /// Attaches, after waiting if that was asked for; `None` where a signal came first.
    fn attach(&mut self, ready: &mut Option<impl FnOnce()>) -> Result<Option<Link>, Error> {
        loop {
            match Link::open(&self.programs.kernel) {
                Err(Error::Attach { error: ClientError::Connect { .. } | ClientError::Wire(_), .. }) if self.options.retry => {}
                other => return other.map(Some),
            }
            if let Some(ready) = ready.take() {
                let line = format!("waiting for a kernel at `{}`", self.programs.kernel.display());
                self.say(Level::Info, &line);
                ready();
            }
            let ready = self.wait(None, Some(RETRY))?;
            if ready.signals {
                self.take_signals(None);
            }
            if ready.output {
                self.children.read_output();
            }
            if self.ending.is_some() {
                return Ok(None);
            }
        }
    }

    /// One turn per event, until the kernel or this process ends.
    fn serve(&mut self, link: &mut Link) -> Result<Served, Error> {
        loop {
            let now = Instant::now();
            if self.ending.is_some_and(|until| until <= now || self.engine.jobs().waiters() == 0) {
                link.channel.flush();
                return Ok(Served::Terminated);
            }
            let actions = self.engine.tick(now);
            self.perform(actions, Some(link));
            if self.ending.is_none() && self.engine.can_take() {
                link.channel.ask(self.options.served());
            }
            if matches!(link.channel.flush(), Received::Gone) {
                return Ok(Served::KernelGone);
            }
            let ready = self.wait(Some(link), self.patience(now))?;
            if ready.signals {
                self.take_signals(Some(link));
            }
            if ready.output {
                self.children.read_output();
            }
            if ready.control {
                self.pass_ended(link.control.finish().err().map(|error| error.to_string()));
            }
            if ready.channel && self.receive(link) == Some(Served::KernelGone) {
                return Ok(Served::KernelGone);
            }
        }
    }

    /// An autoclean pass ended. A kernel that refuses every pass (under lockdown, say) is told of once, not at every tick.
    fn pass_ended(&mut self, refusal: Option<String>) {
        if let Some(error) = &refusal {
            let level = if self.refused_pass == refusal { Level::Debug } else { Level::Error };
            self.say(level, &format!("delete_module: {error}"));
        }
        self.refused_pass = refusal;
    }

    /// Takes what the channel has.
    fn receive(&mut self, link: &mut Link) -> Option<Served> {
        match link.channel.receive() {
            Received::Message(message) => {
                let actions = self.engine.message(&message, Instant::now());
                self.perform(actions, Some(link));
            }
            Received::Nothing => {}
            Received::Malformed(error) => self.say(Level::Warning, &format!("a packet of the kernel was dropped: {error}")),
            Received::Gone => return Some(Served::KernelGone),
        }
        None
    }

    /// How long nothing has to be done by itself.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let deadlines = [self.engine.deadline(), self.ending];
        deadlines.into_iter().flatten().min().map(|due| due.saturating_duration_since(now))
    }

    /// Sleeps until something can be read, or until the time is over.
    fn wait(&self, link: Option<&Link>, patience: Option<Duration>) -> Result<Ready, Error> {
        let awaited = link.and_then(|link| link.control.awaited());
        let mut descriptors = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(link) = link {
            let flags = if link.channel.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            descriptors.push(PollFd::new(&link.channel, flags));
        }
        descriptors.extend(awaited.map(|control| PollFd::from_borrowed_fd(control, PollFlags::IN)));
        descriptors.extend(self.children.pipes().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        let timeout = patience.map(|patience| Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        match rustix::event::poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready { signals: true, ..Ready::default() }),
            Err(errno) => return Err(Error::Process(errno.into())),
        }
        let mut happened = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty());
        Ok(Ready {
            signals: happened.next().unwrap_or_default(),
            channel: link.is_some() && happened.next().unwrap_or_default(),
            control: awaited.is_some() && happened.next().unwrap_or_default(),
            output: happened.any(|readable| readable),
        })
    }

    fn take_signals(&mut self, mut link: Option<&mut Link>) {
        for event in self.signals.take() {
            match event {
                Event::ChildEnded => {
                    for (job, how, output) in self.children.reap() {
                        let actions = self.engine.ended(job, how, &output);
                        self.perform(actions, link.as_deref_mut());
                    }
                }
                Event::Reload => self.reload(),
                Event::Terminate => self.terminate(),
            }
        }
    }

    /// SIGHUP. What cannot be read changes nothing.
    fn reload(&mut self) {
        match self.options.load() {
            Ok((settings, programs)) => {
                self.programs = programs;
                self.engine.reload(settings, Instant::now());
                let keep = if settings.unloading == Unloading::Keep { "keep" } else { "nokeep" };
                self.say(Level::Info, &format!("configuration read again: delay={}, {keep}", settings.delay.seconds()));
            }
            Err(error) => self.say(Level::Error, &format!("configuration not read again: {error}")),
        }
    }

    /// SIGTERM: no further message is taken, and helpers that the kernel waits for get a moment; a second one is final. Helpers
    /// are never killed, since a half-loaded module is worse than a late one; only a screen blanker is told to quit, as nobody
    /// could turn it off later.
    fn terminate(&mut self) {
        let now = Instant::now();
        let until = if self.ending.is_some() { now } else { now.checked_add(GRACE).unwrap_or(now) };
        self.ending = Some(until);
        for job in self.engine.jobs().iter().filter(|job| job.request == uapi::kerneld::Request::Blanker) {
            self.children.quit(job.id);
        }
    }

    /// Does what the engine wants, and what follows from that.
    fn perform(&mut self, actions: Vec<Action>, mut link: Option<&mut Link>) {
        let mut actions = std::collections::VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Start { job, run, trigger } => {
                    let output = if let Run::Shell(_, output) = &run { *output } else { Shell::Discard };
                    let command = self.programs.command(&run, trigger);
                    let program = command.get_program().to_owned();
                    match self.children.start(job, command, output) {
                        Ok(pid) => actions.extend(self.engine.started(job, pid)),
                        Err(error) => {
                            self.say(Level::Error, &format!("`{}` cannot be started: {error}", program.display()));
                            actions.extend(self.engine.ended(job, Ended::NotStarted, ""));
                        }
                    }
                }
                Action::Quit { job } => self.children.quit(job),
                Action::Reply { to, status, text } => {
                    if let Some(link) = &mut link {
                        link.channel.reply(to, status, text);
                    }
                }
                Action::Autoclean => {
                    if let Some(link) = &mut link {
                        self.autoclean(link);
                    }
                }
                Action::Log(level, line) => self.say(level, &line),
            }
        }
    }

    /// `delete_module(NULL)`.
    fn autoclean(&mut self, link: &mut Link) {
        match link.control.autoclean() {
            Ok(Pass::Begun) => self.say(Level::Debug, "idle timer: delete_module(NULL)"),
            Ok(Pass::UnderWay) => self.say(Level::Warning, "idle timer: the pass before is still under way"),
            Err(error) => self.say(Level::Error, &format!("idle timer: {error}")),
        }
    }

    fn say(&mut self, level: Level, line: &str) {
        if level != Level::Debug || self.engine.settings().verbosity == Verbosity::Debug {
            self.log.line(level, line);
        }
    }
}
