//! depmod: what it writes, and what it leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hosted::stacked;
use crate::world::{Outcome, RELEASE, World};

/// All files of the tree's own directory, with their contents.
fn snapshot(tree: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(tree).unwrap().flatten().filter(|e| e.path().is_file());
    files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

fn tree(world: &World) -> PathBuf {
    world.path(&format!("lib/modules/{RELEASE}"))
}

#[test]
fn an_empty_tree_gets_its_files() {
    let world = World::new();
    fs::create_dir_all(tree(&world)).unwrap();
    world.run(&format!("depmod -b . {RELEASE}")).warns();
    assert_eq!(fs::read(tree(&world).join("modules.dep")).unwrap(), b"");
    assert!(!tree(&world).join("modules.devname").exists(), "there are no nodes to tell of");
    let missing = world.run("depmod -b . 9.9.9").fails();
    assert!(missing.starts_with("depmod: FATAL: "), "{missing}");
}

#[test]
fn show_prints_the_text_files_and_writes_nothing() {
    let world = stacked();
    let before = snapshot(&tree(&world));
    let shown = world.run(&format!("depmod -n -b . {RELEASE}")).stdout;
    let written: Vec<u8> =
        ["dep", "alias", "softdep", "weakdep", "symbols"].iter().flat_map(|n| before[&format!("modules.{n}")].clone()).collect();
    assert_eq!(shown.as_bytes(), written);
    assert_eq!(snapshot(&tree(&world)), before);
}

/// The index files as a run makes them that knows nothing of those before.
fn after_a_full_run(world: &World) -> BTreeMap<String, Vec<u8>> {
    fs::remove_file(tree(world).join("modules.scan")).unwrap();
    world.run(&format!("depmod -b . {RELEASE}")).warns();
    snapshot(&tree(world))
}

#[test]
fn an_incremental_run_gives_the_same_bytes() {
    let world = stacked();
    let full = snapshot(&tree(&world));
    let read = |world: &World| {
        let report = world.run(&format!("depmod --incremental --json -b . {RELEASE}")).stdout;
        serde_json::from_str::<serde_json::Value>(&report).unwrap()["read"].as_u64().unwrap()
    };
    assert_eq!(read(&world), 4, "nothing is known at first");
    assert_eq!(read(&world), 0, "nothing has changed");
    // One module is replaced, one goes, one comes.
    let fs_dir = tree(&world).join("fs");
    let changed = world.compile("lower", "long lower_answer(void) { return 1; }\nlong second(void) { return 2; }\n");
    fs::copy(&changed, fs_dir.join("lower.o")).unwrap();
    fs::remove_file(fs_dir.join("third.o")).unwrap();
    fs::copy(&changed, fs_dir.join("fourth.o")).unwrap();
    assert_eq!(read(&world), 2);
    let mut incremental = snapshot(&tree(&world));
    assert!(incremental.remove("modules.scan").is_some());
    assert_ne!(incremental, full);
    // A damaged file of the last run is not believed.
    let mut scan = fs::read(tree(&world).join("modules.scan")).unwrap();
    scan[40] ^= 1;
    fs::write(tree(&world).join("modules.scan"), scan).unwrap();
    assert_eq!(read(&world), 4);
    assert_eq!(after_a_full_run(&world), incremental);
}

/// It may be readable the next time, with the same size and time: nobody would be told again that it is missing from the indexes.
#[test]
fn an_incremental_run_reads_again_what_it_could_not_read() {
    let world = stacked();
    let good = fs::read(tree(&world).join("fs/third.o")).unwrap();
    let again = tree(&world).join("fs/again.o");
    fs::write(&again, vec![b'x'; good.len()]).unwrap();
    let time = fs::metadata(&again).unwrap().modified().unwrap();
    let run = || world.run(&format!("depmod --incremental -b . {RELEASE}"));
    for _ in 0..2 {
        let told = run();
        assert!(told.status == Some(0) && told.stderr.contains("fs/again.o: "), "{told:?}");
    }
    fs::write(&again, &good).unwrap();
    fs::File::options().append(true).open(&again).unwrap().set_modified(time).unwrap();
    assert!(!run().stderr.contains("fs/again.o: "));
    let mut incremental = snapshot(&tree(&world));
    incremental.remove("modules.scan");
    assert_eq!(after_a_full_run(&world), incremental);
}

/// One that had read the tree before would take the other's modules out of the indexes again.
#[test]
fn a_run_that_waits_for_another_sees_what_came_meanwhile() {
    let world = stacked();
    let other = fs::File::open(tree(&world)).unwrap();
    other.lock().unwrap();
    let mut waiting = world.command("depmod").args(["-b", ".", RELEASE]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    fs::copy(tree(&world).join("fs/third.o"), tree(&world).join("fs/late.o")).unwrap();
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    drop(other);
    assert!(waiting.wait().unwrap().success());
    assert!(fs::read_to_string(tree(&world).join("modules.dep")).unwrap().contains("fs/late.o:\n"));
}

/// A pipe that nobody writes to is nothing to wait for.
#[test]
fn a_pipe_in_the_place_of_an_index_is_replaced() {
    let world = stacked();
    let (index, wanted) = (tree(&world).join("modules.dep"), snapshot(&tree(&world)));
    fs::remove_file(&index).unwrap();
    assert!(Command::new("mkfifo").arg(&index).status().unwrap().success());
    world.run(&format!("depmod -b . {RELEASE}")).warns();
    assert_eq!(snapshot(&tree(&world)), wanted);
}

#[test]
fn check_tells_what_is_not_current() {
    let world = stacked();
    let check = |world: &World| world.run(&format!("depmod --check -b . {RELEASE}"));
    check(&world).ok();
    fs::remove_file(tree(&world).join("modules.alias.bin")).unwrap();
    let mut dep = fs::read(tree(&world).join("modules.dep")).unwrap();
    dep.pop();
    fs::write(tree(&world).join("modules.dep"), dep).unwrap();
    let findings = check(&world).fails();
    assert!(
        findings.contains("modules.dep is damaged or not current\n") && findings.contains("modules.alias.bin is missing\n"),
        "{findings}"
    );
    assert_eq!(findings.lines().count(), 2);
}

#[test]
fn quick_sees_what_came_and_what_went() {
    let world = stacked();
    let quick = |world: &World| world.run(&format!("depmod -A -b . {RELEASE}"));
    assert_eq!(quick(&world).ok(), "", "nothing to do, so no warning either");
    fs::remove_file(tree(&world).join("fs/third.o")).unwrap();
    quick(&world).warns();
    assert!(!String::from_utf8_lossy(&fs::read(tree(&world).join("modules.dep")).unwrap()).contains("third"));
    quick(&world).ok();
}

#[test]
fn a_full_disk_leaves_the_old_files_whole() {
    let world = stacked();
    let before = snapshot(&tree(&world));
    fs::copy(tree(&world).join("fs/third.o"), tree(&world).join("fs/more.o")).unwrap();
    // A limit on the size of files stands for a full disk: the write fails in the middle, and nothing has been renamed.
    let script = "trap '' XFSZ; ulimit -f 0; exec -a depmod \"$0\" -b . \"$1\"";
    let mut limited = Command::new("bash");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_modutils"), RELEASE]).current_dir(world.dir.path());
    limited.env_remove("MODUTILS_KERNEL").env_remove("MODULES_ROOT");
    let complaint = Outcome::of(&mut limited).fails();
    assert!(complaint.contains("FATAL: cannot write `"), "{complaint}");
    assert_eq!(snapshot(&tree(&world)), before, "the old set is as it was, and nothing else is there");
}

#[test]
fn modules_that_need_each_other_are_refused() {
    let world = World::new();
    fs::create_dir_all(tree(&world)).unwrap();
    for (name, other) in [("ring", "rang"), ("rang", "ring")] {
        let source = format!("extern long {other}_f(void);\nlong {name}_f(void) {{ return {other}_f(); }}\n");
        let object = world.compile(name, &source);
        fs::rename(object, tree(&world).join(format!("{name}.o"))).unwrap();
    }
    let complaint = world.run(&format!("depmod -b . {RELEASE}")).fails();
    assert!(complaint.contains("ERROR: Cycle detected: rang -> ring -> rang\n"), "{complaint}");
    assert!(complaint.ends_with("ERROR: Found 2 modules in dependency cycles!\n"), "{complaint}");
    assert!(!tree(&world).join("modules.dep").exists());
}

#[test]
fn of_two_files_the_search_order_decides() {
    let world = stacked();
    let updates = tree(&world).join("updates");
    fs::create_dir_all(&updates).unwrap();
    fs::copy(tree(&world).join("fs/third.o"), updates.join("third.o")).unwrap();
    fs::create_dir_all(tree(&world).join("another")).unwrap();
    fs::copy(tree(&world).join("fs/lower.o"), tree(&world).join("another/lower.o")).unwrap();
    let dep = |world: &World, options: &str| {
        world.run(&format!("depmod {options} -b . {RELEASE}")).warns();
        String::from_utf8(fs::read(tree(world).join("modules.dep")).unwrap()).unwrap()
    };
    let text = dep(&world, "");
    assert!(text.contains("updates/third.o:") && !text.contains("fs/third.o:"), "{text}");
    assert!(text.contains("another/lower.o:") && !text.contains("fs/lower.o:"), "equal rank: the first by path: {text}");
    fs::write(world.path("d.conf"), "search fs updates built-in\n").unwrap();
    let text = dep(&world, "-C d.conf");
    assert!(text.contains("fs/third.o:") && text.contains("fs/lower.o:"), "{text}");
    fs::write(world.path("d.conf"), "override lower * another\nexclude updates\n").unwrap();
    let text = dep(&world, "-C d.conf -w");
    assert!(text.contains("another/lower.o:") && text.contains("fs/third.o:"), "{text}");
}

#[test]
fn a_link_that_leads_nowhere_is_one_warning() {
    let world = stacked();
    std::os::unix::fs::symlink("gone.ko", tree(&world).join("fs/weak.ko")).unwrap();
    let warned = world.run(&format!("depmod -b . {RELEASE}")).warns();
    let lines: Vec<&str> = warned.lines().filter(|l| l.contains("weak.ko")).collect();
    assert_eq!(lines, ["depmod: WARNING: ./lib/modules/2.0.40-test/fs/weak.ko is a link that leads nowhere, ignored"]);
}

/// An index without the modules of a directory that could not be read would be worse than the old one. Root can read everything.
#[test]
fn a_directory_that_cannot_be_read_ends_it() {
    let world = stacked();
    let before = snapshot(&tree(&world));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&world.path("."), 0o755);
    mode(&tree(&world).join("fs"), 0o000);
    let mut depmod = world.command("depmod");
    if fs::read_dir(tree(&world).join("fs")).is_ok() {
        depmod.uid(65534).gid(65534);
    }
    let told = Outcome::of(depmod.args(["-b", ".", RELEASE])).fails();
    mode(&tree(&world).join("fs"), 0o755);
    assert!(told.ends_with("fs`: Permission denied\n") && told.contains("depmod: FATAL: cannot open `"), "{told}");
    assert_eq!(snapshot(&tree(&world)), before);
}

#[test]
fn an_alias_beyond_ascii_stays_in_the_text() {
    let world = stacked();
    let object = world.compile("umlaut", "MODINFO(\"alias=f\u{fc}r-alle\");\nMODINFO(\"alias=for-all\");\n");
    fs::rename(object, tree(&world).join("fs/umlaut.o")).unwrap();
    let warned = world.run(&format!("depmod -b . {RELEASE}")).warns();
    assert!(warned.contains("cannot be stored in a .bin index"), "{warned}");
    let text = fs::read_to_string(tree(&world).join("modules.alias")).unwrap();
    assert!(text.contains("alias f\u{fc}r-alle umlaut\n") && text.contains("alias for-all umlaut\n"), "{text}");
    assert_eq!(world.run("modprobe -R for-all").ok(), "umlaut\n");
}
