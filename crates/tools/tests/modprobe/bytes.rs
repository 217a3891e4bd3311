//! Names, values and lines that are not UTF-8: to Linux they are bytes, and so they stay.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::hosted::stacked;
use crate::world::{RELEASE, World};

/// Runs a tool with these arguments; all that it answers, in bytes.
fn run(world: &World, tool: &str, words: &[&[u8]]) -> Output {
    world.command(tool).args(words.iter().map(|word| OsStr::from_bytes(word))).output().unwrap()
}

#[track_caller]
fn printed(done: Output) -> Vec<u8> {
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    done.stdout
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A directory below the tree with a name that is no text.
const DIRECTORY: &[u8] = b"gr\xf6\xdfe";

/// A tree in which `lower` lies in such a directory.
fn odd() -> (World, PathBuf) {
    let world = stacked();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    let directory = tree.join(OsStr::from_bytes(DIRECTORY));
    fs::create_dir(&directory).unwrap();
    fs::rename(tree.join("fs/lower.o"), directory.join("lower.o")).unwrap();
    fs::write(tree.join("modules.order"), [DIRECTORY, b"/lower.o\nfs/upper.o\n"].concat()).unwrap();
    world.run(&format!("depmod -b . {RELEASE}")).warns();
    (world, tree)
}

fn read(tree: &Path, file: &str) -> Vec<u8> {
    fs::read(tree.join(file)).unwrap()
}

#[test]
fn a_directory_of_any_bytes_is_listed_and_loaded_from() {
    let (world, tree) = odd();
    let dep = read(&tree, "modules.dep");
    let wanted: Vec<u8> = [DIRECTORY, b"/lower.o:\nfs/upper.o: ", DIRECTORY, b"/lower.o\n"].concat();
    assert!(dep.starts_with(&wanted), "in the order of modules.order: {}", String::from_utf8_lossy(&dep));
    assert!(contains(&read(&tree, "modules.dep.bin"), &[b"fs/upper.o: ", DIRECTORY, b"/lower.o\0"].concat()));
    let plan = printed(run(&world, "modprobe", &[b"-D", b"upper"]));
    assert!(contains(&plan, &[b"/", DIRECTORY, b"/lower.o \n"].concat()), "{}", String::from_utf8_lossy(&plan));
    assert!(contains(&printed(run(&world, "modinfo", &[b"-n", b"lower"])), &[DIRECTORY, b"/lower.o\n"].concat()));
    assert!(contains(&printed(run(&world, "modprobe", &[b"--show-closure", b"upper"])), &[DIRECTORY, b"/lower.o\n"].concat()));
    world.run("modprobe upper").ok();
    assert_eq!(world.loaded(), ["third", "upper", "lower"]);
    // The whole, the quick and the incremental run agree about it.
    world.run(&format!("depmod --check -b . {RELEASE}"));
    let before = read(&tree, "modules.dep.bin");
    world.run(&format!("depmod --incremental -b . {RELEASE}")).warns();
    let again = world.run(&format!("depmod --incremental --json -b . {RELEASE}")).stdout;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["read"], 0, "the scan file knows the name");
    assert_eq!(read(&tree, "modules.dep.bin"), before);
    assert!(printed_by_show(&world).starts_with(&wanted));
}

/// The keys of an index are 7-bit text: such a module is in the text only.
#[test]
fn a_module_of_such_a_name_is_told_of() {
    let world = stacked();
    let fs_dir = world.path(&format!("lib/modules/{RELEASE}/fs"));
    fs::copy(fs_dir.join("third.o"), fs_dir.join(OsStr::from_bytes(b"f\xfcnf.o"))).unwrap();
    let done = run(&world, "depmod", &[b"-b", b".", RELEASE.as_bytes()]);
    assert!(done.status.success() && contains(&done.stderr, "`f\u{fffd}nf` cannot be stored in a .bin index".as_bytes()), "{done:?}");
    assert!(contains(&read(&world.path(&format!("lib/modules/{RELEASE}")), "modules.dep"), b"fs/f\xfcnf.o:\n"));
}

fn printed_by_show(world: &World) -> Vec<u8> {
    let done = run(world, "depmod", &[b"-n", b"-b", b".", RELEASE.as_bytes()]);
    assert!(done.status.success());
    done.stdout
}

#[test]
fn json_stays_valid() {
    let (world, _) = odd();
    fs::write(world.path("etc/modprobe.d/x.conf"), b"options upper name=\xff\nalias x\xfe upper\n").unwrap();
    let lines: [&[&[u8]]; 5] = [&[b"-D", b"upper"], &[b"-c"], &[b"--show-closure", b"upper"], &[b"-R", b"x\xfe"], &[b"--lint"]];
    for words in lines {
        let done = run(&world, "modprobe", &[words, &[b"--json"]].concat());
        let text = String::from_utf8(done.stdout).expect("JSON is text");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"));
        assert!(value.is_array() || value.is_object());
        assert!(text.contains('\u{fffd}'), "{words:?}: {text}");
    }
    let info = String::from_utf8(run(&world, "modinfo", &[b"--json", b"lower"]).stdout).unwrap();
    assert!(serde_json::from_str::<Value>(&info).unwrap()[0]["filename"].as_str().unwrap().contains("gr\u{fffd}\u{fffd}e"));
}

#[test]
fn values_and_aliases_of_the_configuration_keep_their_bytes() {
    let (world, _) = odd();
    let configuration = b"options upper name=\xff\xfe\nalias x\xfe upper\nalias pat?n upper\ninstall third printf '%s' \xe4 > told; exit $(test \"$MODPROBE_MODULE\" = third)\n";
    fs::write(world.path("etc/modprobe.d/x.conf"), configuration).unwrap();
    let shown = printed(run(&world, "modprobe", &[b"-c"]));
    assert!(contains(&shown, b"options upper name=\xff\xfe\n") && contains(&shown, b"alias x\xfe upper\n"));
    for word in [&b"x\xfe"[..], b"pat\xffn"] {
        assert_eq!(printed(run(&world, "modprobe", &[b"-R", word])), b"upper\n");
    }
    let plan = printed(run(&world, "modprobe", &[b"-D", b"x\xfe", b"more=\x80 \x81"]));
    assert!(contains(&plan, b"upper.o name=\xff\xfe more=\"\x80 \x81\"\n"), "{}", String::from_utf8_lossy(&plan));
    printed(run(&world, "modprobe", &[b"third"]));
    assert_eq!(fs::read(world.path("told")).unwrap(), b"\xe4");
}

#[test]
fn words_of_any_bytes_are_words() {
    let world = stacked();
    let missing = |tool: &str, words: &[&[u8]]| {
        let done = run(&world, tool, words);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        done.stderr
    };
    assert!(missing("modprobe", &[b"n\xff"]).starts_with(b"modprobe: FATAL: Module n\xff not found in directory "));
    assert_eq!(missing("modinfo", &[b"n\xff"]), b"modinfo: ERROR: Module n\xff not found.\n");
    assert_eq!(missing("rmmod", &[b"n\xff"]), b"rmmod: ERROR: Module n\xff is not currently loaded\n");
    assert_eq!(missing("depmod", &[b"n\xff"]), b"depmod: ERROR: Bad version passed n\xff\n");
    let refused = missing("insmod", &[format!("lib/modules/{RELEASE}/fs/third.o").as_bytes(), b"x=\xff"]);
    assert!(contains(&refused, b"`x=\xff` is not UTF-8"), "a hosted kernel takes texts: {}", String::from_utf8_lossy(&refused));
    // The variable's words are words like others.
    let mut command = world.command("modprobe");
    let variable: OsString = OsStr::from_bytes(b"-D upper name=\xff").to_owned();
    let done = command.env("MODPROBE_OPTIONS", variable).output().unwrap();
    assert!(contains(&done.stdout, b"upper.o name=\xff\n"), "{done:?}");
}
