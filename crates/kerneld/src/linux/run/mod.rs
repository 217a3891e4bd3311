//! `kerneld run`: the daemon.

mod chronicle;
mod confine;
mod copy;
mod devices;
mod door;
mod engine;
mod flights;
mod kernels;
mod locks;
pub(super) mod metrics;
mod notify;
mod plans;
mod reaper;
mod requests;
mod rules;
mod status;
mod tally;
mod teller;
mod watchdog;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use demand::Paths;
use demand::rehearse::Rehearsal;

use super::cli::Failure;
use super::control::Control;
use crate::signals::{Event, Signals};
use crate::{Level, Log};

use confine::Enough;
use notify::Manager;
use watchdog::{Watchdog, Workers};

pub use chronicle::JournalState;
pub use engine::Engine;
pub use kernels::{Kernels, Running};
pub use locks::{ModuleLock, ModuleLocks};
pub use rules::{PolicyState, Source};
pub use status::{Status, Summary};
pub use tally::{Busy, Count, Ending};
pub use teller::Teller;

pub(super) use engine::Shared;
pub(super) use requests::{Requests, listen, readable};
pub(super) use status::Birth;
pub(super) use tally::{verdict, who};

/// The permissions that no file or folder of the daemon has.
const FOR_ROOT: rustix::fs::Mode = rustix::fs::Mode::WGRP.union(rustix::fs::Mode::WOTH);

/// How often the file with the numbers is written.
const METRICS_EVERY: Duration = Duration::from_secs(15);

/// How often the main thread looks around.
const TICK: Duration = Duration::from_secs(1);

/// How often a compiled policy that could not be written is tried again.
const GIVE_EVERY: Duration = Duration::from_secs(2);

/// How long loads that are under way may take when the daemon ends.
const LAST_LOADS: Duration = Duration::from_secs(5);

/// Said where leases are wanted, and the rights for them are missing.
const NO_LEASES: &str = "leases: without CAP_NET_ADMIN uses in network namespaces cannot be looked for, and what could have some stays; \
    `kerneld install --leases` gives it to the service";

/// Serve the requests of the running kernel, until SIGTERM
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kerneld run                                   as a service does
  kerneld run --verbose                         with a copy of the log on standard error
  kerneld run --rehearse --root /tmp/image      decide and answer, but load nothing

The daemon stays in the foreground. SIGHUP reads the policy again, as `kerneld reload` does.")]
pub(super) struct Run {
    /// Directory that stands for /: policy, tree, sockets and journal lie below it
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Decide, answer and record as ever, but load nothing
    #[arg(long)]
    rehearse: bool,
    /// With --rehearse: the release of the kernel, instead of that of the running one
    #[arg(long, value_name = "RELEASE", requires = "rehearse")]
    release: Option<String>,
    /// Write the numbers for Prometheus to this file too, every 15 seconds (for the textfile collector)
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// Socket of the system's log
    #[arg(long, value_name = "SOCKET", default_value = "/dev/log")]
    syslog: PathBuf,
    /// Keep all rights of root, instead of only those that serving takes
    #[arg(long)]
    keep_capabilities: bool,
    /// Copy the log to standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Why the daemon cannot start.
#[derive(Debug)]
enum StartError {
    Rights,
    Running { pid: String },
    Folder { path: PathBuf, error: std::io::Error },
    Socket { path: PathBuf, error: std::io::Error },
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rights => f.write_str("it takes CAP_SYS_MODULE to load modules; `--rehearse` does without"),
            Self::Running { pid } => write!(f, "another daemon serves this system already (pid {pid})"),
            Self::Folder { path, error } => write!(f, "cannot use the folder `{}`: {error}", path.display()),
            Self::Socket { path, error } => write!(f, "cannot listen on `{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for StartError {}

impl Run {
    /// Serves until a signal ends it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        // Nothing that is made here is for anyone to write to, however this program was started. What is stricter stays.
        let own = rustix::process::umask(FOR_ROOT);
        rustix::process::umask(own | FOR_ROOT);
        let paths = Paths::under(&self.root);
        let mut log = Log::new(self.syslog.clone());
        if self.verbose {
            log = log.with_copy(Box::new(copy::Unwaiting(std::io::stderr())));
        }
        let teller = Teller::new(log);
        if self.rehearse {
            let release = self.release.clone().unwrap_or_else(kmod::linux::release);
            let kernels = Rehearsal::new(release, paths.file("/proc/modules"));
            return self.serve(&paths, kernels, teller);
        }
        self.serve(&paths, Running, teller)
    }

    fn serve<K: Kernels>(&self, paths: &Paths, kernels: K, teller: Teller) -> Result<ExitCode, Failure> {
        if !self.rehearse && !confine::may_load()? {
            return Err(StartError::Rights.into());
        }
        let _only = lock(paths)?;
        let mut signals = Signals::new()?;
        if !self.rehearse && !self.keep_capabilities {
            let leases = demand::alone::LastPolicy::from_files(paths).policy.leases.mode;
            match confine::confine(leases) {
                Ok(Enough::Rights) => {}
                Ok(Enough::ButForLeases) => teller.say(Level::Warning, NO_LEASES),
                Err(error) => teller.say(Level::Warning, &format!("the rights of root could not be given up: {error}")),
            }
        }
        let engine = Arc::new(Engine::new(paths, kernels, teller)?);
        let birth = Birth { at: Instant::now(), door: door::Door::new(paths) };
        let socket = |path: PathBuf| move |error| StartError::Socket { path, error };
        let requests = Requests::open(&paths.request_socket(), engine.clone()).map_err(socket(paths.request_socket()))?;
        let control = Control::new(paths, engine.clone(), requests.clone(), birth.clone());
        requests.start()?;
        control.start(&paths.control_socket()).map_err(socket(paths.control_socket()))?;
        control.start_metrics(&paths.metrics_socket()).map_err(socket(paths.metrics_socket()))?;
        reaper::start(engine.clone())?;
        if !self.rehearse
            && let Err(error) = devices::start(paths, engine.clone())
        {
            engine.teller().say(Level::Error, &format!("devices are not heard of: {error}"));
        }
        self.greet(&engine);
        let manager = Manager::from_environment();
        manager.tell("READY=1");
        let watchdog = Watchdog::new(&manager, paths.request_socket());
        let metrics = self.metrics_file.as_deref();
        let mut daemon = Main { engine: engine.clone(), requests, birth, metrics, written: None, given: Instant::now() };
        daemon.watch(&mut signals, &manager, watchdog);
        manager.tell("STOPPING=1");
        control.end();
        daemon.end();
        for path in [paths.request_socket(), paths.control_socket(), paths.metrics_socket(), paths.devices_mark()] {
            // Without its name, helpers know at once that nobody listens; and udev, without waiting for whoever has this number next.
            let _ = std::fs::remove_file(path);
        }
        engine.teller().say(Level::Info, "ended");
        Ok(ExitCode::SUCCESS)
    }

    fn greet<K: Kernels>(&self, engine: &Engine<K>) {
        let rehearsal = if self.rehearse { ", a rehearsal: nothing is loaded" } else { "" };
        let text = format!("version {} serves {}{rehearsal}", env!("CARGO_PKG_VERSION"), engine.stamp().release);
        engine.teller().say(Level::Info, &text);
        engine.teller().policy(&engine.rules().now().state);
        if let Some(fault) = engine.tracing_fault() {
            engine.teller().say(Level::Warning, &format!("requesters are told by who waits, not by tracing: {fault}"));
        }
    }
}

/// What the main thread does.
struct Main<'a, K> {
    engine: Shared<K>,
    requests: Requests<K>,
    birth: Birth,
    metrics: Option<&'a Path>,
    written: Option<Instant>,
    /// When it was last seen to it that helpers have the policy.
    given: Instant,
}

impl<K: Kernels> Main<'_, K> {
    /// Until a signal says that it is over.
    fn watch(&mut self, signals: &mut Signals, manager: &Manager, mut watchdog: Watchdog) {
        loop {
            watchdog.look(manager, || self.workers());
            let _ready = readable(signals.as_fd(), TICK);
            for event in signals.take() {
                match event {
                    Event::Terminate => return,
                    Event::Reload => drop(self.engine.reload()),
                    Event::ChildEnded => {}
                }
            }
            if let Some(program) = self.birth.door.has_moved() {
                let text = format!("kernel.modprobe is `{program}`: the kernel does not ask kerneld any more");
                self.engine.teller().say(Level::Error, &text);
            }
            if self.given.elapsed() >= GIVE_EVERY {
                self.given = Instant::now();
                if self.engine.rules().give_again() {
                    self.engine.teller().say(Level::Info, "the compiled policy for helpers could be written now");
                }
            }
            self.write_metrics();
        }
    }

    /// Reads the state that serving changes, and says whether somebody can come to the next helper.
    fn workers(&self) -> Workers {
        let _state = self.birth.status(&self.engine);
        if self.requests.all_serve() { Workers::AllServe } else { Workers::Waiting }
    }

    fn write_metrics(&mut self) {
        let Some(path) = self.metrics.filter(|_| self.written.is_none_or(|at| at.elapsed() >= METRICS_EVERY)) else { return };
        self.written = Some(Instant::now());
        let text = metrics::text(&self.engine, &self.birth, self.requests.busy());
        if let Err(error) = metrics::write(path, &text) {
            self.engine.teller().say(Level::Warning, &format!("cannot write `{}`: {error}", path.display()));
        }
    }

    /// Lets loads that are under way come to their end, for a while, and the journal.
    fn end(&self) {
        self.requests.end();
        let since = Instant::now();
        while !self.requests.has_ended() && since.elapsed() < LAST_LOADS {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.engine.chronicle().end();
    }
}

/// Makes the folders, and makes sure that there is one daemon only. The lock ends with the process, however it ends.
fn lock(paths: &Paths) -> Result<File, StartError> {
    let path = paths.file("/run/kerneld/lock");
    let folder = path.parent().unwrap_or(Path::new("/"));
    let failed = |error| StartError::Folder { path: folder.to_owned(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let open = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(failed)?;
    if file.try_lock().is_err() {
        let pid = std::fs::read_to_string(&path).unwrap_or_default();
        return Err(StartError::Running { pid: pid.trim().to_owned() });
    }
    let write = || {
        file.set_len(0)?;
        std::io::Write::write_all(&mut &file, format!("{}\n", std::process::id()).as_bytes())
    };
    // The number is for people; the lock is what counts.
    let _ = write();
    Ok(file)
}
