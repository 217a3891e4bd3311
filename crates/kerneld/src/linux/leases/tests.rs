//! Leases over a kernel that is a list, in a system that is a folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use demand::policy::{Glob, LeaseMode, Leases as Settings};
use demand::{Attribution, Class, DecidedBy, Decision, Kind, Mode, Origin, Outcome, Paths, PlanStep, Record, RequestName, Requester};
use demand::{RuleRef, Verdict, stamp};
use kmod::kernel::{Force, Insert, Kernel, Loaded};
use uapi::Errno;

use super::*;

const PERIOD: Duration = Duration::from_millis(60);

/// Name, count, holders.
type Module = (String, u64, Vec<String>);

/// A system that is a folder, and its kernel.
#[derive(Clone)]
struct World {
    root: Arc<tempfile::TempDir>,
    modules: Arc<Mutex<Vec<Module>>>,
    refuses: bool,
}

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Kernel for World {
    type Error = Refused;

    fn release(&mut self) -> Result<String, Refused> {
        Ok("6.1".to_owned())
    }

    fn modules(&mut self) -> Result<Vec<Loaded>, Refused> {
        let modules = self.modules.lock().unwrap();
        let loaded = |(name, count, holders): &Module| Loaded {
            name: name.clone(),
            size: 1,
            refcnt: Some(*count),
            holders: holders.clone(),
            state: "Live".to_owned(),
            flags: String::new(),
        };
        Ok(modules.iter().map(loaded).collect())
    }

    fn insert(&mut self, _request: &Insert<'_>) -> Result<Vec<String>, Refused> {
        Err(Refused)
    }

    fn delete(&mut self, name: &str, _force: Force) -> Result<(), Refused> {
        let mut modules = self.modules.lock().unwrap();
        let free = modules.iter().any(|(module, count, _)| module == name && *count == 0);
        if self.refuses || !free {
            return Err(Refused);
        }
        modules.retain(|(module, ..)| module != name);
        for (_, count, holders) in modules.iter_mut() {
            let before = holders.len();
            holders.retain(|holder| holder != name);
            *count -= u64::try_from(before - holders.len()).unwrap();
        }
        drop(modules);
        self.show();
        Ok(())
    }

    fn errno(_: &Refused) -> Option<Errno> {
        None
    }
}

impl World {
    /// A system whose tree has `vfat` and `fat`, compiled here.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("lib/modules/6.1");
        fs::create_dir_all(&tree).unwrap();
        let source = tree.join("vfat.c");
        let text = "static const char alias[] __attribute__((section(\".modinfo\"), used)) = \"alias=fs-vfat\";\n\
                    extern int register_filesystem(void);\nint init_module(void) { return register_filesystem(); }\n";
        fs::write(&source, text).unwrap();
        for module in ["vfat", "fat"] {
            let done = Command::new("gcc").args(["-c", "-o"]).arg(tree.join(format!("{module}.ko"))).arg(&source).status();
            assert!(done.unwrap().success());
        }
        fs::write(tree.join("modules.dep"), "vfat.ko: fat.ko\nfat.ko:\n").unwrap();
        let thread = root.path().join("proc/1/task/1");
        fs::create_dir_all(thread.join("ns")).unwrap();
        std::os::unix::fs::symlink("mnt:[4026531841]", thread.join("ns/mnt")).unwrap();
        let world = Self { root: Arc::new(root), modules: Arc::default(), refuses: false };
        world.mounts("proc");
        world.show();
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn paths(&self) -> Paths {
        Paths::under(self.root.path())
    }

    /// One file system of this kind is mounted.
    fn mounts(&self, kind: &str) {
        fs::write(self.path("proc/1/task/1/mountinfo"), format!("1 0 7:0 / /mnt rw - {kind} none rw\n")).unwrap();
    }

    /// Writes what the kernel shows.
    fn show(&self) {
        let modules = self.modules.lock().unwrap();
        let mut text = String::new();
        for (name, count, holders) in modules.iter() {
            let holders = if holders.is_empty() { "-".to_owned() } else { format!("{},", holders.join(",")) };
            text.push_str(&format!("{name} 1 {count} {holders} Live 0x0\n"));
            fs::create_dir_all(self.path(&format!("sys/module/{name}/holders"))).unwrap();
            fs::write(self.path(&format!("sys/module/{name}/taint")), "\n").unwrap();
        }
        fs::create_dir_all(self.path("sys/module")).unwrap();
        for entry in fs::read_dir(self.path("sys/module")).unwrap().map(Result::unwrap) {
            if !modules.iter().any(|(name, ..)| entry.file_name() == name.as_str()) {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        fs::write(self.path("proc/modules"), text).unwrap();
    }

    fn count(&self, module: &str, count: u64) {
        self.modules.lock().unwrap().iter_mut().filter(|(name, ..)| name == module).for_each(|entry| entry.1 = count);
        self.show();
    }

    fn names(&self) -> Vec<String> {
        self.modules.lock().unwrap().iter().map(|(name, ..)| name.clone()).collect()
    }

    /// Loads vfat with fat on demand, and answers the record.
    fn demand(&self, request: &str, kind: Kind) -> Record {
        *self.modules.lock().unwrap() = vec![("vfat".to_owned(), 0, Vec::new()), ("fat".to_owned(), 1, vec!["vfat".to_owned()])];
        self.show();
        let step = |module: &str, why: &str| PlanStep { module: module.to_owned(), why: why.to_owned(), loaded: true };
        Record {
            time: stamp::now(),
            boot: "b".to_owned(),
            release: "6.1".to_owned(),
            sequence: 1,
            request: RequestName::new(request.as_bytes(), Origin::Helper).unwrap(),
            class: Class::of(request),
            requesters: vec![Requester::bare(kind, Attribution::Trace)],
            decision: Decision {
                verdict: Verdict::Allow,
                rule: RuleRef { name: "default".to_owned(), place: None },
                mode: Mode::Audit,
                module: None,
                left_out: Vec::new(),
                reason: None,
            },
            plan: vec![step("fat", "`vfat` needs it"), step("vfat", "asked for as `fs-vfat`")],
            outcome: Outcome::Loaded,
            duration: 1,
            by: DecidedBy::Daemon,
            repeated: 1,
        }
    }

    fn keeper(&self, change: impl FnOnce(&mut Settings)) -> Keeper {
        let mut settings =
            Settings { mode: LeaseMode::Unload, period: PERIOD, classes: vec![Class::Fs], pin_after: 1000, ..Settings::default() };
        settings.pin_within = Duration::from_micros(1);
        change(&mut settings);
        Keeper::new(&self.paths(), &stamp::Stamp { boot: "b".to_owned(), release: "6.1".to_owned() }, settings)
    }

    /// Ticks for so long, and answers what happened.
    fn live(&self, keeper: &Keeper, time: Duration) -> Vec<Event> {
        let until = Instant::now() + time;
        let mut events = Vec::new();
        while Instant::now() < until {
            events.extend(keeper.tick(&mut self.clone()));
            std::thread::sleep(Duration::from_millis(5));
        }
        events.retain(|event| !matches!(event, Event::NoTracing { .. }));
        events
    }
}

fn removed(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| if let Event::Removed { module, .. } = event { Some(module.as_str()) } else { None }).collect()
}

#[test]
fn an_idle_module_goes_after_its_period_and_what_came_with_it_right_behind() {
    let world = World::new();
    let keeper = world.keeper(|_| {});
    keeper.note(&world.demand("fs-vfat", Kind::User));
    assert_eq!(world.live(&keeper, PERIOD / 3), []);
    let events = world.live(&keeper, PERIOD * 4);
    assert_eq!(removed(&events), ["vfat", "fat"], "{events:?}");
    assert!(matches!(&events[0], Event::Removed { request, idle, .. } if request == "fs-vfat" && *idle >= PERIOD), "{events:?}");
    assert!(world.names().is_empty());
}

#[test]
fn use_mounts_and_demands_put_the_end_off() {
    let world = World::new();
    let keeper = world.keeper(|_| {});
    keeper.note(&world.demand("fs-vfat", Kind::User));
    // A use that is over before the period is.
    world.live(&keeper, PERIOD / 2);
    world.count("vfat", 1);
    world.live(&keeper, PERIOD / 4);
    world.count("vfat", 0);
    assert_eq!(world.live(&keeper, PERIOD / 2), []);
    // A mount without a reference.
    world.mounts("vfat");
    assert_eq!(world.live(&keeper, PERIOD * 2), []);
    world.mounts("proc");
    // Somebody who was told that it is there.
    drop(keeper.demand(["vfat", "fat"]));
    assert_eq!(world.live(&keeper, PERIOD / 2), []);
    let demand = keeper.demand(["vfat", "fat"]);
    assert_eq!(world.live(&keeper, PERIOD * 2), []);
    drop(demand);
    assert_eq!(removed(&world.live(&keeper, PERIOD * 4)), ["vfat", "fat"]);
}

#[test]
fn modes_classes_names_devices_and_kept_modules() {
    type Change = fn(&mut Settings);
    let cases: [(Change, &str, Kind); 6] = [
        (|settings| settings.mode = LeaseMode::Off, "fs-vfat", Kind::User),
        (|settings| settings.mode = LeaseMode::Report, "fs-vfat", Kind::User),
        (|settings| settings.classes = vec![Class::NetPf], "fs-vfat", Kind::User),
        (|settings| settings.keep = vec![Glob::exactly("vfat")], "fs-vfat", Kind::User),
        (|settings| settings.classes = vec![Class::Name], "vfat", Kind::Root),
        (|_| {}, "fs-vfat", Kind::Device),
    ];
    for (change, request, kind) in cases {
        let world = World::new();
        let keeper = world.keeper(change);
        keeper.note(&world.demand(request, kind));
        let events = world.live(&keeper, PERIOD * 3);
        assert_eq!(world.names(), ["vfat", "fat"], "{request} {kind:?}: {events:?}");
        let told = events.iter().filter(|event| **event == Event::WouldRemove { module: "vfat".to_owned() }).count();
        assert_eq!(told, usize::from(keeper.rest().is_some() && events.len() == 1), "{events:?}");
    }
}

#[test]
fn what_the_daemon_did_not_load_stays() {
    let world = World::new();
    let keeper = world.keeper(|_| {});
    let record = world.demand("fs-vfat", Kind::User);
    // Loaded by hand: no record of a load.
    keeper.note(&Record { plan: record.plan.iter().map(|step| PlanStep { loaded: false, ..step.clone() }).collect(), ..record.clone() });
    keeper.note(&Record { boot: "another".to_owned(), ..record.clone() });
    assert_eq!(world.live(&keeper, PERIOD * 3), []);
    // Loaded on demand, removed and loaded again by hand: another life.
    keeper.note(&record);
    let modules = std::mem::take(&mut *world.modules.lock().unwrap());
    world.show();
    fs::create_dir_all(world.path("sys/module/another")).unwrap();
    *world.modules.lock().unwrap() = modules;
    world.show();
    assert_eq!(world.live(&keeper, PERIOD * 3), []);
    assert_eq!(world.names(), ["vfat", "fat"]);
}

#[test]
fn a_module_that_comes_back_waits_longer_and_then_stays() {
    let world = World::new();
    let keeper = world.keeper(|settings| {
        settings.pin_after = 2;
        settings.pin_within = Duration::from_secs(3600);
    });
    for (comeback, wait) in [(0, PERIOD), (1, PERIOD * 2)] {
        keeper.note(&world.demand("fs-vfat", Kind::User));
        assert_eq!(world.live(&keeper, wait * 3 / 4), [], "comeback {comeback}");
        assert_eq!(removed(&world.live(&keeper, wait * 4)), ["vfat", "fat"], "comeback {comeback}");
    }
    keeper.note(&world.demand("fs-vfat", Kind::User));
    assert_eq!(world.live(&keeper, PERIOD * 12), []);
    let settings = Settings { pin_after: 2, classes: vec![Class::Fs], ..Settings::default() };
    let stamp = stamp::Stamp { boot: "b".to_owned(), release: "6.1".to_owned() };
    let entries = report(&world.paths(), &stamp, &settings, Some(&["vfat".to_owned()]));
    let vetoes: Vec<String> = entries[0].vetoes().map(|finding| format!("{:?} {}", finding.row, finding.text())).collect();
    assert_eq!(vetoes, ["Comeback it came back 2 times within 1h"]);
    assert_eq!((entries[0].fate, entries[0].period), (Fate::Kept, 4 * settings.period.as_secs()), "two comebacks, two doublings");
}

#[test]
fn the_next_daemon_of_the_boot_goes_on_and_that_of_another_does_not() {
    let world = World::new();
    world.keeper(|_| {}).note(&world.demand("fs-vfat", Kind::User));
    let other = stamp::Stamp { boot: "c".to_owned(), release: "6.1".to_owned() };
    assert!(Ledger::load(&world.paths(), &other.boot).leases.is_empty());
    let next = world.keeper(|_| {});
    assert_eq!(removed(&world.live(&next, PERIOD * 5)), ["vfat", "fat"]);
    // A damaged file is as none.
    fs::write(world.path("run/kerneld/leases.json"), "{").unwrap();
    assert!(Ledger::load(&world.paths(), "b").leases.is_empty());
}

#[test]
fn a_refusal_is_told_and_tried_again_after_a_period() {
    let mut world = World::new();
    world.refuses = true;
    let keeper = world.keeper(|_| {});
    keeper.note(&world.demand("fs-vfat", Kind::User));
    let events = world.live(&keeper, PERIOD * 5 / 2);
    let refused = Event::Refused { module: "vfat".to_owned(), error: "refused".to_owned() };
    assert!((1..=3).contains(&events.len()) && events.iter().all(|event| *event == refused), "{events:?}");
    world.refuses = false;
    assert_eq!(removed(&world.live(&keeper, PERIOD * 4)), ["vfat", "fat"]);
}
