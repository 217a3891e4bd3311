//! insmod: every option, the search path, messages, and what is left after a failure.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::world::{HELLO, Outcome, World, bare, text};

const BASE: &str = "int base_value(void) { return 42; }\nEXPORT(base_value);\n";
const USER: &str =
    "extern int base_value(void);\nint init_module(void) { note(KEY, base_value()); return 0; }\nvoid cleanup_module(void) {}\n";

fn info(world: &World, name: &str) -> uapi::ModuleInfo {
    match world.kernel.query(Some(name), uapi::Query::Info).expect("an answer") {
        uapi::QueryAnswer::Info(info) => info,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_goes_in_runs_and_goes_out() {
    let world = World::new();
    world.compile("hello", HELLO);
    assert_eq!(world.run("insmod hello.o").ok(), "");
    assert_eq!(world.loaded(), ["hello"]);
    assert_eq!(world.run("rmmod hello").ok(), "");
    assert!(world.loaded().is_empty());
    assert_eq!(world.notes(), [1, 2]);
}

#[test]
fn the_same_file_under_two_names_runs_at_two_addresses() {
    let world = World::new();
    world.compile("hello", "static int here; int init_module(void) { note(KEY, (long)&here); return 0; } void cleanup_module(void) {}");
    world.run("insmod -o one hello.o").ok();
    world.run("insmod hello.o -o two").ok();
    world.run("insmod --name=three ./hello.o").ok();
    assert_eq!(world.loaded(), ["three", "two", "one"]);
    let notes = world.notes();
    assert!(notes[0] != notes[1] && notes[1] != notes[2] && notes[0] != notes[2], "{notes:?}");
    let again = world.run("insmod -o one hello.o").fails();
    assert!(again.contains("A module named one already exists"), "{again}");
}

#[test]
fn autoclean_is_asked_for_with_k() {
    let world = World::new();
    world.compile("hello", HELLO);
    world.run("insmod -o manual hello.o").ok();
    for (option, name) in [("-k", "short"), ("--autoclean", "long")] {
        world.run(&format!("insmod {option} -o {name} hello.o")).ok();
        assert!(info(&world, name).autoclean);
    }
    assert!(!info(&world, "manual").autoclean);
    for _ in 0..3 {
        world.run("rmmod -a").ok();
    }
    assert_eq!(world.loaded(), ["manual"]);
}

#[test]
fn poll_checks_everything_prints_nothing_and_leaves_nothing() {
    let world = World::new();
    world.compile("hello", HELLO);
    world.compile("user", USER);
    assert_eq!(world.run("insmod -p hello.o").ok(), "");
    assert_eq!(world.run("insmod --poll -m hello.o").ok(), "");
    for line in ["insmod -p user.o", "insmod -p hello.o nosuch=1", "insmod -p nosuch.o", "insmod -p nosuch"] {
        assert_eq!(world.run(line).fails(), "", "{line}");
    }
    assert!(world.loaded().is_empty() && world.notes().is_empty());
}

#[test]
fn the_load_map_shows_where_things_lie() {
    let world = World::new();
    let source = "int counter = 5; static volatile int hidden; const char words[] = \"x\";\n\
                  int init_module(void) { note(KEY, (long)init_module); hidden = counter; return 0; }\nvoid cleanup_module(void) {}";
    world.compile("hello", source);
    let map = world.run("insmod -m hello.o").ok();
    let address = world.notes()[0];
    assert!(map.starts_with("Sections:       Size      Address           Align\n"), "{map}");
    assert!(map.contains(&format!("{address:016x} T init_module\n")), "{map}");
    assert!(map.contains(" D counter\n") && map.contains(" b hidden\n") && map.contains(" R words\n"), "{map}");
    let sorted: Vec<&str> = map.split("Symbols:\n").nth(1).unwrap().lines().map(|line| &line[..16]).collect();
    assert!(sorted.is_sorted() && sorted.len() >= 5, "{map}");
    world.run("rmmod hello").ok();
    let map = world.run("insmod -n -m hello.o").ok();
    assert!(map.lines().any(|line| line.starts_with(".text ") && line.contains("0000000012340000")), "{map}");
    assert!(world.loaded().is_empty() && world.notes().is_empty());
}

#[test]
fn globals_are_exported_or_not() {
    let world = World::new();
    let source = format!("__attribute__((visibility(\"default\"))) int visible; {HELLO}");
    world.compile("hello", &source);
    for (options, seen) in [("", true), ("-x", false), ("-x -X", true), ("-X --noexport", false), ("--export", true)] {
        world.run(&format!("insmod {options} hello.o")).ok();
        let table = world.run("ksyms -h").ok();
        assert_eq!(table.contains(" visible\t[hello]\n"), seen, "{options}: {table}");
        assert!(!table.contains("init_module") && !table.contains("cleanup_module"), "{table}");
        world.run("rmmod hello").ok();
    }
}

#[test]
fn modules_stand_on_modules_and_the_newest_wins() {
    let world = World::new();
    world.compile("base", &format!("{BASE}{HELLO}"));
    world.compile("other", &format!("{}{HELLO}", BASE.replace("42", "43")));
    world.compile("user", USER);
    world.run("insmod base.o").ok();
    world.run("insmod -o first user.o").ok();
    world.run("insmod other.o").ok();
    world.run("insmod -o second user.o").ok();
    assert_eq!(world.notes(), [1, 42, 1, 43]);
    let list = world.run("lsmod").ok();
    let uses = |base: &str, user: &str| list.lines().any(|line| line.starts_with(base) && line.ends_with(&format!(" 1 {user}")));
    assert!(uses("base ", "first") && uses("other ", "second"), "{list}");
    let verbose = Outcome::of(world.command("insmod").args(["-v", "-o", "third", "user.o"])).warns();
    assert!(
        verbose.contains("INFO: using user.o") && verbose.contains("third uses other") && verbose.contains(" bytes at 0x"),
        "{verbose}"
    );
}

#[test]
fn messages_name_what_is_wrong() {
    let world = World::new();
    world.compile("user", USER);
    world.compile("noclean", "int init_module(void) { return 0; }");
    world.compile("noinit", "void cleanup_module(void) { }");
    world.compile("failing", &HELLO.replace("return 0", "return -5"));
    world.compile("hello", HELLO);
    std::fs::write(world.path("text.o"), "not an object at all").unwrap();
    std::fs::write(world.path("empty.o"), "").unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_modutils"), world.path("program.o")).unwrap();
    let long = "n".repeat(64);
    let cases = [
        ("insmod user.o", &["insmod: ERROR: user.o: ", "`base_value` undefined"][..]),
        ("insmod noclean.o", &["`cleanup_module` needed, but can't be found"]),
        ("insmod noinit.o", &["`init_module` needed, but can't be found"]),
        ("insmod failing.o", &["Initialization of failing failed", "-5"]),
        ("insmod text.o", &["text.o: ", "not an object file"]),
        ("insmod empty.o", &["empty.o: ", "not an object file"]),
        ("insmod program.o", &["program.o: ", "not an object file"]),
        ("insmod nosuch.o", &["Cannot open nosuch.o: No such file or directory"]),
        ("insmod .", &["Cannot open .: "]),
        ("insmod nosuch", &["nosuch: no module by that name found"]),
        ("insmod -o a/b hello.o", &["`a/b` cannot be the name of a module"]),
        (&format!("insmod -o {long} hello.o"), &["cannot be the name of a module", "64 bytes"]),
        ("insmod hello.o nosuch=1", &["hello.o: ", "`nosuch`"]),
        ("insmod", &["insmod: ERROR: missing filename."]),
    ];
    for (line, wanted) in cases {
        let complaint = world.run(line).fails();
        for part in wanted {
            assert!(complaint.contains(part), "{line}: {complaint}");
        }
        assert!(world.loaded().is_empty(), "{line}");
    }
    assert_eq!(world.notes(), [1], "only the failing one ran, and its cleanup did not");
}

#[test]
fn a_module_of_the_tree_that_would_help_is_named() {
    let world = World::new();
    world.compile("user", USER);
    let tree = world.path("lib/modules").join(crate::world::RELEASE);
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("modules.symbols"), "alias symbol:base_value base\n").unwrap();
    let complaint = world.run("insmod user.o").fails();
    assert!(complaint.contains("`base_value` is exported by module `base`, which is not loaded"), "{complaint}");
}

#[test]
fn names_are_searched_in_modpath_or_the_tree() {
    let world = World::new();
    let place = |folder: &str, value: i64| {
        let source = HELLO.replace("note(KEY, 1)", &format!("note(KEY, {value})"));
        let folder = world.path(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::rename(world.compile("hello", &source), folder.join("hello.o")).unwrap();
    };
    place("one", 11);
    place("two", 12);
    place(&format!("lib/modules/{}/misc", crate::world::RELEASE), 13);
    let load = |line: &str, modpath: Option<&str>| {
        let mut command = world.command("insmod");
        command.args(line.split_whitespace());
        if let Some(path) = modpath {
            command.env("MODPATH", path);
        }
        Outcome::of(&mut command).ok();
        world.run("rmmod hello").ok();
        world.notes()[0]
    };
    assert_eq!(load("hello", Some("two:one")), 12);
    assert_eq!(load("hello", Some("nowhere:one:two")), 11);
    assert_eq!(load("hello", None), 13);
    assert_eq!(load("./one/hello.o", Some("two")), 11);
    place(".", 14);
    assert_eq!(load("hello", None), 14, "the current directory comes first");
    let root = text(world.dir.path());
    std::fs::remove_file(world.path("hello.o")).unwrap();
    let elsewhere = Outcome::of(world.command("insmod").args(["--root", &root, "hello"]).env_remove("MODULES_ROOT"));
    elsewhere.ok();
    assert_eq!(world.notes(), [13]);
}

#[test]
fn a_lock_makes_a_second_insmod_succeed() {
    let world = World::new();
    world.compile("hello", HELLO);
    let mut children: Vec<_> = (0..4).map(|_| world.command("insmod").args(["-L", "hello.o"]).spawn().unwrap()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!((world.loaded(), world.notes()), (vec!["hello".to_owned()], vec![1]));
    world.run("insmod hello.o").fails();
    world.run("insmod --lock hello.o").ok();
}

#[test]
fn compressed_modules_load() {
    let world = World::new();
    world.compile("hello", HELLO);
    let done = std::process::Command::new("gzip").arg(world.path("hello.o")).status().unwrap();
    assert!(done.success());
    world.run("insmod ./hello.o.gz").ok();
    assert_eq!(world.loaded(), ["hello"]);
}

#[test]
fn modules_for_other_machines_are_refused() {
    let world = World::new();
    let (source, object) = (world.path("m.s"), world.path("m.o"));
    std::fs::write(&source, ".globl init_module, cleanup_module\ninit_module: xor %eax, %eax\nret\ncleanup_module: ret\n").unwrap();
    let run = |flag: &str| {
        let done = std::process::Command::new("as").args([flag, "-o", &text(&object), &text(&source)]).status().unwrap();
        assert!(done.success());
    };
    run("--32");
    let complaint = world.run("insmod m.o").fails();
    assert!(complaint.contains("i386") && complaint.contains("not for this architecture"), "{complaint}");
    run("--64");
    world.run("insmod m.o").warns();
    assert_eq!(world.loaded(), ["m"]);
}

#[test]
fn the_system_log_takes_the_messages_where_there_is_one() {
    let world = World::new();
    let done = world.run("insmod -s nosuch.o");
    assert_eq!(done.status, Some(1));
    if Path::new("/dev/log").exists() {
        assert_eq!(done.stderr, "");
    } else {
        assert!(done.stderr.contains("nosuch.o"), "{done:?}");
    }
}

/// Nothing here reaches the machine's kernel with a module: the files are not there, or the options are refused before.
#[test]
fn on_linux_the_words_are_those_of_kmod_and_classic_options_are_refused() {
    let refused = Outcome::of(bare("insmod").arg("/nonexistent/x.ko")).fails();
    assert_eq!(refused, "insmod: ERROR: could not load module /nonexistent/x.ko: No such file or directory\n");
    assert_eq!(Outcome::of(&mut bare("insmod")).fails(), "insmod: ERROR: missing filename.\n");
    for option in ["-k", "-m", "-x", "-n", "-p"] {
        let refused = Outcome::of(bare("insmod").args([option, "/nonexistent/x.ko"])).fails();
        assert!(refused.contains(&format!("{option} works on a hosted kernel only")), "{refused}");
    }
    assert!(Outcome::of(bare("insmod").args(["-L", "/nonexistent/x.ko"])).fails().contains("No such file"));
}

/// Other users may look, and are told why they may do no more.
#[test]
fn only_the_kernels_owner_loads() {
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else to try.
        return;
    }
    let world = World::new();
    world.compile("hello", HELLO);
    let program = world.path("modutils");
    std::fs::copy(env!("CARGO_BIN_EXE_modutils"), &program).unwrap();
    std::fs::set_permissions(world.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = |line: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(line.split_whitespace()).uid(65_534).gid(65_534).current_dir(world.dir.path());
        Outcome::of(command.env("MODUTILS_KERNEL", world.socket()))
    };
    nobody("insmod -p hello.o").ok();
    let refused = nobody("insmod hello.o").fails();
    assert!(refused.contains("could not insert module hello") && refused.contains("Operation not permitted (only root"), "{refused}");
    world.run("insmod hello.o").ok();
    let refused = nobody("rmmod hello").fails();
    assert!(refused.contains("could not remove module hello: Operation not permitted"), "{refused}");
    nobody("rmmod -a").fails();
    assert!(nobody("lsmod").ok().contains("hello ") && nobody("ksyms -a").ok().contains(" note\n"));
    assert_eq!(world.notes(), [1]);
}
