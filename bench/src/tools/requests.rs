//! `bench deny` and `bench request`: the daemon of Linux and the kernel's helper, on the module tree of Debian's kernel.
//!
//! The daemon rehearses (`kerneld run --rehearse`): it decides, answers and records as ever, and loads nothing. Nothing here can change
//! the running kernel.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use demand::ask::ask;
use demand::policy::compiled::Waits;
use demand::{Outcome, Paths};
use testkit::Programs;

use super::programs::{self, Tools};
use super::race::{Racer, race};
use super::trees::{Package, text};
use super::{Options, note_circumstances};
use crate::command;
use crate::error::{Error, Result};
use crate::measure::Samples;
use crate::report::{Goal, Plot, Report, Series};

/// The daemon has to deny so many requests a second.
const DENIED_A_SECOND: f64 = 10_000.0;

/// Helper and daemon together may take this many milliseconds longer than modprobe takes to find out the same.
const ADDED_MS: f64 = 1.0;

/// While it is flooded, an allowed request has to be answered within this many milliseconds.
const SERVED_MS: f64 = 100.0;

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(5);

/// How often somebody asks for something allowed meanwhile.
const ALLOWED_EVERY: Duration = Duration::from_millis(5);

/// Threads that flood: the kernel runs fifty helpers at most.
const FLOODERS: usize = 8;

/// A policy that denies what needs no right at all, and allows the rest.
const POLICY: &str = "mode = \"enforce\"\n\n[[rule]]\nname = \"reachable by anyone\"\nclass = [\"net-pf\", \"crypto\", \"tty-ldisc\", \"can\", \"binfmt\"]\n\
                      verdict = \"deny\"\n\n[default]\nverdict = \"allow\"\n";

/// What is allowed.
const ALLOWED: &str = "fs-vfat";

/// A daemon that rehearses.
struct Daemon {
    child: Child,
    root: PathBuf,
}

impl Daemon {
    /// Starts it over a tree with indexes.
    fn start(tools: &Tools, subject: &str) -> Result<(Self, Package)> {
        let package = Package::fetched()?;
        let root = package.root(subject)?;
        command::run(&mut programs::applet(&tools.ours, "depmod", &["-b", text(&root), &package.release]))?;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        let policy = Paths::under(&root).policy();
        for folder in [root.join("etc/kerneld"), root.join("proc")] {
            std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        std::fs::write(&policy, POLICY).map_err(at(&policy))?;
        // What the daemon reads of a helper and of whoever started it: here a thread of the kernel, as ever.
        for (pid, name, parent, flags) in [(std::process::id(), "bench", 2, 0x40_0000), (2, "kthreadd", 0, 0x20_8040)] {
            let folder = root.join(format!("proc/{pid}"));
            let stat = folder.join("stat");
            let text = format!("{pid} ({name}) S {parent} 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n");
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&stat, text)).map_err(at(&stat))?;
        }
        let program = Programs::built().path("kerneld");
        let mut run = Command::new(&program);
        run.args(["run", "--rehearse", "--release", &package.release, "--syslog", "/nonexistent", "--root"]).arg(&root);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = run.spawn().map_err(|source| Error::Start { program: program.display().to_string(), source })?;
        let daemon = Self { child, root };
        command::run(Command::new(&program).args(["status", "--wait", "20s", "--root"]).arg(&daemon.root))?;
        Ok((daemon, package))
    }

    fn socket(&self) -> PathBuf {
        Paths::under(&self.root).request_socket()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already need not be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program that tries everything makes the kernel ask for: in a guest with 6.1, a loop over `socket(2)` made these requests, and
/// the others are of the same making.
fn stream() -> Vec<String> {
    let mut names: Vec<String> = (1..=45).map(|family| format!("net-pf-{family}")).collect();
    names.extend((2..=45).map(|family| format!("net-pf-{family}-proto-0-type-5")));
    names.extend((0..=25).map(|protocol| format!("net-pf-16-proto-{protocol}")));
    names.extend((0..=30).map(|number| format!("tty-ldisc-{number}")));
    names.extend((0..=7).map(|number| format!("can-proto-{number}")));
    names.extend(["algif-aead", "algif-hash", "algif-skcipher", "algif-rng", "crypto-md4", "crypto-authenc(hmac(sha1),cbc(aes))"].map(str::to_owned));
    names
}

/// Asks once.
fn answer(socket: &Path, name: &str) -> Result<Outcome> {
    ask(socket, name.as_bytes(), Waits::default())
        .map_err(|error| Error::Format { what: format!("the answer to `{name}`"), reason: error.to_string() })
}

/// `bench deny`.
///
/// # Errors
/// A program that fails, or an answer that is not the right one.
pub fn deny(_options: &Options) -> Result<Report> {
    let tools = Tools::built();
    let (daemon, _package) = Daemon::start(&tools, "deny")?;
    let socket = daemon.socket();
    let names = stream();
    // An allowed name is there from its second request on.
    answer(&socket, ALLOWED)?;
    let (denied, failed, ends) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    let mut served = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        for flooder in 0..FLOODERS {
            let (names, socket, denied, failed, ends) = (&names, &socket, &denied, &failed, &ends);
            scope.spawn(move || {
                for name in names.iter().cycle().skip(flooder * names.len() / FLOODERS) {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    let counter = match answer(socket, name) {
                        Ok(Outcome::Denied | Outcome::Unknown) => denied,
                        _ => failed,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let outcome = (|| {
            while start.elapsed() < FLOOD {
                let asked = Instant::now();
                match answer(&socket, ALLOWED)? {
                    Outcome::Present => served.push(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX)),
                    other => return Err(Error::Format { what: format!("the answer to `{ALLOWED}`"), reason: format!("{other:?}") }),
                }
                std::thread::sleep(ALLOWED_EVERY);
            }
            Ok(())
        })();
        ends.store(true, Ordering::Relaxed);
        outcome
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let (denied, failed) = (denied.into_inner(), failed.into_inner());
    let mut report = Report::new("deny");
    report.judge("denied requests answered", denied as f64 / seconds, "1/s", Goal::AtLeast(DENIED_A_SECOND));
    report.judge("requests without the right answer", failed as f64, "", Goal::AtMost(0.0));
    let worst = served.iter().max().copied().unwrap_or(u64::MAX);
    let served = Samples::new(served);
    report.tell("allowed requests served meanwhile", served.len() as f64, "");
    report.tell("allowed request during the flood, median", served.median().map_or(f64::NAN, |time| time / 1e6), "ms");
    report.judge("allowed request during the flood, longest", worst as f64 / 1e6, "ms", Goal::AtMost(SERVED_MS));
    report.tell("lines of the journal", lines(&daemon.root)? as f64, "");
    report.note(format!("{} names as a program asks for them that tries every socket family, cipher and line discipline", names.len()));
    report.note("whoever asked is looked for and not found: the folder that stands for /proc has the helper and its parent only");
    report.note(format!("{FLOODERS} threads ask, each request over a connection of its own, for {} s; the daemon shares the processors with them", FLOOD.as_secs()));
    note_circumstances(&mut report, &tools.kmod);
    Ok(report)
}

fn lines(root: &Path) -> Result<usize> {
    let path = Paths::under(root).journal();
    let bytes = std::fs::read(&path).map_err(|source| Error::File { path, source })?;
    Ok(bytes.iter().filter(|&&byte| byte == b'\n').count())
}

/// `bench request`.
///
/// # Errors
/// A program that fails.
pub fn request(options: &Options) -> Result<Report> {
    let tools = Tools::built();
    let (daemon, package) = Daemon::start(&tools, "request")?;
    let root = text(&daemon.root);
    let rounds = options.rounds.unwrap_or(301);
    let mut report = Report::new("request");
    let mut series = Vec::new();
    for name in [ALLOWED, "rtnl-link-dummy", "xfs"] {
        // What the daemon would load once is there from then on, as it is for `modprobe -n`.
        answer(&daemon.socket(), name)?;
        let helper = ["--root", root, "-q", "--", name];
        let plain = ["-n", "-q", "-d", root, "-S", &package.release, "--", name];
        let racers = [
            Racer::applet("helper and daemon", &tools.small, "kerneld-request", &helper),
            Racer::applet("modprobe -n, ours", &tools.small, "modprobe", &plain),
            Racer::applet("modprobe -n, kmod", &tools.kmod, "modprobe", &plain),
        ];
        let times = race(rounds, racers)?;
        for subject in &times {
            report.tell(format!("{name}: {}, wall", subject.name), subject.wall(), "ms");
            series.push(subject.series(name));
        }
        let [helper, ours, kmod] = &times[..] else { continue };
        report.judge(format!("{name}: added to our modprobe"), helper.wall() - ours.wall(), "ms", Goal::AtMost(ADDED_MS));
        report.judge(format!("{name}: added to kmod's modprobe"), helper.wall() - kmod.wall(), "ms", Goal::AtMost(ADDED_MS));
    }
    let mut asked = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        answer(&daemon.socket(), ALLOWED)?;
        asked.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    report.tell("of that: question and answer over the socket", Samples::new(asked).median().map_or(f64::NAN, |time| time / 1e6), "ms");
    report.note("the daemon rehearses; what modprobe and the daemon would do in the kernel is the same, and is left out of both");
    note_circumstances(&mut report, &tools.kmod);
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    let series: Vec<Series> = series;
    Plot { title: "A request of the kernel".to_owned(), across, up, series }.write("request")?;
    Ok(report)
}
