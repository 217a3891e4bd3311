//! rmmod: names, stacks, idle passes, refusals.

use crate::world::{HELLO, Outcome, World};

fn stack() -> World {
    let world = World::new();
    world.compile("fat", &format!("int fat_read(void) {{ return 1; }}\nEXPORT(fat_read);\n{HELLO}"));
    let user =
        "extern int fat_read(void);\nint init_module(void) { return fat_read() - 1; }\nvoid cleanup_module(void) { note(KEY, 3); }\n";
    world.compile("vfat", user);
    world.compile("msdos", &user.replace("KEY, 3", "KEY, 4"));
    world.run("insmod fat.o").ok();
    world.run("insmod vfat.o").ok();
    world
}

#[test]
fn several_names_go_in_the_right_order() {
    let world = stack();
    world.run("rmmod fat vfat").ok();
    assert_eq!(world.notes(), [1, 3, 2]);
    assert!(world.loaded().is_empty());
}

#[test]
fn a_name_may_be_a_file() {
    let world = stack();
    world.run("rmmod ./vfat.o /lib/fat.ko").ok();
    assert!(world.loaded().is_empty());
}

#[test]
fn what_is_used_stays_and_the_users_are_named() {
    let world = stack();
    let refused = world.run("rmmod fat").fails();
    assert!(refused.contains("Module fat is in use by: vfat") && refused.contains("Device or resource busy"), "{refused}");
    let counted = HELLO.replace("note(KEY, 1)", "mod_use_count_ += 2");
    world.compile("busy", &counted);
    world.run("insmod busy.o").ok();
    let refused = world.run("rmmod busy").fails();
    assert!(refused.contains("Module busy is in use by 2 users (Device or resource busy)"), "{refused}");
    let refused = world.run("rmmod nosuch vfat").fails();
    assert!(refused.contains("Module nosuch is not currently loaded"), "{refused}");
    assert_eq!(world.loaded(), ["busy", "fat"], "the rest went all the same");
}

#[test]
fn stacks_go_down_to_what_something_else_uses() {
    let world = stack();
    world.run("insmod msdos.o").ok();
    world.run("rmmod -r vfat").ok();
    assert_eq!(world.loaded(), ["msdos", "fat"]);
    assert_eq!(world.run("rmmod -n -r msdos").ok(), "rmmod msdos\nrmmod fat\n");
    assert_eq!(world.loaded(), ["msdos", "fat"]);
    world.run("rmmod --stacks msdos").ok();
    assert!(world.loaded().is_empty());
}

#[test]
fn a_base_in_use_otherwise_stays_without_complaint() {
    let world = World::new();
    world.compile("fat", "int fat_read(void) { mod_use_count_++; return 1; }\nEXPORT(fat_read);\nint init_module(void) { return 0; } void cleanup_module(void) {}");
    world.compile("vfat", "extern int fat_read(void);\nint init_module(void) { return fat_read() - 1; }\nvoid cleanup_module(void) {}\n");
    world.run("insmod fat.o").ok();
    world.run("insmod vfat.o").ok();
    world.run("rmmod -r vfat").ok();
    assert_eq!(world.loaded(), ["fat"]);
    let told = Outcome::of(world.command("rmmod").args(["-v", "-r", "fat"])).fails();
    assert!(told.contains("in use by 1 user"), "{told}");
}

#[test]
fn no_name_is_an_error_except_for_the_idle_pass() {
    let world = World::new();
    assert!(world.run("rmmod").fails().contains("missing module name."));
    world.run("rmmod -a").ok();
    world.run("rmmod --all").ok();
}

/// Nothing here touches the machine's modules: what is asked for is not there, or only shown.
#[test]
fn on_linux_the_words_are_those_of_kmod() {
    let bare = crate::world::bare;
    let refused = Outcome::of(bare("rmmod").arg("no-such-module")).fails();
    assert_eq!(refused, "rmmod: ERROR: Module no_such_module is not currently loaded\n");
    assert!(Outcome::of(bare("rmmod").arg("-a")).fails().contains("autoclean"));
    assert_eq!(Outcome::of(&mut bare("rmmod")).fails(), "rmmod: ERROR: missing module name.\n");
}
