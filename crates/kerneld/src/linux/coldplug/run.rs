//! The loop: devices come in, steps go out to the threads, and what became of them comes back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use demand::Paths;
use demand::alone::LastPolicy;
use demand::resolve::Resolver;
use kmod::kernel::Kernel;
use kmod::name;
use kmod::plan::Step;

use super::pool::{self, Finished};
use super::progress::Progress;
use super::report::{Report, Timing};
use super::requests::{New, Requests};
use super::schedule::{Node, Schedule};
use super::target::Target;
use crate::linux::uevents::{DeviceRequest, Followed, Follower, Turn, turn, walk};

/// How often files that are waited for are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long things may take, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At most so long in all.
    pub(super) within: Duration,
    /// The end has come when nothing was new for so long.
    pub(super) calm: Duration,
    /// Threads that load.
    pub(super) jobs: usize,
}

/// What comes in.
enum News {
    Finished(Finished),
    Followed(Followed),
}

/// A run from the first device to the last.
#[derive(Debug)]
pub(super) struct Run {
    paths: Paths,
    resolver: Resolver,
    last: LastPolicy,
    limits: Limits,
    targets: Vec<Target>,
    requests: Requests,
    /// The devices that were seen, for targets that are devices.
    devices: Vec<DeviceRequest>,
    seen: HashSet<DeviceRequest>,
    schedule: Schedule,
    timings: Vec<(Node, Timing)>,
    problems: Vec<String>,
    overruns: u64,
    refused: u64,
    start: Instant,
    /// When something was new for the last time.
    news: Instant,
    last_load: Option<Instant>,
}

impl Run {
    /// Nothing is done yet.
    pub(super) fn new(paths: &Paths, resolver: Resolver, last: LastPolicy, limits: Limits, targets: Vec<Target>) -> Self {
        let start = Instant::now();
        Self {
            paths: paths.clone(),
            resolver,
            last,
            limits,
            targets,
            requests: Requests::default(),
            devices: Vec::new(),
            seen: HashSet::new(),
            schedule: Schedule::default(),
            timings: Vec::new(),
            problems: Vec::new(),
            overruns: 0,
            refused: 0,
            start,
            news: start,
            last_load: None,
        }
    }

    /// Walks and plans, and loads nothing.
    pub(super) fn plan_only(&mut self) {
        self.walk();
    }

    /// Loads until the end has come, listening to the announcements of the running kernel.
    pub(super) fn load<K: Kernel + Clone + Send>(&mut self, kernel: K) {
        // Listening begins before the walk: what comes during it is seen by one of the two.
        let follower = Follower::open(&self.paths).map_err(|error| self.problems.push(format!("announcements of devices: {error}"))).ok();
        self.load_with(kernel, follower);
    }

    /// The same with announcements from there, or, without any, by walking again.
    fn load_with<K: Kernel + Clone + Send>(&mut self, mut kernel: K, follower: Option<Follower>) {
        match kernel.modules() {
            Ok(loaded) => {
                let live = loaded.iter().filter(|module| module.state == "Live").map(|module| name::from_word(&module.name));
                self.schedule = Schedule::new(live.collect());
            }
            Err(error) => self.problems.push(error.to_string()),
        }
        let announced = follower.is_some();
        let (steps, to_do) = mpsc::channel();
        let (say, news) = mpsc::channel();
        let to_do = Mutex::new(to_do);
        let end = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let listener = follower.map(|follower| {
                let (say, end) = (say.clone(), Arc::clone(&end));
                scope.spawn(move || listen(follower, &say, &end))
            });
            for _ in 0..self.limits.jobs {
                let (kernel, say, to_do) = (kernel.clone(), say.clone(), &to_do);
                scope.spawn(move || pool::work(kernel, to_do, |finished| say.send(News::Finished(finished)).is_ok()));
            }
            self.walk();
            self.attend(&steps, &news, announced);
            end.store(true, Ordering::Relaxed);
            drop(steps);
            self.refused = listener.and_then(|listener| listener.join().ok()).unwrap_or_default();
        });
    }

    /// Takes all devices in that are there.
    fn walk(&mut self) {
        for device in walk(&self.paths) {
            self.device(device, false);
        }
    }

    /// Takes a device in; `behind` where it came up behind another.
    fn device(&mut self, device: DeviceRequest, behind: bool) {
        match self.requests.add(&device, &self.resolver, &self.last) {
            New::Nothing => {}
            New::Settled => self.news = Instant::now(),
            New::Steps(steps) => {
                self.news = Instant::now();
                let resolver = &self.resolver;
                let turn = if behind { Turn::First } else { turn(&device.name) };
                self.schedule.add(&steps, turn, |module| needs(resolver, module));
            }
        }
        if self.seen.insert(device.clone()) {
            self.devices.push(device);
        }
    }

    /// The loop.
    fn attend(&mut self, steps: &Sender<(Node, Step)>, news: &Receiver<News>, announced: bool) {
        let mut progress = Progress::new();
        loop {
            let arrived = !self.targets.is_empty() && self.missing().next().is_none();
            let over = self.start.elapsed() >= self.limits.within;
            if (arrived || over) && self.schedule.running().next().is_none() {
                break;
            }
            while !arrived && !over && self.schedule.running().count() < self.limits.jobs {
                let Some(next) = self.schedule.next() else { break };
                if steps.send(next).is_err() {
                    break;
                }
            }
            let calm = self.schedule.is_idle() && self.news.elapsed() >= self.limits.calm;
            if calm && !announced {
                self.walk();
            }
            if calm && self.targets.is_empty() && self.news.elapsed() >= self.limits.calm {
                break;
            }
            progress.show(|| self.progress());
            match news.recv_timeout(TICK) {
                Ok(news) => self.take_in(news),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        progress.end();
    }

    fn take_in(&mut self, news: News) {
        match news {
            News::Finished(finished) => {
                let now = Instant::now();
                (self.news, self.last_load) = (now, Some(now));
                let at = finished.began.duration_since(self.start);
                self.timings.push((finished.node, Timing { at, took: finished.took }));
                self.schedule.done(finished.node, finished.done);
            }
            News::Followed(Followed::Request(device)) => self.device(device, true),
            News::Followed(Followed::Other(_)) => self.news = Instant::now(),
            News::Followed(Followed::Overrun) => self.overruns += 1,
        }
    }

    /// What is waited for and not there.
    fn missing(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| !target.is_there(&self.paths, &self.devices))
    }

    fn progress(&self) -> String {
        let loading: Vec<&str> = self.schedule.running().take(3).collect();
        let missing: Vec<String> = self.missing().take(2).map(ToString::to_string).collect();
        let waits = if missing.is_empty() { String::new() } else { format!(", waiting for {}", missing.join(", ")) };
        let loading = if loading.is_empty() { String::new() } else { format!(", loading {}", loading.join(" ")) };
        format!("{:5.1} s: {} drivers{loading}{waits}", self.start.elapsed().as_secs_f64(), self.timings.len())
    }

    /// What has come of all.
    pub(super) fn report(&self, release: &str, dry: bool) -> Report {
        let missing = self.missing().map(ToString::to_string).collect();
        let mut report = Report::new(&self.requests, &self.schedule, &self.timings, release, self.start);
        report.dry_run = dry;
        report.devices = self.devices.len();
        report.missing = missing;
        report.problems.clone_from(&self.problems);
        report.overruns = self.overruns;
        report.refused_announcements = self.refused;
        report.last_load = self.last_load.map(|last| super::report::microseconds(last.duration_since(self.start)));
        report
    }
}

/// The modules that a module uses, all of them; nothing for one that is not in the tree.
fn needs(resolver: &Resolver, module: &str) -> Vec<String> {
    let line = resolver.tree().dependencies(module).ok().flatten();
    line.iter().flat_map(|line| &line.dependencies).map(|path| name::from_path(path)).collect()
}

/// Passes on what happens to devices until the end, and answers how many messages were refused.
fn listen(mut follower: Follower, say: &Sender<News>, end: &AtomicBool) -> u64 {
    while !end.load(Ordering::Relaxed) {
        match follower.next(TICK) {
            // Of what asks for nothing, only that more devices come is news.
            Ok(Some(Followed::Other(uevent))) if uevent.action != "add" => {}
            Ok(Some(followed)) => {
                if say.send(News::Followed(followed)).is_err() {
                    break;
                }
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
    follower.refused().0
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kmod::kernel::{Force, Insert, Loaded};

    use super::*;

    /// A kernel that notes what is inserted, takes its time, refuses one module, and has a device appear behind another.
    #[derive(Clone)]
    struct Fake {
        root: std::path::PathBuf,
        inserted: Arc<Mutex<Vec<String>>>,
    }

    impl Kernel for Fake {
        type Error = kmod::Error;

        fn release(&mut self) -> kmod::Result<String> {
            Ok("6".to_owned())
        }

        fn modules(&mut self) -> kmod::Result<Vec<Loaded>> {
            Ok(Vec::new())
        }

        fn insert(&mut self, request: &Insert<'_>) -> kmod::Result<Vec<String>> {
            let module = name::from_file(request.path);
            std::thread::sleep(Duration::from_millis(20));
            if module == "bad" {
                return Err(kmod::Error::Refused { module, errno: 19 });
            }
            if module == "controller" {
                device(&self.root, "pci0/host/disk", "scsi:disk");
            }
            self.inserted.lock().unwrap().push(module);
            Ok(Vec::new())
        }

        fn delete(&mut self, _name: &str, _force: Force) -> kmod::Result<()> {
            Ok(())
        }

        fn errno(error: &kmod::Error) -> Option<uapi::Errno> {
            uapi::Errno::from_number(error.errno())
        }

        fn number(error: &kmod::Error) -> Option<i32> {
            Some(error.errno())
        }
    }

    fn device(root: &Path, path: &str, modalias: &str) {
        let folder = root.join("sys/devices").join(path);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("uevent"), format!("MODALIAS={modalias}\n")).unwrap();
    }

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("lib/modules/6");
        std::fs::create_dir_all(&tree).unwrap();
        for folder in ["etc/kerneld", "run"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(tree.join("modules.dep"), "bus.ko:\ncontroller.ko: bus.ko\ndisk.ko: bus.ko\nbad.ko:\nstick.ko:\n").unwrap();
        let aliases = "alias pci:c* controller\nalias scsi:d* disk\nalias pci:b* bad\nalias usb:* stick\n";
        std::fs::write(tree.join("modules.alias"), aliases).unwrap();
        device(root.path(), "pci0", "pci:c1");
        device(root.path(), "pci1", "pci:c2");
        device(root.path(), "pci2", "pci:b");
        device(root.path(), "pci3", "pci:nothing");
        device(root.path(), "usb", "usb:stick");
        std::fs::write(root.path().join("sys/devices/usb/removable"), "removable\n").unwrap();
        root
    }

    fn run(root: &Path, targets: &[&str]) -> (serde_json::Value, Vec<String>) {
        let paths = Paths::under(root);
        let resolver = Resolver::open(&paths, "6").unwrap();
        let last = LastPolicy::read(&paths);
        let limits = Limits { within: Duration::from_secs(5), calm: Duration::from_millis(200), jobs: 4 };
        let mut run = Run::new(&paths, resolver, last, limits, targets.iter().map(|target| target.parse().unwrap()).collect());
        let inserted = Arc::new(Mutex::new(Vec::new()));
        let kernel = Fake { root: root.to_owned(), inserted: Arc::clone(&inserted) };
        // The kernel that these tests run on announces nothing about this machine.
        run.load_with(kernel, None);
        let report = run.report("6", false);
        report.keep(&paths).unwrap();
        let inserted = inserted.lock().unwrap().clone();
        (serde_json::to_value(report).unwrap(), inserted)
    }

    #[test]
    fn devices_behind_drivers_get_theirs_and_the_policy_counts() {
        let root = machine();
        let policy = "mode = \"enforce\"\n[[rule]]\nname = \"sticks\"\nrequester = \"removable\"\nverdict = \"deny\"\n";
        std::fs::write(root.path().join("etc/kerneld/policy.toml"), policy).unwrap();
        let (report, inserted) = run(root.path(), &[]);
        assert_eq!(inserted, ["bus", "controller", "disk"], "{report:#}");
        let outcome = |name: &str| {
            let requests = report["requests"].as_array().unwrap();
            requests.iter().find(|request| request["request"] == name).map(|request| request["result"].clone())
        };
        assert_eq!(outcome("pci:c1").unwrap(), "loaded");
        assert_eq!(outcome("pci:c2").unwrap(), "present");
        assert_eq!(outcome("scsi:disk").unwrap(), "loaded");
        assert_eq!(outcome("pci:b").unwrap(), "failed");
        assert_eq!(outcome("usb:stick").unwrap(), "denied");
        assert_eq!(outcome("pci:nothing"), None);
        // The daemon finds them in the spool.
        let spool = std::fs::read_to_string(root.path().join("run/kerneld/helper.jsonl")).unwrap();
        let records: Vec<demand::Record> = spool.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 5);
        assert!(records.iter().all(|record| record.requesters[0].kind == demand::Kind::Device), "{spool}");
    }

    #[test]
    fn waiting_ends_when_the_thing_is_there_or_the_time_is_over() {
        let root = machine();
        std::fs::create_dir_all(root.path().join("sys/devices/pci0/driver")).unwrap();
        let start = Instant::now();
        let (report, inserted) = run(root.path(), &["pci:c1", "/sys/devices/pci0/host/disk/uevent"]);
        assert!(start.elapsed() < Duration::from_secs(4) && report["missing"].as_array().unwrap().is_empty(), "{report:#}");
        assert!(inserted.contains(&"controller".to_owned()));
        let (report, _) = run(root.path(), &["/dev/nosuch"]);
        assert_eq!(report["missing"], serde_json::json!(["/dev/nosuch"]));
        assert!(report["time"].as_u64().unwrap() >= 5_000_000);
    }
}
