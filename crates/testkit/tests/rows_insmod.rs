//! The book's features, part two: what insmod, rmmod and their kin do with objects. `row_NN` is the row of docs/classic.md.

use testkit::{Outcome, World};
use uapi::ProcFile;

const HELLO: &str = r#"
#include "module.h"
static int number = 7;
MODULE_PARM(number, "i");
static int start(void) { printk(KERN_INFO "hello: number %d\n", number); return 0; }
static void stop(void) { printk(KERN_INFO "hello: bye\n"); }
module_init(start); module_exit(stop);
"#;

fn log(world: &World) -> String {
    world.run("khost", &["dmesg"]).ok().stdout
}

/// Boots a kernel with or without symbol versions, and makes `hello` for it.
fn versions(kernel: &[&str], modpost: &[&str]) -> (World, String) {
    let world = World::booted(kernel);
    let plain = world.compile("hello", HELLO, &[]);
    let object = world.path("hello.o");
    let _done = world.run("modpost", &[&["-o", &object.to_string_lossy()], modpost, &[&plain.to_string_lossy()]].concat()).ok();
    (world, object.to_string_lossy().into_owned())
}

#[test]
fn row_06_plain_kernel_plain_module_by_release() {
    let (world, object) = versions(&[], &["--release", "1.0.0"]);
    let refused = world.run("insmod", &[&object]).fails_with(1);
    assert!(refused.stderr.contains("1.0.0") && refused.stderr.contains(testkit::RELEASE), "{refused}");
    assert_eq!(world.client().uname().expect("the kernel serves").taint, "");
    let _forced = world.run("insmod", &["-f", &object]).ok();
    assert_eq!(world.client().uname().expect("the kernel serves").taint, "F");
    let (world, object) = versions(&[], &["--release", testkit::RELEASE]);
    let _done = world.run("insmod", &["-f", &object]).ok();
    assert_eq!(world.client().uname().expect("the kernel serves").taint, "", "nothing was overridden");
}

#[test]
fn row_06_versioned_kernel_by_checksums() {
    let world = World::booted(&["--modversions"]);
    let symvers = world.path("Module.symvers").to_string_lossy().into_owned();
    std::fs::write(&symvers, world.run("khost", &["symvers"]).ok().stdout).expect("a file");
    let plain = world.compile("hello", HELLO, &[]).to_string_lossy().into_owned();
    let object = world.path("hello.o").to_string_lossy().into_owned();
    let _done = world.run("modpost", &["--symvers", &symvers, "--release", "1.0.0", "-o", &object, &plain]).ok();
    let _done = world.run("insmod", &[&object]).ok();
    assert!(world.run("ksyms", &["-a"]).ok().stdout.contains(" printk_R"), "names carry their checksums");
    let _done = world.run("rmmod", &["hello"]).ok();
    let text = std::fs::read_to_string(&symvers).expect("a file");
    let wrong: String = text
        .lines()
        .map(
            |line| {
                if line.contains("\tprintk\t") { "0x00000001\tprintk\tkhost\tEXPORT_SYMBOL\t\n".to_owned() } else { format!("{line}\n") }
            },
        )
        .collect();
    assert_ne!(text, wrong, "printk has a line");
    std::fs::write(&symvers, wrong).expect("a file");
    let _done = world.run("modpost", &["--symvers", &symvers, "--release", testkit::RELEASE, "-o", &object, &plain]).ok();
    for arguments in [vec![object.as_str()], vec!["-f", &object]] {
        let refused = world.run("insmod", &arguments).fails_with(1);
        assert!(refused.stderr.contains("printk") && refused.stderr.contains("version"), "{refused}");
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn row_06_mixed_pairs_compare_releases_and_ignore_checksums() {
    let (world, object) = versions(&["--modversions"], &["--release", "1.0.0"]);
    let _refused = world.run("insmod", &[&object]).fails_with(1);
    let _forced = world.run("insmod", &["-f", &object]).ok();
    let (world, object) = versions(&["--modversions"], &["--release", testkit::RELEASE]);
    let _done = world.run("insmod", &[&object]).ok();
    let world = World::booted(&[]);
    let symvers = world.path("Module.symvers").to_string_lossy().into_owned();
    std::fs::write(&symvers, world.run("khost", &["symvers"]).ok().stdout).expect("a file");
    let plain = world.compile("hello", HELLO, &[]).to_string_lossy().into_owned();
    let object = world.path("hello.o").to_string_lossy().into_owned();
    let _done = world.run("modpost", &["--symvers", &symvers, "--release", "1.0.0", "-o", &object, &plain]).ok();
    let _refused = world.run("insmod", &[&object]).fails_with(1);
    let _forced = world.run("insmod", &["-f", &object]).ok();
}

#[test]
fn row_07_what_was_inserted_by_hand_stays() {
    let world = World::booted(&[]);
    let object = world.compile("hello", HELLO, &[]).to_string_lossy().into_owned();
    let _done = world.run("insmod", &[&object]).ok();
    for _ in 0..3 {
        let _done = world.run("rmmod", &["-a"]).ok();
    }
    let lines = world.read(ProcFile::Modules);
    assert!(lines.starts_with("hello ") && !lines.contains("(autoclean)"), "{lines}");
}

#[test]
fn row_14_the_search_path_and_names_with_a_slash() {
    let world = World::booted(&[]);
    let (one, two) = (world.path("one"), world.path("two"));
    for (folder, text) in [(&one, "number 1"), (&two, "number 2")] {
        std::fs::create_dir_all(folder).expect("a folder");
        let object = world.compile("hello", &HELLO.replace("number %d\\n\", number", &format!("{text}\\n\"")), &[]);
        std::fs::copy(object, folder.join("hello.o")).expect("a copy");
    }
    let insmod = |argument: &str| {
        let path = format!("{}:{}", two.display(), one.display());
        let done = Outcome::of(world.command("insmod").env("MODPATH", path).current_dir(&one).arg(argument)).ok();
        let text = log(&world);
        let _done = world.run("rmmod", &["hello"]).ok();
        drop(done);
        text.lines().rfind(|line| line.contains("number")).expect("a line").to_owned()
    };
    assert!(insmod("hello").ends_with("number 2"), "the first folder of MODPATH");
    assert!(insmod("./hello.o").ends_with("number 1"), "a path is a path");
    let missing = world.run("insmod", &["nosuch"]).fails_with(1);
    assert!(missing.stderr.contains("nosuch"), "{missing}");
}

#[test]
fn row_14_the_default_path_is_the_tree_of_the_release() {
    let world = World::booted(&[]);
    let object = world.compile("hello", HELLO, &[]);
    world.install(&object, "misc");
    let root = world.path("").to_string_lossy().into_owned();
    let _done = world.run("insmod", &["--root", &root, "hello"]).ok();
    assert_eq!(world.loaded(), ["hello"]);
}

#[test]
fn row_16_only_relocatable_objects() {
    let world = World::booted(&[]);
    let refused = world.run("insmod", &["/bin/true"]).fails_with(1);
    assert!(refused.stderr.contains("not a relocatable object") || refused.stderr.contains("not an object file"), "{refused}");
    let text = world.path("text.o");
    std::fs::write(&text, "not an object at all").expect("a file");
    let refused = world.run("insmod", &[&text.to_string_lossy()]).fails_with(1);
    assert!(refused.stderr.contains("not an object file"), "{refused}");
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn row_22_a_symbol_and_its_value() {
    let world = World::new();
    let kernel = kernel::Kernel::builder()
        .release("2.0.40")
        .export("request_irq", 0x0010_cd30, "int request_irq(unsigned int)")
        .build()
        .expect("a kernel");
    let _server = kernel.serve(world.socket()).expect("a server");
    let shown = world.run("ksyms", &["-a", "-h"]).ok().stdout;
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["000000000010cd30 request_irq"]);
}

#[test]
fn row_24_references_are_fixed_up_in_memory_and_the_file_is_untouched() {
    let flavours: &[&[&str]] = &[
        &["-fPIC"],
        &["-fPIC", "-fno-plt"],
        &["-fPIC", "-fvisibility=default"],
        &["-fPIC", "-ffunction-sections", "-fdata-sections"],
        &["-fPIE"],
        &["-fPIE", "-mno-direct-extern-access"],
        &["-fno-pic", "-mcmodel=large"],
        &["-fPIC", "-mcmodel=large"],
    ];
    let source = HELLO.replace("number %d\\n\", number", "%s %lx\\n\", strchr(\"a=b\", '='), jiffies * 0 + sizeof number");
    let world = World::booted(&[]);
    for flags in flavours {
        let object = world.compile("hello", &source, flags);
        let before = std::fs::read(&object).expect("the object");
        let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
        assert!(
            log(&world).lines().rfind(|line| line.contains("hello: ")).is_some_and(|line| line.ends_with("=b 4")),
            "{flags:?}: {}",
            log(&world)
        );
        let _done = world.run("rmmod", &["hello"]).ok();
        assert_eq!(std::fs::read(&object).expect("the object"), before, "{flags:?}");
    }
}

#[test]
fn row_31_the_same_object_at_two_addresses() {
    let world = World::booted(&[]);
    let object = world.compile("hello", HELLO, &[]).to_string_lossy().into_owned();
    let _done = world.run("insmod", &["-o", "one", &object, "number=1"]).ok();
    let _done = world.run("insmod", &[&object, "-o", "two", "number=2"]).ok();
    let lines = world.read(ProcFile::Modules);
    let addresses: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').find(|word| word.starts_with("0x"))).collect();
    assert_eq!(addresses.len(), 2, "{lines}");
    assert_ne!(addresses[0], addresses[1]);
    let text = log(&world);
    assert!(text.contains("number 1") && text.contains("number 2"), "{text}");
    let again = world.run("insmod", &["-o", "one", &object]).fails_with(1);
    assert!(again.stderr.contains("already exists"), "{again}");
}

#[test]
fn row_32_globals_are_exported_unless_told_not_to() {
    let world = World::booted(&[]);
    let source = HELLO.replace("static int number", "int visible_number");
    let source =
        source.replace("number)", "visible_number)").replace("PARM(number", "PARM(visible_number").replace(", number", ", visible_number");
    let object = world.compile("hello", &source, &["-fvisibility=default"]).to_string_lossy().into_owned();
    let _done = world.run("insmod", &[&object]).ok();
    assert!(world.read(ProcFile::Ksyms).contains("visible_number\t[hello]"));
    let _done = world.run("rmmod", &["hello"]).ok();
    let _done = world.run("insmod", &["-x", &object]).ok();
    assert!(!world.read(ProcFile::Ksyms).contains("visible_number"));
}

#[test]
fn row_33_both_routines_and_neither_is_exported() {
    let world = World::booted(&[]);
    for (routine, line) in [("cleanup_module", "module_exit(stop);"), ("init_module", "module_init(start);")] {
        let object = world.compile("hello", &HELLO.replace(line, "int other(void) { start(); stop(); return 0; }"), &[]);
        let refused = world.run("insmod", &[&object.to_string_lossy()]).fails_with(1);
        assert!(refused.stderr.contains(routine), "{refused}");
    }
    let _done = world.run("insmod", &[&world.compile("hello", HELLO, &[]).to_string_lossy()]).ok();
    let symbols = world.read(ProcFile::Ksyms);
    assert!(!symbols.contains("init_module") && !symbols.contains("cleanup_module"), "{symbols}");
}

#[test]
fn row_39_rmmod_by_name_stack_and_idle() {
    let world = World::booted(&[]);
    let base = HELLO.replace("static int start", "int base(void); int base(void) { return 1; } EXPORT_SYMBOL(base); static int start");
    let user = HELLO.replace("static int start", "extern int base(void); static int start").replace("number);", "base());");
    let (base, user) = (world.compile("base", &base, &[]), world.compile("user", &user, &[]));
    let load = |flags: &[&str]| {
        for object in [&base, &user] {
            let _done = world.run("insmod", &[flags, &[&*object.to_string_lossy()]].concat()).ok();
        }
    };
    load(&[]);
    let refused = world.run("rmmod", &["base"]).fails_with(1);
    assert!(refused.stderr.contains("use"), "{refused}");
    let _done = world.run("rmmod", &["user", "base"]).ok();
    load(&[]);
    let _done = world.run("rmmod", &["-r", "user"]).ok();
    assert_eq!(world.loaded(), Vec::<String>::new(), "-r removes what the named one alone had used");
    let refused = world.run("rmmod", &["user"]).fails_with(1);
    assert!(refused.stderr.contains("not loaded") || refused.stderr.contains("not currently loaded"), "{refused}");
    load(&["-k"]);
    for _ in 0..4 {
        let _done = world.run("rmmod", &["-a"]).ok();
    }
    assert_eq!(world.loaded(), Vec::<String>::new(), "-a runs the idle pass");
}
