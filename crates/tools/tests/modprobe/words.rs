//! Command lines and configuration as scripts written for kmod have them.

use std::fs;

use crate::hosted::{configure, stacked};
use crate::world::{Outcome, RELEASE, World};

#[test]
fn the_last_of_several_options_counts() {
    let world = stacked();
    let shown = |line: &str| world.run(line).ok();
    let name = shown("modinfo -n lower").trim_end().to_owned();
    for line in ["modinfo -a -d -l -n lower", "modinfo -F license -n lower", "modinfo -p -n -0 -0 -n lower"] {
        assert_eq!(shown(line).trim_end_matches(['\0', '\n']), name, "{line}");
    }
    let told = world.run(&format!("depmod -n -n -v -v -e -e -b /nosuch -b . {RELEASE}"));
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.stdout.contains("fs/upper.o: fs/lower.o\n"));
    assert!(world.run("rmmod -v -v -f -f nosuch").fails().contains("Module nosuch is not currently loaded"));
    assert!(world.run("insmod -s -s -v -v ./nosuch.o").fails().contains("nosuch.o"));
    world.run("lsmod -v -v -s -s").ok();
    world.run("static-nodes -f human -f tmpfiles -o one -o two").warns();
    assert!(!world.path("two").exists(), "there is nothing to tell of");
    fs::write(world.path(&format!("lib/modules/{RELEASE}/modules.devname")), "loop loop-control c10:237\n").unwrap();
    world.run("static-nodes -f human -f tmpfiles -o one -o two").ok();
    assert!(world.path("two").exists() && !world.path("one").exists());
}

/// What is asked for as JSON and cannot be told so is not done in silence.
#[test]
fn json_needs_a_question() {
    let world = stacked();
    for line in ["modprobe --json upper", "modprobe --json -r upper", "modprobe --json --graph=tree upper"] {
        assert_eq!(world.run(line).fails(), "modprobe: ERROR: --json needs -D, -R, -c, --lint or --show-closure\n", "{line}");
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
}

/// A link on the way is part of the name that the user knows.
#[test]
fn relative_files_are_shown_where_the_user_is() {
    let world = stacked();
    std::os::unix::fs::symlink(world.path(&format!("lib/modules/{RELEASE}/fs")), world.path("here")).unwrap();
    let here = world.path("here");
    let shown = |pwd: &std::path::Path| {
        let mut command = world.command("modinfo");
        Outcome::of(command.current_dir(&here).env("PWD", pwd).args(["-n", "./upper.o"])).ok()
    };
    assert_eq!(shown(&here), format!("{}/./upper.o\n", here.display()));
    let real = fs::canonicalize(&here).unwrap();
    assert_eq!(shown(&world.path("lib")), format!("{}/./upper.o\n", real.display()), "the variable is wrong");
}

#[test]
fn values_may_be_empty_or_begin_with_a_dash() {
    let world = stacked();
    configure(&world, "options upper level=7\n");
    fs::create_dir(world.path("-dir")).unwrap();
    fs::write(world.path("-dir/x.conf"), "options upper level=8\n").unwrap();
    let options = |words: &[&str]| {
        let plan = Outcome::of(world.command("modprobe").args(words)).ok();
        plan.lines().find_map(|line| line.split_once("upper.o ").map(|(_, options)| options.trim().to_owned())).unwrap()
    };
    assert_eq!(options(&["-D", "upper"]), "level=7");
    assert_eq!(options(&["-D", "-C", "", "upper"]), "", "no configuration at all");
    assert_eq!(options(&["-D", "-C", "-dir", "upper"]), "level=8");
    assert!(Outcome::of(world.command("insmod").arg("")).fails().starts_with("insmod: ERROR: "));
    assert_eq!(world.run("modprobe -D a[b").fails().lines().count(), 1);
    assert!(world.run("modprobe -a -D a[b upper").stdout.contains("upper.o"), "the others are still tried");
}

/// `-C` files are sorted as those of a directory are, and of one name only the first counts.
#[test]
fn configuration_files_are_sorted_by_name() {
    let world = stacked();
    for (file, text) in [("one/a.conf", "x=1"), ("two/a.conf", "x=2"), ("two/b.conf", "y=2"), ("plain", "z=3")] {
        let path = world.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("options upper {text}\n")).unwrap();
    }
    let options = |line: &str| {
        let plan = world.run(&format!("modprobe -D {line} upper")).ok();
        plan.lines().find_map(|line| line.split_once("upper.o ").map(|(_, options)| options.trim().to_owned())).unwrap()
    };
    assert_eq!(options("-C two/b.conf -C one/a.conf"), "x=1 y=2");
    assert_eq!(options("-C one/a.conf -C two/a.conf"), "x=1");
    assert_eq!(options("-C one/a.conf -C one/a.conf"), "x=1");
    assert_eq!(options("-C plain -C two -C one"), "x=2 y=2 z=3");
}

/// A modprobe within a command obeys the options of the one that runs it.
#[test]
fn commands_are_given_the_options_of_the_call() {
    let world = stacked();
    fs::write(
        world.path("my.conf"),
        "install third printf '%s' \"$MODPROBE_OPTIONS\" > told\nremove third printf '%s' \"$MODPROBE_OPTIONS\" > told\n",
    )
    .unwrap();
    let told = |line: &str, variable: Option<&str>| {
        let mut command = world.command("modprobe");
        command.args(line.split_whitespace());
        variable.map(|words| command.env("MODPROBE_OPTIONS", words));
        assert_eq!(Outcome::of(&mut command).status, Some(0), "{line}");
        fs::read_to_string(world.path("told")).unwrap()
    };
    assert_eq!(told("-C my.conf third", None), "-C my.conf");
    assert_eq!(told("-q -C my.conf third", None), "-C my.conf -q");
    assert_eq!(told("-v -s -r third", Some("-C my.conf")), "-C my.conf -C my.conf -v -s");
    fs::rename(world.path("my.conf"), world.path("my own.conf")).unwrap();
    let done = Outcome::of(world.command("modprobe").args(["-C", "my own.conf", "third"]));
    assert_eq!(done.status, Some(0));
    assert_eq!(fs::read_to_string(world.path("told")).unwrap(), "-C \"my own.conf\"");
}

/// One that is not there is no reason to leave the others.
#[test]
fn removing_goes_on_after_one_that_fails() {
    let world = stacked();
    world.run("modprobe -a upper third").ok();
    let told = world.run("modprobe -r nosuch third").fails();
    assert!(told.contains("FATAL: Module nosuch not found."), "{told}");
    assert_eq!(world.loaded(), ["upper", "lower"]);
}

/// With -v a step is printed before it is done.
#[test]
fn what_is_done_is_said_first() {
    let world = stacked();
    configure(&world, "install third echo done\nremove third echo gone $CMDLINE_OPTS\n");
    assert_eq!(world.run("modprobe -v third").ok(), "install echo done \ndone\n");
    assert_eq!(world.run("modprobe -r -v third").ok(), "remove echo gone \ngone\n");
}

fn depmod(world: &World, configuration: &str, line: &str) -> Outcome {
    fs::write(world.path("depmod.conf"), configuration).unwrap();
    world.run(&format!("depmod -n -b . -C depmod.conf {line} {RELEASE}"))
}

#[test]
fn depmod_goes_on_where_kmods_does() {
    let world = stacked();
    let told = depmod(&world, "external * /nosuch/dir\nbogus\n", "-q -u -r");
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.stdout.contains("fs/upper.o: fs/lower.o\n"));
    assert!(told.stderr.contains("depmod: ERROR: could not open directory /nosuch/dir: No such file or directory\n"), "{told:?}");
    assert!(
        told.stderr.contains("depmod: ERROR: depmod.conf:1: ignoring bad line starting with 'bogus'\n")
            || told.stderr.contains("depmod.conf:2")
    );
    assert!(told.stderr.contains("deprecated option"));
    let told = depmod(&world, "include /nosuch\nmake_map_files no\n", "");
    assert!(told.status == Some(0) && !told.stderr.contains("bad line"), "{told:?}");
    for line in ["abc", "6", "6.x", "/a.ko"] {
        assert_eq!(world.run(&format!("depmod {line}")).fails(), format!("depmod: ERROR: Bad version passed {line}\n"));
    }
    assert_eq!(world.run(&format!("depmod -b . -F /dev/null -P ab {RELEASE}")).fails(), "depmod: FATAL: -P only takes a single char\n");
}

/// Indexes of single files replace those of the whole tree: only who asks for that gets it.
#[test]
fn files_make_indexes_of_their_own_only_without_a_word_about_the_tree() {
    let world = stacked();
    let file = world.path(&format!("lib/modules/{RELEASE}/fs/third.o"));
    let modules = |words: &str| world.run(&format!("depmod -n -b {} {words}", world.dir.path().display())).stdout.matches(".o:").count();
    assert_eq!(modules(&format!("{RELEASE} {}", file.display())), 1);
    assert_eq!(modules(&format!("-a {RELEASE} {}", file.display())), 4);
    assert_eq!(modules(&format!("-a {RELEASE} relative.o")), 4);
    fs::remove_file(world.path(&format!("lib/modules/{RELEASE}/modules.dep"))).unwrap();
    assert_eq!(modules(&format!("-A {RELEASE} {}", file.display())), 4);
}

#[test]
fn of_equal_files_that_of_the_tree_counts() {
    let world = stacked();
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::copy(world.path(&format!("lib/modules/{RELEASE}/fs/lower.o")), outside.join("lower.o")).unwrap();
    let line = format!("external * {}\n", outside.display());
    assert!(depmod(&world, &line, "").stdout.contains("fs/upper.o: fs/lower.o\n"));
    let preferred = depmod(&world, &format!("search external built-in\n{line}"), "").stdout;
    assert!(preferred.contains(&format!("fs/upper.o: {}/lower.o\n", outside.display())), "{preferred}");
    // Words behind the third are nothing.
    fs::create_dir(world.path(&format!("lib/modules/{RELEASE}/zz"))).unwrap();
    fs::copy(outside.join("lower.o"), world.path(&format!("lib/modules/{RELEASE}/zz/lower.o"))).unwrap();
    assert!(depmod(&world, "override lower * zz more words\n", "").stdout.contains("fs/upper.o: zz/lower.o\n"));
}

/// `-E` asks for checksums, `-e` for symbols that nobody has.
#[test]
fn checks_of_symbols_are_separate() {
    let world = stacked();
    let object =
        world.compile("lonely", "extern int nobody(void);\nint init_module(void) { return nobody(); }\nvoid cleanup_module(void) {}\n");
    fs::rename(object, world.path(&format!("lib/modules/{RELEASE}/fs/lonely.o"))).unwrap();
    fs::write(world.path("symvers"), "0x00000001\tprintk\tvmlinux\tEXPORT_SYMBOL\n").unwrap();
    fs::write(world.path("map"), "0000000000000000 T printk\n0000000000000000 r __ksymtab_printk\n").unwrap();
    let unknown = |line: &str| {
        let told = depmod(&world, "", line);
        assert_eq!(told.status, Some(0), "{told:?}");
        told.stderr.contains("lonely.o needs unknown symbol nobody\n")
    };
    assert!(!unknown("-E symvers") && !unknown("-F map") && !unknown("-F map -E symvers"));
    assert!(unknown("-e -E symvers") && unknown("-e -F map") && unknown("-e -F map -E symvers"));
    fs::write(world.path("map"), "0000000000000000 T nobody\n0000000000000000 r __ksymtab_printk\n").unwrap();
    assert!(unknown("-e -F map"), "the kernel has it, but does not export it");
    fs::write(world.path("map"), "").unwrap();
    let mut linux = world.command("depmod");
    let told = Outcome::of(linux.env_remove("MODUTILS_KERNEL").args(["-n", "-e", "-F", "map", "-b", ".", RELEASE])).stderr;
    assert!(told.contains("`map` names no symbol that the kernel exports: -e checks nothing\n"), "{told}");
}

/// A name that the kernel has for itself may be the name of what a module exports: `make modules_install` gives the whole System.map.
#[test]
fn a_symbol_that_the_kernel_does_not_export_hides_no_module() {
    let world = stacked();
    fs::write(world.path("map"), "0000000000000000 t lower_answer\n0000000000000000 r __ksymtab_printk\n").unwrap();
    let told = depmod(&world, "", "-ae -F map").stdout;
    assert!(told.contains("fs/upper.o: fs/lower.o\n"), "{told}");
    fs::write(world.path("map"), "0000000000000000 r __ksymtab_lower_answer\n").unwrap();
    let told = depmod(&world, "", "-ae -F map").stdout;
    assert!(told.contains("fs/upper.o:\n"), "{told}");
}

/// Also those of symbols that the module could do without: the kernel refuses it where one that is there differs.
#[test]
fn checksums_are_compared_with_e_only() {
    let world = stacked();
    let object = world.compile(
        "asks",
        "extern int printk(void) __attribute__((weak));\nint init_module(void) { return printk(); }\nvoid cleanup_module(void) {}\n",
    );
    fs::rename(object, world.path(&format!("lib/modules/{RELEASE}/fs/asks.o"))).unwrap();
    let symvers = |crc: &str| fs::write(world.path("symvers"), format!("{crc}\tprintk\tvmlinux\tEXPORT_SYMBOL\n")).unwrap();
    symvers("0x00000001");
    world.run(&format!("modpost --symvers symvers --release {RELEASE} lib/modules/{RELEASE}/fs/asks.o")).ok();
    let differs = |line: &str| depmod(&world, "", line).stderr.contains("asks.o disagrees about version of symbol printk\n");
    assert!(!differs("-e -E symvers"));
    symvers("0x00000002");
    assert!(differs("-e -E symvers") && !differs("-E symvers"));
}

#[test]
fn a_prefix_is_taken_off_symbols() {
    let world = stacked();
    let told = depmod(&world, "", "-P l").stdout;
    assert!(told.contains("alias symbol:ower_answer lower\n") && told.contains("fs/upper.o: fs/lower.o\n"), "{told}");
}

/// What is wrong with an index is told although the word is not found, in which the damage may well be the reason.
#[test]
fn a_damaged_index_is_told_of_in_any_case() {
    let world = stacked();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    fs::write(tree.join("modules.dep.bin"), "no index, but long enough for one").unwrap();
    fs::remove_file(tree.join("modules.dep")).unwrap();
    for line in ["modprobe -D lower", "modprobe -R lower", "modprobe lower", "modinfo lower"] {
        let told = world.run(line).fails();
        assert!(told.contains("lower not found") && told.contains("modules.dep.bin`: not an index"), "{line}: {told}");
    }
    assert_eq!(world.run("modprobe -q lower").fails(), "");
    // kmod leaves empty files where it has nothing to write.
    fs::write(tree.join("modules.dep.bin"), "").unwrap();
    assert!(!world.run("modprobe -D lower").fails().contains("WARNING"));
}

/// A full disk leaves indexes that begin well and end too early, as kmod's depmod renames them into place all the same.
#[test]
fn an_index_that_is_cut_off_is_replaced_by_its_text() {
    let world = stacked();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    let whole: Vec<String> = ["modprobe -D fs-upper", "modprobe -c", "modinfo -n upper"].map(|line| world.run(line).ok()).into();
    for name in ["modules.dep", "modules.alias", "modules.symbols"] {
        let bin = tree.join(format!("{name}.bin"));
        let bytes = fs::read(&bin).unwrap();
        for length in [13, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&bin, &bytes[..length]).unwrap();
            for (line, wanted) in ["modprobe -D fs-upper", "modprobe -c", "modinfo -n upper"].into_iter().zip(&whole) {
                let told = world.run(line);
                assert_eq!(told.stdout, *wanted, "{line} with {length} bytes of {name}.bin: {}", told.stderr);
            }
        }
        fs::write(&bin, &bytes[..13]).unwrap();
        let line = if name == "modules.dep" { "modprobe -D upper" } else { "modprobe -c" };
        let told = world.run(line).stderr;
        assert!(told.contains(&format!("`{name}` is read instead; `depmod {RELEASE}` makes the indexes anew")), "{told}");
        fs::write(&bin, bytes).unwrap();
    }
}

/// Where nothing can be found, the tree is to blame: after an upgrade, or before the first depmod.
#[test]
fn a_tree_without_modules_is_told_of_once() {
    let world = World::new();
    let told = |line: &[&str]| {
        let mut command = world.command(line[0]);
        Outcome::of(command.env_remove("MODUTILS_KERNEL").args(&line[1..])).fails()
    };
    let running = String::from_utf8(std::process::Command::new("uname").arg("-r").output().unwrap().stdout).unwrap();
    let running = running.trim();
    for (made, reason) in [
        ("other", format!("no `{}`: no modules of this release", world.path("other/lib/modules").join(running).display())),
        ("other/lib/modules/0.1", format!("the modules of the running kernel {running} are gone")),
        (&format!("other/lib/modules/{running}"), format!("`depmod {running}` makes it")),
    ] {
        fs::create_dir_all(world.path(made)).unwrap();
        let text = told(&["modprobe", "-a", "-d", "other", "a", "b"]);
        assert_eq!(text.matches(&reason).count(), 1, "{text}");
        assert!(text.contains("Module a not found") && text.contains("Module b not found"), "{text}");
        assert_eq!(told(&["modprobe", "-q", "-d", "other", "a"]), "");
        assert_eq!(told(&["modprobe", "-d", "other", "-S", running, "a"]).lines().count(), 1, "who names a release knows");
    }
}

#[test]
fn a_module_may_export_nothing() {
    let world = stacked();
    let shown = |module: &str| world.run(&format!("modprobe --show-exports lib/modules/{RELEASE}/fs/{module}.o")).ok();
    assert!(shown("lower").ends_with("\tlower_answer\n"));
    assert_eq!(shown("upper"), "");
    assert_eq!(world.run(&format!("modprobe --show-modversions lib/modules/{RELEASE}/fs/upper.o")).ok(), "");
}

/// Rules may have been meant to stand there.
#[test]
fn what_only_looks_like_a_file_of_the_configuration_is_told_of() {
    let world = stacked();
    configure(&world, "options upper level=5\n");
    let conf = world.path("etc/modprobe.d");
    fs::create_dir(conf.join("folder.conf")).unwrap();
    fs::create_dir(conf.join("folder")).unwrap();
    std::os::unix::fs::symlink("/nosuch", conf.join("rules.conf")).unwrap();
    std::os::unix::fs::symlink("/dev/null", conf.join("hidden.conf")).unwrap();
    let told = world.run("modprobe -D upper");
    assert!(told.stdout.contains("upper.o level=5 \n"), "{told:?}");
    let names: Vec<&str> =
        told.stderr.lines().filter_map(|line| line.split_once(" is a directory, or a link")?.0.rsplit('/').next()).collect();
    assert_eq!(names, ["folder.conf", "rules.conf"], "{told:?}");
}

/// Commands keep their blanks and lose their backslashes, as kmod gives them to the shell; options have blanks for tabs.
#[test]
fn commands_reach_the_shell_as_they_are_written() {
    let world = stacked();
    configure(&world, "install upper printf '\t%s' \\\\t \\\"\noptions lower\ta=1\tb=\\\\\ninstall third  \n");
    let shown = world.run("modprobe -c").ok();
    assert!(shown.contains("install upper printf '\t%s' \\t \"\n") && shown.contains("options lower a=1 b=\\\n"), "{shown}");
    assert!(shown.contains("install third  \n"), "{shown}");
    world.run("modprobe third").ok();
    assert_eq!(world.loaded(), Vec::<String>::new(), "a command that does nothing");
}

#[test]
fn lines_may_end_as_in_dos() {
    let world = stacked();
    configure(&world, "alias dos upper\r\noptions upper level=4\r\n");
    let shown = world.run("modprobe -c").ok();
    assert!(shown.contains("alias dos upper\n") && shown.contains("options upper level=4\n"), "{shown}");
    assert!(world.run("modprobe -D dos").ok().contains("upper.o level=4 \n"));
    configure(&world, "  # a remark\noptions upper level=5 \\");
    let told = world.run("modprobe -D upper");
    assert!(told.stdout.contains("upper.o level=5  \n") && told.stderr.is_empty(), "{told:?}");
}
