//! Plans for configurations that lead far, or in circles.

use std::fs;

use kmod::config::{Config, Sources};
use kmod::kernel::Loaded;
use kmod::lookup::{Match, Via, find};
use kmod::plan::{self, InsertRequest, Plan, RemoveRequest};
use kmod::tree::Tree;

/// Less stack than any walk from softdep to softdep would take that calls itself.
const STACK: usize = 128 * 1024;

/// How far softdeps lead here.
const FAR: usize = 600;

/// What some work on a tree without modules and with this configuration answers, done with little stack.
fn with_little_stack(text: &str, work: fn(&Tree, &Config) -> Plan) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.conf");
    fs::write(&file, text).unwrap();
    let work = move || {
        let tree = Tree::new(folder.path().join("tree"));
        let config = Config::load(&Sources { paths: vec![file], tree: None, cmdline: None }).unwrap();
        work(&tree, &config)
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.module.as_str()).collect()
}

fn insert(tree: &Tree, config: &Config) -> Plan {
    let target = find(tree, config, "x0").unwrap().remove(0);
    plan::insert(tree, config, &target, &InsertRequest::default()).unwrap()
}

fn remove(tree: &Tree, config: &Config) -> Plan {
    let module = |i: usize| Loaded {
        name: format!("m{i}"),
        size: 1,
        refcnt: Some(0),
        holders: Vec::new(),
        state: "Live".to_owned(),
        flags: String::new(),
    };
    let loaded: Vec<Loaded> = (0..FAR).map(module).collect();
    let target = Match { word: "m0".to_owned(), module: "m0".to_owned(), alias: None, via: Via::Name };
    plan::remove(tree, config, &loaded, &target, &RemoveRequest::default()).unwrap()
}

#[test]
fn softdeps_may_lead_as_far_as_there_are_lines() {
    let text: String = (0..FAR).map(|i| format!("alias x{i} m{i}\nsoftdep m{i} pre: x{}\n", i + 1)).collect();
    let inserted = with_little_stack(&text, insert);
    let back: Vec<String> = (0..FAR).rev().map(|i| format!("m{i}")).collect();
    assert_eq!(names(&inserted), back);
    let removed = with_little_stack(&text, remove);
    let there: Vec<String> = (0..FAR).map(|i| format!("m{i}")).collect();
    assert_eq!(names(&removed), there);
}

#[test]
fn softdeps_may_lead_in_circles() {
    let text = "alias x0 m0\nalias x1 m1\nsoftdep m0 pre: x1 post: x1 x0\nsoftdep m1 pre: x0 post: x0\n";
    assert_eq!(names(&with_little_stack(text, insert)), ["m1", "m0"]);
    assert_eq!(names(&with_little_stack(text, remove)), ["m1", "m0"]);
    // A command stands for modules that are not there.
    let commands = format!("{text}remove m* true\n");
    assert_eq!(names(&with_little_stack(&commands, remove)), ["m1", "m0"]);
}

#[test]
fn what_a_forbidden_wish_shares_with_others_is_still_done() {
    let text = "alias x0 m0\nalias bad m1\nalias third m2\nsoftdep m0 pre: bad post: third\nsoftdep m1 pre: third\nforbid m1\n";
    let plan = with_little_stack(text, insert);
    assert_eq!(names(&plan), ["m0", "m2"]);
    assert_eq!(plan.left_out.iter().map(|left| left.module.as_str()).collect::<Vec<_>>(), ["m1"]);
}
