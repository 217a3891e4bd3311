//! The book's features, part four: a module can crash the system; here it is reported and the system goes on.
//! `row_NN` is the row of docs/classic.md.

use testkit::World;

const TRAPS: &[(&str, &str)] = &[
    ("null", "*(volatile int *)0 = 1;"),
    ("illegal", "__builtin_trap();"),
    ("divide", "static volatile int zero; zero = 7 / zero;"),
    ("text", "*(volatile char *)(void *)&printk = 1;"),
    ("jump", "((void (*)(void))0x1000)();"),
    ("stack", "extern int deeper(int); deeper(1);"),
];

fn module(body: &str, place: &str) -> String {
    let (start, stop) = if place == "init" { (body, "") } else { ("", body) };
    format!(
        "#include \"module.h\"\n__attribute__((noinline)) int deeper(int n) {{ volatile char pad[4096]; pad[0] = n; return deeper(n + 1) + pad[0]; }}\n\
         EXPORT_NO_SYMBOLS;\nstatic int start(void) {{ {start} return 0; }}\nstatic void stop(void) {{ {stop} }}\nmodule_init(start); module_exit(stop);\n"
    )
}

#[test]
fn row_43_a_trap_in_init_is_reported_and_the_kernel_serves_on() {
    let world = World::booted(&[]);
    let good = world.compile("good", &module("", "init"), &[]);
    let _done = world.run("insmod", &[&good.to_string_lossy()]).ok();
    for (name, body) in TRAPS {
        let object =
            world.compile(name, &module(body, "init"), &["-fno-optimize-sibling-calls", "-Wno-infinite-recursion", "-Wno-div-by-zero"]);
        let refused = world.run("insmod", &[&object.to_string_lossy()]).fails_with(1);
        assert!(refused.stderr.contains(name), "{refused}");
        let log = world.run("khost", &["dmesg"]).ok().stdout;
        assert!(log.contains(&format!("[{name}]+0x")), "{name}: module and offset are named: {log}");
        let _gone = world.run("rmmod", &[name]);
        assert!(!world.loaded().contains(&(*name).to_owned()), "{name}: the entry can be removed: {:?}", world.loaded());
    }
    assert_eq!(world.loaded(), ["good"]);
    let _done = world.run("rmmod", &["good"]).ok();
    assert!(world.client().uname().expect("the kernel serves").taint.contains('D'));
}

#[test]
fn row_43_a_trap_in_cleanup_marks_the_module_and_it_never_runs_again() {
    let world = World::booted(&[]);
    let object = world.compile("bad", &module("*(volatile int *)0 = 1;", "cleanup"), &[]);
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
    let _refused = world.run("rmmod", &["bad"]);
    let log = world.run("khost", &["dmesg"]).ok().stdout;
    let faults = log.matches("[bad]+0x").count();
    assert!(faults > 0, "{log}");
    let _again = world.run("rmmod", &["bad"]);
    assert_eq!(world.run("khost", &["dmesg"]).ok().stdout.matches("[bad]+0x").count(), faults, "it was not run again");
    let _done = world.run("insmod", &[&world.compile("good", &module("", "init"), &[]).to_string_lossy()]).ok();
}
