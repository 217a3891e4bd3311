//! a.out objects through insmod: they load low in memory, and stack with ELF ones either way.

use std::path::PathBuf;

use crate::world::{HELLO, RELEASE, World};

const BASE: &str = "int base_value(void) { return 42; }\nEXPORT(base_value);\n";
const USER: &str =
    "extern int base_value(void);\nint init_module(void) { note(KEY, base_value()); return 0; }\nvoid cleanup_module(void) {}\n";

/// Compiles an object for fixed addresses below 2 GiB, and makes an a.out object of it.
fn compile(world: &World, name: &str, source: &str) -> PathBuf {
    let flags = ["-fno-pic", "-mcmodel=small", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"];
    let path = world.compile_with(name, source, &flags);
    let object = modlink::aout::write(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::write(&path, object).unwrap();
    path
}

#[test]
fn an_aout_module_runs_below_four_gigabytes() {
    let world = World::new();
    compile(&world, "hello", &HELLO.replace("note(KEY, 1)", "note(KEY, (long)init_module)"));
    world.run("insmod hello.o").warns();
    let address = world.notes()[0];
    assert!(address > 0 && address < 1 << 32, "{address:#x}");
    assert_eq!(world.loaded(), ["hello"]);
    world.run("rmmod hello").ok();
    assert_eq!(world.notes(), [2]);
}

#[test]
fn aout_and_elf_stack_either_way() {
    for (base_is_aout, user_is_aout) in [(true, false), (false, true), (true, true)] {
        let world = World::new();
        let make = |name, source: &str, aout| if aout { compile(&world, name, source) } else { world.compile_with(name, source, &[]) };
        make("base", &format!("{BASE}{HELLO}"), base_is_aout);
        make("user", USER, user_is_aout);
        world.run("insmod base.o").warns();
        world.run("insmod user.o").warns();
        assert_eq!(world.notes(), [1, 42], "{base_is_aout} {user_is_aout}");
        assert!(world.run("lsmod").ok().lines().any(|line| line.ends_with(" 1 user")));
        world.run("rmmod -r user").ok();
        assert!(world.loaded().is_empty());
    }
}

#[test]
fn the_load_map_of_an_aout_object_has_its_symbols() {
    let world = World::new();
    compile(&world, "hello", HELLO);
    let done = world.run("insmod -n -m hello.o");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(done.stdout.contains(" T init_module\n") && done.stdout.contains("0000000012340"), "{done:?}");
}

#[test]
fn the_other_tools_read_aout_objects_too() {
    let world = World::new();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    std::fs::create_dir_all(tree.join("misc")).unwrap();
    for (name, source) in [("base", format!("{BASE}{HELLO}")), ("user", USER.to_owned())] {
        let object = compile(&world, name, &source);
        std::fs::rename(object, tree.join(format!("misc/{name}.o"))).unwrap();
    }
    let warned = world.run(&format!("depmod -b . {RELEASE}")).warns();
    assert!(warned.lines().all(|line| line.contains("could not open modules.")), "{warned}");
    let dep = std::fs::read_to_string(tree.join("modules.dep")).unwrap();
    assert!(dep.contains("misc/user.o: misc/base.o\n") && dep.contains("misc/base.o:\n"), "{dep}");

    // An a.out object has no `.modinfo`: the file's name is all that there is to tell, and that is no error.
    let path = tree.join("misc/user.o");
    assert_eq!(world.run(&format!("modinfo {}", path.display())).ok(), format!("filename:       {}\n", path.display()));
    assert_eq!(world.run("modinfo -n user").ok(), format!("{}\n", path.display()));
    assert_eq!(world.run("modinfo -F license user").ok(), "");
    let told: serde_json::Value = serde_json::from_str(&world.run("modinfo --json user").ok()).unwrap();
    assert_eq!(told[0]["parameters"], serde_json::json!([]));
    let exports = world.run(&format!("modprobe --show-exports {}", tree.join("misc/base.o").display())).ok();
    assert!(exports.lines().any(|line| line.ends_with("\tbase_value")), "{exports}");
    assert_eq!(world.run(&format!("modprobe --show-modversions {}", path.display())).ok(), "");
    assert_eq!(world.run("modprobe --graph=tree user").ok(), "user\n└── base\n");
    assert_eq!(world.run("static-nodes").warns().lines().count(), 1, "without device nodes there is no list of them");

    world.run("modprobe user").warns();
    assert_eq!(world.notes(), [1, 42]);
    world.run("modprobe -r user").ok();
    assert!(world.loaded().is_empty());
}
