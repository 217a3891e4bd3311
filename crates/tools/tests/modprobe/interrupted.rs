//! depmod that is killed, or finds the disk full, at each of its calls that change anything: the old set or the new one, whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::hosted::stacked;
use crate::world::{Outcome, RELEASE, World};

type Set = BTreeMap<String, Vec<u8>>;

/// The record of a set that is being put into place.
const RECORD: &str = ".depmod-pending";

/// A tree of which there are two sets of index files: without and with a module that brings something into every one of them.
struct Bench {
    world: World,
    shim: PathBuf,
    module: PathBuf,
    sets: [Set; 2],
    views: [String; 2],
}

/// How a run is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Kill,
    FullDisk,
    /// The signal of a service manager.
    Terminate,
}

/// What the file system offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    /// Files without a name.
    Unnamed,
    /// Only files with one.
    Named,
}

impl Bench {
    fn new() -> Self {
        let world = stacked();
        let shim = world.path("interrupt.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modprobe/interrupt.c");
        let mut compiler = Command::new("gcc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source);
        assert!(compiler.status().expect("gcc runs").success());
        let more = "MODINFO(\"alias=fs-more\");\nMODINFO(\"alias=devname:more\");\nMODINFO(\"alias=char-major-10-240\");\n\
             MODINFO(\"softdep=pre: third\");\nMODINFO(\"weakdep=lower\");\nEXPORT(more_answer);\nlong more_answer(void) { return 1; }\n\
             int init_module(void) { return 0; }\nvoid cleanup_module(void) {}\n";
        let module = world.compile("more", more);
        let mut bench = Self { world, shim, module, sets: Default::default(), views: Default::default() };
        for which in 0..2 {
            bench.want(which);
            bench.depmod().warns();
            bench.sets[which] = bench.files();
            bench.views[which] = bench.view();
        }
        let changed = bench.sets[0].iter().filter(|(name, contents)| bench.sets[1].get(*name) != Some(contents)).count();
        assert!(changed >= 8 && bench.sets[0].len() + 1 == bench.sets[1].len(), "the sets differ in nearly every file");
        assert_ne!(bench.views[0], bench.views[1]);
        bench
    }

    fn tree(&self) -> PathBuf {
        self.world.path(&format!("lib/modules/{RELEASE}"))
    }

    /// Brings the modules into the state that a set is made from.
    fn want(&self, which: usize) {
        let place = self.tree().join("fs/more.o");
        if which == 1 {
            fs::copy(&self.module, place).unwrap();
        } else if place.exists() {
            fs::remove_file(place).unwrap();
        }
    }

    /// Puts a set there as it is after a run that nothing disturbed.
    fn restore(&self, which: usize) {
        for name in self.files().keys() {
            fs::remove_file(self.tree().join(name)).unwrap();
        }
        for (name, contents) in &self.sets[which] {
            fs::write(self.tree().join(name), contents).unwrap();
        }
    }

    fn files(&self) -> Set {
        let files = fs::read_dir(self.tree()).unwrap().flatten().filter(|e| e.path().is_file());
        files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
    }

    fn depmod(&self) -> Outcome {
        self.world.run(&format!("depmod -b . {RELEASE}"))
    }

    /// What modprobe makes of the index files: all of them but `modules.devname` and `modules.weakdep`'s place in a plan.
    fn view(&self) -> String {
        fs::write(self.world.path("empty.conf"), "").unwrap();
        let run = |line: &str| self.world.run(&format!("modprobe -d . -S {RELEASE} -C empty.conf {line}"));
        let (all, plan, nodes) = (run("-c").ok(), run("-D fs-more"), self.world.run("static-nodes -f devname"));
        format!("{all}{:?}{}{}", plan.status, plan.stdout, nodes.stdout)
    }

    /// Runs depmod and strikes at its call with a number; whether it got that far.
    fn strike(&self, blow: Blow, files: Files, at: usize) -> Struck {
        let how = match blow {
            Blow::Kill => "kill",
            Blow::FullDisk => "full",
            Blow::Terminate => "terminate",
        };
        let mut command = self.world.command("depmod");
        command.args(["-b", ".", RELEASE]).env("LD_PRELOAD", &self.shim).env("INTERRUPT_HOW", how).env("INTERRUPT_AT", at.to_string());
        if files == Files::Named {
            command.env("INTERRUPT_NAMED", "1");
        }
        let done = command.stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        match (done.signal(), done.code()) {
            (Some(_), _) => Struck::Killed,
            (None, Some(0)) => Struck::Not,
            _ => Struck::Failed,
        }
    }

    /// Which of the sets is there, if it is one.
    fn is_set(&self, files: &Set) -> Option<usize> {
        self.sets.iter().position(|set| set == files)
    }

    /// What holds whenever a run has ended early, whoever looks.
    fn examine(&self, files: Files, context: &str) {
        let there = self.files();
        for (name, contents) in &there {
            let whole = self.sets.iter().any(|set| set.get(name) == Some(contents));
            let beside = name.starts_with(".depmod-") && (there.contains_key(RECORD) || files == Files::Named);
            assert!(whole || beside, "{context}: {name} is damaged, or left behind without a record");
        }
        if !there.contains_key(RECORD) {
            let mut named = there;
            named.retain(|name, _| !name.starts_with(".depmod-"));
            assert!(self.is_set(&named).is_some(), "{context}: without a record the set is not mixed");
        }
        let view = self.view();
        assert!(self.views.contains(&view), "{context}: modprobe sees a mixed set\n{view}");
        if self.files().contains_key(RECORD) {
            let told = self.world.run(&format!("depmod --check -b . {RELEASE}")).fails();
            assert!(told.contains(".depmod-pending tells of a run that was interrupted"), "{context}: {told}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Struck {
    Killed,
    Failed,
    Not,
}

/// Strikes at every call in turn, on the way from either set to the other.
fn at_every_call(blow: Blow, files: Files) -> Vec<Struck> {
    let bench = Bench::new();
    let mut all: Vec<Struck> = Vec::new();
    for (from, to) in [(0, 1), (1, 0)] {
        bench.want(to);
        let mut harmless = 0;
        for at in 1.. {
            let context = format!("{blow:?}, {files:?}, from set {from}, call {at}");
            bench.restore(from);
            let struck = bench.strike(blow, files, at);
            all.push(struck);
            if struck == Struck::Not {
                assert_eq!(bench.is_set(&bench.files()), Some(to), "{context}");
                // One call may fail without harm (a file without a name), but not two in a row: there are no more.
                harmless += 1;
                if harmless == 2 {
                    assert!(at > 20, "there are more calls than that");
                    break;
                }
                continue;
            }
            harmless = 0;
            bench.examine(files, &context);
            if blow == Blow::Terminate {
                assert!(bench.is_set(&bench.files()).is_some(), "{context}: a signal waits while files take their places");
            }
            if struck == Struck::Failed && !bench.files().contains_key(RECORD) {
                assert!(bench.is_set(&bench.files()).is_some(), "{context}: an error leaves nothing behind");
            }
            // The next run mends: first what it finds, even where its own work fails; then all.
            bench.strike(Blow::FullDisk, Files::Unnamed, 1_000_000);
            assert_eq!(bench.is_set(&bench.files()), Some(to), "{context}: the next run leaves the new set and nothing else");
        }
    }
    all
}

#[test]
fn killed_at_every_call() {
    let struck = at_every_call(Blow::Kill, Files::Unnamed);
    assert!(struck.iter().filter(|s| **s == Struck::Killed).count() > 40, "{struck:?}");
}

#[test]
fn killed_at_every_call_without_unnamed_files() {
    let struck = at_every_call(Blow::Kill, Files::Named);
    assert!(struck.iter().filter(|s| **s == Struck::Killed).count() > 40, "{struck:?}");
}

#[test]
fn the_disk_is_full_at_every_call() {
    let struck = at_every_call(Blow::FullDisk, Files::Unnamed);
    assert!(struck.iter().filter(|s| **s == Struck::Failed).count() > 40, "{struck:?}");
}

#[test]
fn the_disk_is_full_at_every_call_without_unnamed_files() {
    let struck = at_every_call(Blow::FullDisk, Files::Named);
    assert!(struck.iter().filter(|s| **s == Struck::Failed).count() > 40, "{struck:?}");
}

#[test]
fn a_signal_ends_it_before_or_after_the_renames_but_not_between() {
    let struck = at_every_call(Blow::Terminate, Files::Unnamed);
    assert!(struck.contains(&Struck::Killed), "{struck:?}");
}

/// What a killed run decided is finished even by a run that cannot write, and a set that somebody else wrote meanwhile stays.
#[test]
fn the_record_of_a_killed_run_is_not_believed_against_the_files() {
    let bench = Bench::new();
    bench.want(1);
    let decided = (1..).find(|&at| {
        bench.restore(0);
        bench.strike(Blow::Kill, Files::Unnamed, at);
        let files = bench.files();
        // All names are given and no file has taken its place.
        files.contains_key(RECORD) && bench.view() == bench.views[1] && files["modules.dep"] == bench.sets[0]["modules.dep"]
    });
    assert!(decided.is_some());
    // Another depmod, which knows of no record, replaces a file.
    fs::write(bench.tree().join("other"), &bench.sets[0]["modules.alias"]).unwrap();
    fs::rename(bench.tree().join("other"), bench.tree().join("modules.alias")).unwrap();
    assert_eq!(bench.view(), bench.views[0], "the record is not about these files");
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 0; exec -a depmod \"$0\" -b . \"$1\"", env!("CARGO_BIN_EXE_modutils"), RELEASE]);
    Outcome::of(limited.current_dir(bench.world.dir.path()).env_remove("MODUTILS_KERNEL")).fails();
    assert_eq!(bench.is_set(&bench.files()), Some(0), "nothing of the killed run is left");
}
