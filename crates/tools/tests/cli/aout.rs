//! a.out objects through insmod: they load low in memory, and stack with ELF ones either way.

use std::path::PathBuf;

use crate::world::{HELLO, World};

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
