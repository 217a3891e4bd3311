//! modprobe and depmod on the tree of a hosted kernel.

use std::fs;
use std::path::Path;

use crate::world::{HELLO, Outcome, RELEASE, World};

/// A lower module with an export, an upper one that needs it and goes by an alias, and a third that nobody needs.
pub(crate) fn stacked() -> World {
    let world = World::new();
    let fs_dir = world.path(&format!("lib/modules/{RELEASE}/fs"));
    fs::create_dir_all(&fs_dir).unwrap();
    fs::create_dir_all(world.path("etc/modprobe.d")).unwrap();
    let lower = format!("{HELLO}EXPORT(lower_answer);\nlong lower_answer(void) {{ return 42; }}\n");
    let upper = "extern long lower_answer(void);\nMODINFO(\"alias=fs-upper\");\nMODINFO(\"softdep=post: third\");\n\
         static volatile int level = 3;\nMODINFO(\"parm_level=i\");\n\
         int init_module(void) { note(KEY, lower_answer()); note(KEY, level); return 0; }\nvoid cleanup_module(void) {}\n";
    let broken =
        "extern long lower_answer(void);\nint init_module(void) { return lower_answer() ? -5 : 0; }\nvoid cleanup_module(void) {}\n";
    for (name, source) in [("lower", lower.as_str()), ("upper", upper), ("third", HELLO), ("broken", broken)] {
        let object = world.compile(name, source);
        fs::rename(&object, fs_dir.join(object.file_name().unwrap())).unwrap();
    }
    // The order and the lists of built-in modules are the kernel build's; a tree made by hand has none of them.
    let warned = world.run(&format!("depmod -b . {RELEASE}")).warns();
    assert!(warned.lines().all(|line| line.contains("could not open modules.")), "{warned}");
    world
}

pub(crate) fn index(world: &World, name: &str) -> String {
    fs::read_to_string(world.path(&format!("lib/modules/{RELEASE}/{name}"))).unwrap()
}

pub(crate) fn configure(world: &World, text: &str) {
    fs::write(world.path("etc/modprobe.d/test.conf"), text).unwrap();
}

#[test]
fn depmod_finds_what_objects_need() {
    let world = stacked();
    let dep = index(&world, "modules.dep");
    let mut lines: Vec<&str> = dep.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["fs/broken.o: fs/lower.o", "fs/lower.o:", "fs/third.o:", "fs/upper.o: fs/lower.o"]);
    assert!(index(&world, "modules.alias").contains("alias fs-upper upper\n"));
    assert!(index(&world, "modules.symbols").contains("alias symbol:lower_answer lower\n"));
}

#[test]
fn an_alias_brings_the_stack_and_its_softdep() {
    let world = stacked();
    world.run("modprobe -k -s fs-upper").ok();
    assert_eq!(world.loaded(), ["third", "upper", "lower"]);
    assert_eq!(world.notes(), [1, 42, 3, 1]);
    world.run("modprobe fs-upper").ok();
    assert_eq!(world.loaded().len(), 3, "what is loaded is left alone");
    let complaint = world.run("modprobe --first-time upper").fails();
    assert!(complaint.contains("Module already in kernel"), "{complaint}");
    world.run("modprobe -r upper").ok();
    assert_eq!(world.loaded(), Vec::<String>::new());
}

/// What is built in is there already, whatever a line of the configuration would do in place of loading it.
#[test]
fn a_command_for_what_is_built_in_is_not_run() {
    let world = stacked();
    fs::write(world.path(&format!("lib/modules/{RELEASE}/modules.builtin")), "kernel/inside.ko\n").unwrap();
    world.run(&format!("depmod -b . {RELEASE}")).warns();
    configure(&world, "install inside /bin/false\nsoftdep third pre: inside\n");
    assert_eq!(world.run("modprobe -D inside").ok(), "install /bin/false \n");
    assert_eq!(world.run("modprobe -n -v inside").ok(), "");
    world.run("modprobe inside").ok();
    assert_eq!(world.run("modprobe -v third").ok().lines().count(), 1, "the command of the softdep");
    for call in ["modprobe --first-time inside", "modprobe -n --first-time inside", "modprobe -n --first-time third"] {
        let complaint = world.run(call).fails();
        assert!(complaint.contains("Module already in kernel"), "{call}: {complaint}");
    }
    world.run("modprobe -n --first-time upper").ok();
}

#[test]
fn a_plan_is_printed_as_it_would_be_carried_out() {
    let world = stacked();
    configure(&world, "options upper level=5\n");
    let root = fs::canonicalize(world.dir.path()).unwrap();
    let line = |file: &str, options: &str| format!("insmod {}/lib/modules/{RELEASE}/fs/{file} {options}\n", root.display());
    let plan = [line("lower.o", ""), line("upper.o", "level=5 "), line("third.o", "")].concat();
    assert_eq!(world.run(&format!("modprobe -d {} -D fs-upper", root.display())).ok(), plan);
    assert_eq!(world.run(&format!("modprobe -d {} -n -v fs-upper", root.display())).ok(), plan);
    assert_eq!(world.loaded(), Vec::<String>::new());
    let json: serde_json::Value = serde_json::from_str(&world.run("modprobe -D --json fs-upper").ok()).unwrap();
    let reasons: Vec<_> = json[0]["plan"]["steps"].as_array().unwrap().iter().map(|s| s["why"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["dependency", "asked", "softdep_post"]);
}

#[test]
fn options_come_from_the_configuration_and_the_line() {
    let world = stacked();
    configure(&world, "options upper level=5\nalias my-* upper\n");
    world.run("modprobe my-favourite").ok();
    assert_eq!(world.notes(), [1, 42, 5, 1]);
    world.run("modprobe -r upper").ok();
    world.notes();
    world.run("modprobe upper level=7").ok();
    assert_eq!(world.notes(), [1, 42, 7, 1]);
}

#[test]
fn a_failed_load_takes_back_what_it_brought() {
    let world = stacked();
    let complaint = world.run("modprobe broken").fails();
    assert!(complaint.contains("could not insert 'broken'"), "{complaint}");
    assert_eq!(world.loaded(), Vec::<String>::new());
    assert_eq!(world.notes(), [1, 2], "lower came and went");
}

#[test]
fn install_lines_hold_although_there_is_a_softdep() {
    let world = stacked();
    let mark = world.path("mark");
    configure(&world, &format!("install upper echo $MODPROBE_MODULE $CMDLINE_OPTS > {}\n", mark.display()));
    world.run("modprobe upper level=9").ok();
    assert_eq!(fs::read_to_string(&mark).unwrap(), "upper level=9\n");
    assert_eq!(world.loaded(), ["third", "lower"]);
    world.run("modprobe -i upper level=9").ok();
    assert!(world.loaded().contains(&"upper".to_owned()));
}

#[test]
fn a_file_of_the_configuration_that_cannot_be_read_stops_nothing() {
    let world = stacked();
    configure(&world, "options upper level=5\n");
    std::os::unix::fs::symlink("circle.conf", world.path("etc/modprobe.d/circle.conf")).unwrap();
    std::os::unix::fs::symlink("nothing", world.path("etc/modprobe.d/dangling.conf")).unwrap();
    fs::create_dir(world.path("etc/modprobe.d/folder.conf")).unwrap();
    let warned = world.run("modprobe upper").warns();
    assert!(warned.contains("circle.conf`: Too many levels of symbolic links") && warned.lines().count() == 3, "{warned}");
    assert_eq!(world.notes(), [1, 42, 5, 1]);
}

#[test]
fn forbid_holds_on_every_way() {
    let world = stacked();
    configure(&world, "forbid low*\nforbid third\n");
    let path = world.path(&format!("lib/modules/{RELEASE}/fs/lower.o"));
    for word in ["lower", "upper", "fs-upper", path.to_str().unwrap()] {
        let complaint = world.run(&format!("modprobe {word}")).fails();
        assert!(complaint.contains("forbid low*"), "{word}: {complaint}");
        assert_eq!(world.loaded(), Vec::<String>::new(), "{word}");
    }
    configure(&world, "forbid third\n");
    world.run("modprobe upper").ok();
    assert_eq!(world.loaded(), ["upper", "lower"], "a forbidden softdep stays away");
    world.run("modprobe --ignore-forbid third").ok();
    assert_eq!(world.loaded().len(), 3);
}

/// What stands behind the first word counts, and so does the word that was asked for, however it leads to a module.
#[test]
fn forbid_takes_several_words_and_heeds_what_was_asked_for() {
    let world = stacked();
    configure(&world, "forbid third low* # and why\n");
    for (word, rule) in [("lower", "low*"), ("third", "third")] {
        let complaint = world.run(&format!("modprobe {word}")).fails();
        assert!(complaint.contains(&format!("`forbid {rule}`")), "{word}: {complaint}");
    }
    configure(&world, "alias any-* upper\nforbid any-thing\n");
    let complaint = world.run("modprobe any-thing").fails();
    assert!(complaint.contains("`forbid any_thing`"), "{complaint}");
    world.run("modprobe any-other").ok();
    assert!(world.loaded().contains(&"upper".to_owned()));
}

/// A file may be called what it likes: the kernel goes by the name in it.
#[test]
fn a_forbidden_module_in_a_file_of_another_name_is_forbidden() {
    let world = stacked();
    let source = format!("MODINFO(\"name=lower\");\n{HELLO}");
    let path = world.compile("harmless", &source);
    configure(&world, "forbid lower\n");
    let complaint = world.run(&format!("modprobe {}", path.display())).fails();
    assert!(complaint.contains("could not insert 'harmless': module `lower` is forbidden by `forbid lower`"), "{complaint}");
    configure(&world, "forbid other\n");
    world.run(&format!("modprobe {}", path.display())).ok();
    assert_eq!(world.loaded().len(), 1);
}

#[test]
fn a_blacklist_stops_aliases_only() {
    let world = stacked();
    configure(&world, "blacklist upper\n");
    world.run("modprobe fs-upper").ok();
    assert_eq!(world.loaded(), Vec::<String>::new());
    world.run("modprobe -b upper").ok();
    assert_eq!(world.loaded(), Vec::<String>::new());
    world.run("modprobe upper").ok();
    assert_eq!(world.loaded().len(), 3);
}

#[test]
fn options_also_come_from_the_environment() {
    let world = stacked();
    let done = Outcome::of(world.command("modprobe").env("MODPROBE_OPTIONS", "-n '-v'").arg("third"));
    assert!(done.ok().starts_with("insmod "));
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn unknown_names_are_told_unless_quiet() {
    let world = stacked();
    let complaint = world.run("modprobe nosuch").fails();
    assert!(complaint.starts_with("modprobe: FATAL: Module nosuch not found in directory "), "{complaint}");
    assert_eq!(world.run("modprobe -q nosuch").fails(), "");
    let complaint = world.run("modprobe -r nosuch").fails();
    assert_eq!(complaint, "modprobe: FATAL: Module nosuch not found.\n");
    world.run("modprobe -a third lower").ok();
    assert_eq!(world.loaded(), ["lower", "third"]);
}

#[test]
fn a_module_in_use_stays() {
    let world = stacked();
    world.run("modprobe upper").ok();
    let complaint = world.run("modprobe -r lower").fails();
    assert!(complaint.contains("Module lower is in use by: upper."), "{complaint}");
    world.run("modprobe -r --remove-holders lower").ok();
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn the_text_indexes_serve_where_the_binary_ones_are_gone() {
    let world = stacked();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    for entry in fs::read_dir(&tree).unwrap().flatten() {
        if entry.path().extension() == Some(Path::new("x.bin").extension().unwrap()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    world.run("modprobe fs-upper").ok();
    assert_eq!(world.loaded(), ["third", "upper", "lower"]);
}
