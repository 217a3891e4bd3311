//! The book's features, part five: the sample modules in a kernel, by the real programs: the file systems as ELF and a.out, the small useful
//! modules, and those that fail. `row_NN` is the row of docs/classic.md.

use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use testkit::modules::{self, Compiler, Format, Modpost, Recipe};
use testkit::{Outcome, World, eventually};
use uapi::ProcFile;

const LONG_NAME: &str = "A long name, grüße 日本.txt";

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(|number| number.to_le_bytes()).collect()
}

/// An image with a file of a long name and one in a folder.
fn image(world: &World) -> String {
    let mut bytes = vec![0; 3 << 20];
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat16).bytes_per_cluster(512);
    fatfs::format_volume(Cursor::new(&mut bytes), options).expect("it can be formatted");
    let volume = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new()).expect("it can be opened");
    volume.root_dir().create_file(LONG_NAME).and_then(|mut file| file.write_all(&content())).expect("a file");
    volume.root_dir().create_dir("FOLDER").and_then(|folder| folder.create_file("NOTE.TXT")?.write_all(b"a note\n")).expect("a file");
    volume.unmount().expect("it can be closed");
    let path = world.path("disk.img");
    std::fs::write(&path, bytes).expect("an image");
    path.to_string_lossy().into_owned()
}

fn insmod(world: &World, object: &Path, parameters: &[&str]) -> Outcome {
    world.run("insmod", &[&[&*object.to_string_lossy()], parameters].concat())
}

/// Loads a sample; it has to work.
#[track_caller]
fn load(world: &World, name: &str, parameters: &[&str]) {
    let _done = insmod(world, &Recipe::sample(name).build(), parameters).ok();
}

#[track_caller]
fn unload(world: &World, names: &[&str]) {
    let _done = world.run("rmmod", names).ok();
}

fn log(world: &World) -> String {
    world.run("khost", &["dmesg"]).ok().stdout
}

#[track_caller]
fn assert_logged(world: &World, text: &str) {
    let log = log(world);
    assert!(log.contains(text), "`{text}` is not in:\n{log}");
}

/// The bytes of a file on a mount.
fn read(world: &World, path: &str) -> Vec<u8> {
    let output = world.command("khost").args(["cat", path]).output().expect("khost runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn row_15_depmod_and_modprobe_work_on_a_built_tree() {
    let mut world = World::new();
    modules::install(&world);
    let root = world.path("").to_string_lossy().into_owned();
    let _done = world.run("depmod", &["-b", &root, testkit::RELEASE]).ok();
    let dependencies = std::fs::read_to_string(world.tree().join("modules.dep")).expect("modules.dep");
    for line in ["fs/vfat.o: fs/fat.o", "fs/msdos.o: fs/fat.o", "fs/fat.o:"] {
        assert!(dependencies.lines().any(|found| found.trim_end() == line), "`{line}` is not in:\n{dependencies}");
    }
    world.boot(&[]);
    let _done = world.run("modprobe", &["-d", &root, "vfat"]).ok();
    assert_eq!(world.loaded(), ["vfat", "fat"]);
}

#[test]
fn row_17_aout_and_elf_serve_each_other() {
    let world = World::booted(&[]);
    let disk = image(&world);
    for fat in [Format::Elf, Format::Aout] {
        for vfat in [Format::Elf, Format::Aout] {
            let _base = insmod(&world, &Recipe::sample("fat").format(fat).build(), &[]).ok();
            let _type = insmod(&world, &Recipe::sample("vfat").format(vfat).build(), &[]).ok();
            let _mounted = world.run("khost", &["mount", "-t", "vfat", &disk, "/mnt"]).ok();
            assert!(read(&world, &format!("/mnt/{LONG_NAME}")) == content(), "{vfat:?} on {fat:?}");
            assert_eq!(read(&world, "/mnt/folder/note.txt"), b"a note\n");
            let _done = world.run("khost", &["umount", "/mnt"]).ok();
            unload(&world, &["vfat", "fat"]);
        }
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn what_one_compiler_made_serves_what_the_other_made() {
    let world = World::booted(&[]);
    let disk = image(&world);
    for (fat, vfat) in [(Compiler::Gcc, Compiler::Clang), (Compiler::Clang, Compiler::Gcc)] {
        let _base = insmod(&world, &Recipe::sample("fat").compiler(fat).build(), &[]).ok();
        let _type = insmod(&world, &Recipe::sample("vfat").compiler(vfat).build(), &[]).ok();
        let _mounted = world.run("khost", &["mount", "-t", "vfat", &disk, "/mnt"]).ok();
        assert!(read(&world, &format!("/mnt/{LONG_NAME}")) == content(), "{vfat:?} on {fat:?}");
        let _done = world.run("khost", &["umount", "/mnt"]).ok();
        unload(&world, &["vfat", "fat"]);
    }
}

#[test]
fn symbol_versions_reach_through_the_stack() {
    let world = World::booted(&["--modversions"]);
    let disk = image(&world);
    let symvers = world.path("Module.symvers");
    std::fs::write(&symvers, world.run("khost", &["symvers"]).ok().stdout).expect("a file");
    let versioned = |name: &str| {
        let release = Some(testkit::RELEASE.to_owned());
        let modpost = Modpost { release, symvers: vec![symvers.clone()], write_symvers: Some(symvers.clone()) };
        Recipe::sample(name).modpost(modpost).build()
    };
    let (fat, vfat) = (versioned("fat"), versioned("vfat"));
    for object in [&fat, &vfat] {
        let _done = insmod(&world, object, &[]).ok();
    }
    assert!(world.read(ProcFile::Ksyms).contains(" fat_read_super_R"), "exports carry their checksums");
    let _mounted = world.run("khost", &["mount", "-t", "vfat", &disk, "/mnt"]).ok();
    assert!(read(&world, &format!("/mnt/{LONG_NAME}")) == content());
    let _done = world.run("khost", &["umount", "/mnt"]).ok();
    unload(&world, &["vfat"]);
    // A vfat that was built when fat_read_super had another prototype.
    let text = std::fs::read_to_string(&symvers).expect("a file");
    let line = text.lines().find(|line| line.contains("\tfat_read_super\t")).expect("fat's exports are in the file");
    std::fs::write(&symvers, text.replace(line, &format!("0x00000001{}", &line[10..]))).expect("a file");
    for force in [&[][..], &["-f"]] {
        let refused = insmod(&world, &versioned("vfat"), force).fails_with(1);
        assert!(refused.stderr.contains("fat_read_super") && refused.stderr.contains("version"), "{refused}");
    }
    assert_eq!(world.loaded(), ["fat"]);
}

#[test]
fn two_types_on_one_base_count_two_users() {
    let world = World::booted(&[]);
    let disk = image(&world);
    for name in ["fat", "vfat", "msdos"] {
        load(&world, name, &[]);
    }
    for (kind, point) in [("vfat", "/long"), ("msdos", "/short")] {
        let _done = world.run("khost", &["mount", "-t", kind, &disk, point]).ok();
    }
    // The book's own picture: two mounts, so two users of fat, and both types refer to it.
    let classic = world.read(ProcFile::ModulesClassic);
    let fat = classic.lines().find(|line| line.starts_with("fat ")).expect("a line for fat");
    assert!(fat.ends_with("\t[msdos vfat]\t2"), "{classic}");
    let names = world.run("khost", &["ls", "/short"]).ok().stdout;
    assert!(names.contains("folder") && names.contains("~1.txt") && !names.contains("long name"), "{names}");
    let refused = world.run("khost", &["mount", "-t", "vfat", &world.path("khost.log").to_string_lossy(), "/log"]).fails_with(1);
    assert!(!refused.stderr.contains("panicked"), "{refused}");
    assert!(world.read(ProcFile::ModulesClassic).contains("\t[msdos vfat]\t2"), "a mount that fails counts nothing");
    for point in ["/long", "/short"] {
        let _done = world.run("khost", &["umount", point]).ok();
    }
    unload(&world, &["vfat", "msdos", "fat"]);
    assert!(!log(&world).contains("leaked"), "{}", log(&world));
}

#[test]
fn parameters_of_every_kind() {
    let world = World::booted(&[]);
    load(&world, "hello", &["times=2", "whom=world", "sizes=10,20,30", "tag=ab", "small=-5", "byte=9", "large=-1", "flags=3"]);
    assert_logged(&world, "hello, world\n");
    assert_logged(&world, "hello: sizes 10 20 30 8, tag ab, small -5, byte 9, large -1, flags 3");
    unload(&world, &["hello"]);
    assert_logged(&world, "goodbye, world");
    let object = Recipe::sample("hello").build();
    for (wrong, why) in
        [("nosuch=1", "nosuch"), ("sizes=1,2,3,4,5", "sizes"), ("sizes=1,,3", "sizes"), ("tag=toolong", "tag"), ("times=x", "times")]
    {
        let refused = insmod(&world, &object, &[wrong]).fails_with(1);
        assert!(refused.stderr.contains(why), "{refused}");
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
    load(&world, "old_params", &["io=0x300,010", "name=eth"]);
    assert_logged(&world, "old_params: io 768 8, name eth");
}

#[test]
fn a_module_in_rust_serves_one_in_c() {
    let world = World::booted(&[]);
    load(&world, "rot13", &[]);
    assert_logged(&world, "rot13: Uryyb sebz Ehfg");
    load(&world, "counter", &[]);
    load(&world, "counting", &[]);
    assert_logged(&world, "pbhagvat: 1");
    assert_eq!(world.loaded(), ["counting", "counter", "rot13"]);
    let refused = world.run("rmmod", &["counter"]).fails_with(1);
    assert!(refused.stderr.contains("in use"), "{refused}");
    unload(&world, &["counting", "counter", "rot13"]);
    assert_logged(&world, "counter: ends at 2");
    load(&world, "rot13", &["rot13_shift=1"]);
    assert_logged(&world, "rot13: Ifmmp gspn Svtu");
    unload(&world, &["rot13"]);
    let _refused = insmod(&world, &Recipe::sample("rot13").build(), &["rot13_shift=26"]).fails_with(1);
    assert_logged(&world, "a shift of 26 is not between 0 and 25");
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn interrupts_are_counted() {
    let world = World::booted(&[]);
    load(&world, "ticker", &["irq=7"]);
    for _ in 0..3 {
        let _done = world.run("khost", &["irq", "raise", "7"]).ok();
    }
    unload(&world, &["ticker"]);
    assert_logged(&world, "ticker: 3 ticks, 0 outside of interrupts");
    load(&world, "ticker", &["every=5"]);
    eventually("the timer has ticked", || log(&world).contains("ticker: 5 ticks of line 0"));
    unload(&world, &["ticker"]);
    let _refused = insmod(&world, &Recipe::sample("ticker").build(), &["irq=99"]).fails_with(1);
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn exports_by_list_by_default_and_by_table() {
    let world = World::booted(&[]);
    load(&world, "globals", &[]);
    let symbols = world.read(ProcFile::Ksyms);
    for name in ["globals_value", "globals_shared", "globals_add"] {
        assert!(symbols.contains(&format!(" {name}\t[globals]")), "{symbols}");
    }
    assert!(!symbols.contains("hidden_value"), "{symbols}");
    load(&world, "symtab", &[]);
    let symbols = world.read(ProcFile::Ksyms);
    assert!(symbols.contains("symtab_open\t[symtab]") && !symbols.contains("symtab_kept"), "{symbols}");
    unload(&world, &["symtab"]);
    load(&world, "symtab", &["table=0"]);
    assert!(!world.read(ProcFile::Ksyms).contains("[symtab]"));
}

#[test]
fn a_symbol_of_the_kernel_can_be_overridden() {
    let world = World::booted(&[]);
    load(&world, "measure", &[]);
    assert_logged(&world, "measure: strlen of \"four\" is 4");
    unload(&world, &["measure"]);
    load(&world, "loud", &[]);
    load(&world, "measure", &["word=seven"]);
    assert_logged(&world, "measure: strlen of \"seven\" is 6");
    unload(&world, &["measure", "loud"]);
}

#[test]
fn a_module_asks_for_another_while_it_is_loaded() {
    let mut world = World::new();
    modules::build_tree(&world.path(""), testkit::RELEASE, &["nested", "hello"].map(Recipe::sample)).expect("a tree");
    let root = world.path("").to_string_lossy().into_owned();
    let _done = world.run("depmod", &["-b", &root, testkit::RELEASE]).ok();
    world.boot(&[]);
    let _refused = insmod(&world, &Recipe::sample("nested").build(), &[]).fails_with(1);
    assert_logged(&world, "nested: hello was answered with -19");
    world.kerneld(&["keep"]);
    load(&world, "nested", &[]);
    assert_logged(&world, "nested: hello was answered with 0");
    assert_eq!(world.loaded(), ["hello", "nested"], "it was in the list before it asked");
    unload(&world, &["nested"]);
    let _refused = insmod(&world, &Recipe::sample("nested").build(), &["want=nosuch"]).fails_with(1);
    assert_eq!(world.loaded(), ["hello"]);
}

#[test]
fn what_cannot_be_linked_is_refused_by_name() {
    let world = World::booted(&[]);
    for (name, why) in [("no_cleanup", "cleanup_module"), ("no_init", "init_module"), ("missing_symbol", "no_such_function")] {
        let refused = insmod(&world, &Recipe::sample(name).build(), &[]).fails_with(1);
        assert!(refused.stderr.contains(why), "{refused}");
    }
    let refused = insmod(&world, &Recipe::sample("missing_symbol").build(), &[]).fails_with(1);
    assert!(refused.stderr.contains("no_such_variable") && !refused.stderr.contains("maybe_there"), "{refused}");
    let refused = insmod(&world, &Recipe::sample("wrong_version").build(), &[]).fails_with(1);
    assert!(refused.stderr.contains("1.2.13"), "{refused}");
    assert_eq!(world.loaded(), Vec::<String>::new());
    load(&world, "wrong_version", &["-f"]);
    let world = World::booted(&["--modversions"]);
    let object = Recipe::sample("wrong_version").flags(&["-DWRONG_CHECKSUM"]).build();
    let refused = insmod(&world, &object, &["-f"]).fails_with(1);
    assert!(refused.stderr.contains("printk") && refused.stderr.contains("version"), "{refused}");
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn an_init_that_fails_leaves_nothing() {
    let world = World::booted(&[]);
    let before = world.read(ProcFile::Ksyms);
    let _refused = insmod(&world, &Recipe::sample("init_fails").build(), &[]).fails_with(1);
    assert_logged(&world, "init_fails: fails with -5");
    assert!(!log(&world).contains("cleanup was called"), "{}", log(&world));
    assert_eq!((world.loaded(), world.read(ProcFile::Ksyms)), (Vec::new(), before));
}

#[test]
fn a_slow_init_holds_up_nobody() {
    let world = World::booted(&[]);
    let object = Recipe::sample("sleeper").build();
    let start = Instant::now();
    let mut slow = world.command("insmod").arg(&object).arg("ms=1500").spawn().expect("insmod starts");
    eventually("init has begun", || log(&world).contains("sleeper: sleeps"));
    load(&world, "hello", &[]);
    let _refused = world.run("rmmod", &["sleeper"]).fails_with(1);
    assert!(world.read(ProcFile::ModulesClassic).contains("(uninitialized)"));
    assert!(!log(&world).contains("sleeper: awake"), "all this was done while it slept ({:?})", start.elapsed());
    // Whoever loaded it may die: init goes on, and then the module runs.
    slow.kill().expect("a child can be killed");
    let _status = slow.wait();
    eventually("init has ended", || log(&world).contains("sleeper: awake"));
    eventually("the module runs", || world.run("rmmod", &["sleeper"]).code == Some(0));
    assert!(start.elapsed() < Duration::from_secs(15));
}

/// Ways to trap, as `modules/bad/trap.h` has them.
const TRAPS: &[&str] = &["null", "ud2", "div", "write-rodata", "write-text", "stack", "jump", "jump-data"];

#[test]
fn traps_in_init_and_cleanup_are_contained() {
    let world = World::booted(&[]);
    for how in TRAPS {
        let name = format!("trap-{how}");
        let object = Recipe::sample("trap").build().to_string_lossy().into_owned();
        let _refused = world.run("insmod", &["-o", &name, &object, &format!("how={how}")]).fails_with(1);
        assert!(log(&world).contains(&name), "{how} is reported: {}", log(&world));
        let _gone = world.run("rmmod", &[&name]);
        assert!(!world.loaded().contains(&name), "{how}: the entry can be removed");
        let name = format!("late-{how}");
        let object = Recipe::sample("trap_exit").build().to_string_lossy().into_owned();
        let _done = world.run("insmod", &["-o", &name, &object, &format!("how={how}")]).ok();
        let _outcome = world.run("rmmod", &[&name]);
        assert!(log(&world).contains(&name), "{how} is reported: {}", log(&world));
    }
    let text = log(&world);
    assert!(!text.contains("nothing happened") && !text.contains("cleanup was called"), "{text}");
    load(&world, "hello", &[]);
}

#[test]
fn what_a_module_leaves_behind_is_taken_away() {
    let world = World::booted(&[]);
    load(&world, "leak", &["blocks=5", "bytes=200"]);
    unload(&world, &["leak"]);
    assert_logged(&world, "`leak` leaked memory: 1000 bytes in 5 blocks");
    load(&world, "forgets", &["irq=6"]);
    unload(&world, &["forgets"]);
    assert_logged(&world, "`forgets` went without free_irq");
    assert_logged(&world, "`forgets` went without unregister_filesystem");
    // The line and the name are free again, and nothing calls into memory that is gone.
    let _raised = world.run("khost", &["irq", "raise", "6"]);
    load(&world, "forgets", &["irq=6"]);
    load(&world, "stuck", &[]);
    let refused = world.run("rmmod", &["stuck"]).fails_with(1);
    assert!(refused.stderr.contains("in use") || refused.stderr.contains("busy"), "{refused}");
}

#[test]
fn init_does_not_see_its_own_exports() {
    let world = World::booted(&[]);
    load(&world, "probe_state", &[]);
    assert_logged(&world, "probe_state: in init its exports are hidden");
    assert!(world.read(ProcFile::Ksyms).contains("probe_state_here\t[probe_state]"));
    unload(&world, &["probe_state"]);
    assert!(!world.read(ProcFile::Ksyms).contains("probe_state_here"));
}
