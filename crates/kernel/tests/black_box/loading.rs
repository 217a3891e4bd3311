//! `Kernel::load`: object files of the system's compiler, inside the process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kernel::{Fault, Force, Lifetime, Load, Modversions, Oops, PerfMap, Unwind};
use uapi::{Errno, ProcFile};

use crate::world::World;

/// Compiles C with the flags that module authors are told to use.
fn compile(source: &str, flags: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("module.c"), directory.path().join("module.o"));
    std::fs::write(&input, source).unwrap();
    run(Command::new("cc").args(["-O2", "-ffreestanding", "-c"]).args(flags).arg(&input).arg("-o").arg(&output), &input);
    std::fs::read(&output).unwrap()
}

fn run(command: &mut Command, input: &Path) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", input.display(), String::from_utf8_lossy(&output.stderr));
}

const PIC_GLOBAL: &[&str] = &["-fPIC"];

const PIC: &[&str] = &["-fPIC", "-fvisibility=hidden"];

const HEADER: &str = r#"
#define INFO(text) __attribute__((section(".modinfo"), used)) static const char info_##text[]
INFO(kernel_version) = "kernel_version=2.0.40-test";
extern long mod_use_count_;
extern int add(int, int);
"#;

const FAT: &str = r#"
static int calls = 40;
int start = 2;
__attribute__((section("__ksymtab_strings"), used)) static const char exports[] = "fat_next";
int fat_next(int more) { calls += more; return add(calls, 0); }
int init_module(void) { calls += start; return 0; }
void cleanup_module(void) {}
"#;

const VFAT: &str = r#"
extern int fat_next(int);
__attribute__((section(".init.text"))) int init_module(void) { return fat_next(1) == 43 ? 0 : -1; }
void cleanup_module(void) { fat_next(1000); }
"#;

extern "C" fn add(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}

fn world(settings: impl FnOnce(kernel::KernelBuilder) -> kernel::KernelBuilder) -> World {
    World::with(|builder| settings(builder.export("add", add as *const () as u64, "int add(int, int)")))
}

#[test]
fn compiled_modules_stack_and_go() {
    let world = world(|builder| builder);
    let source = |body: &str| format!("{HEADER}{body}");
    world.kernel.load(&compile(&source(FAT), PIC), &Load::named("fat")).unwrap();
    world.kernel.load(&compile(&source(VFAT), PIC), &Load::named("vfat")).unwrap();
    assert!(world.classic().contains("[vfat]\t0\n"), "{}", world.classic());
    let next = world.kernel.get_module_symbol(Some("fat"), "fat_next").unwrap();
    assert_eq!(world.kernel.call(next, [7, 0, 0, 0, 0, 0]), Ok(50));
    assert_eq!(world.kernel.unload("fat").unwrap_err().errno(), Errno::EBUSY);
    world.kernel.unload("vfat").unwrap();
    assert_eq!(world.kernel.call(next, [0; 6]), Ok(1050), "cleanup of vfat ran");
    world.kernel.unload("fat").unwrap();
    assert_eq!(world.kernel.proc(ProcFile::Modules), "");
}

/// The same code in an a.out container.
fn compile_aout(source: &str) -> Vec<u8> {
    let flags = ["-fno-pic", "-mcmodel=small", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-fno-stack-protector"];
    modlink::aout::write(&compile(source, &flags)).unwrap()
}

#[test]
fn row_17_aout_and_elf_modules_serve_each_other() {
    let source =
        |body: &str| format!("{}{body}", HEADER.replace("INFO(kernel_version) = \"kernel_version=", "const char kernel_version[] = \""));
    let [fat, vfat] = [FAT, VFAT].map(|body| source(&body.replace("__attribute__((section(\"__ksymtab_strings\"), used)) static", "")));
    let vfat = vfat.replace("__attribute__((section(\".init.text\")))", "");
    for (base, user) in [(compile_aout(&fat), compile(&vfat, PIC_GLOBAL)), (compile(&fat, PIC_GLOBAL), compile_aout(&vfat))] {
        let world = world(|builder| builder);
        world.kernel.load(&base, &Load::named("fat")).unwrap();
        world.kernel.load(&user, &Load::named("vfat")).unwrap();
        let next = world.kernel.get_module_symbol(None, "fat_next").unwrap();
        assert_eq!(next < 4 << 30, base.starts_with(&[0x07, 0x01]), "a.out code lies below 4 GiB: {next:#x}");
        world.kernel.unload("vfat").unwrap();
        assert_eq!(world.kernel.call(next, [0; 6]), Ok(1043));
        world.kernel.unload("fat").unwrap();
    }
}

#[test]
fn parameters_and_lifetime_are_obeyed() {
    let world = world(|builder| builder);
    let load = Load { parameters: &["start=10"], lifetime: Lifetime::Autoclean, ..Load::named("fat") };
    world.kernel.load(&compile(&format!("{HEADER}{FAT}"), PIC), &load).unwrap();
    let next = world.kernel.get_module_symbol(None, "fat_next").unwrap();
    assert_eq!(world.kernel.call(next, [0; 6]), Ok(50));
    world.kernel.autoclean().unwrap();
    world.kernel.autoclean().unwrap();
    assert!(world.names().is_empty());
}

#[test]
fn refusals_say_why_and_leave_nothing() {
    let world = world(|builder| builder);
    let source = |body: &str| format!("{HEADER}{body}");
    let rows = [
        ("undefined", source(VFAT), "fat_next"),
        ("no cleanup", source("int init_module(void) { return 0; }"), "cleanup_module"),
        ("wrong release", source(FAT).replace("2.0.40-test", "2.0.35"), "2.0.35"),
        ("fails", source("int init_module(void) { return -3; } void cleanup_module(void) {}"), "returned -3"),
    ];
    for (what, source, reason) in rows {
        let error = world.kernel.load(&compile(&source, PIC), &Load::named("bad")).unwrap_err().to_string();
        assert!(error.contains(reason), "{what}: {error}");
        assert!(world.log.text().contains(reason), "{what}: the reason is in the log");
        assert!(world.names().is_empty(), "{what}");
    }
    for bytes in [&b""[..], b"not an object", &[0x7f, b'E', b'L', b'F']] {
        assert_eq!(world.kernel.load(bytes, &Load::named("bad")).unwrap_err().errno(), Errno::ENOEXEC);
    }
    let object = compile(&source(FAT).replace("2.0.40-test", "2.0.35"), PIC);
    world.kernel.load(&object, &Load { force: Force::Yes, ..Load::named("forced") }).unwrap();
    assert_eq!(world.kernel.taint(), "F");
}

#[test]
fn a_module_that_names_no_release_loads_with_a_warning_and_taints_nothing() {
    let world = world(|builder| builder);
    let source = "int init_module(void) { return 0; } void cleanup_module(void) {}";
    world.kernel.load(&compile(source, PIC), &Load::named("plain")).unwrap();
    assert!(world.log.text().contains("couldn't find the kernel version"), "{}", world.log.text());
    assert_eq!((world.names(), world.kernel.taint().as_str()), (vec!["plain".to_owned()], ""));
}

#[test]
fn a_versioned_kernel_serves_plain_modules() {
    let world = world(|builder| builder.modversions(Modversions::On));
    world.kernel.load(&compile(&format!("{HEADER}{FAT}"), PIC), &Load::named("fat")).unwrap();
    assert_eq!(world.names(), ["fat"]);
}

#[test]
fn a_trap_in_compiled_code_names_its_function() {
    let world = world(|builder| builder.oops(Oops::Diagnose));
    let body = "int init_module(void) { return 0; } void cleanup_module(void) {} \
                __attribute__((visibility(\"default\"))) int crash(int *p) { return *p; }";
    world.kernel.load(&compile(&format!("{HEADER}{body}"), PIC), &Load::named("bad")).unwrap();
    let crash = world.kernel.get_module_symbol(None, "crash").unwrap();
    assert!(world.kernel.call(crash, [0; 6]).is_err());
    assert!(world.log.text().contains("(crash+0x0)"), "{}", world.log.text());
}

#[test]
fn perf_finds_names_in_its_map() {
    let world = world(|builder| builder.perf_map(PerfMap::Write));
    world.kernel.load(&compile(&format!("{HEADER}{FAT}"), PIC), &Load::named("perf_fat")).unwrap();
    let next = world.kernel.get_module_symbol(None, "fat_next").unwrap();
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let map = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let line = map.lines().find(|line| line.ends_with(" fat_next [perf_fat]")).unwrap_or_else(|| panic!("{map}"));
    let mut words = line.split(' ');
    assert_eq!(u64::from_str_radix(words.next().unwrap(), 16), Ok(next));
    assert!(u64::from_str_radix(words.next().unwrap(), 16).unwrap() > 0);
}

#[test]
fn backtraces_cross_module_code() {
    use std::sync::Mutex;
    static DEPTH: Mutex<Vec<String>> = Mutex::new(Vec::new());
    extern "C" fn look() {
        let text = std::backtrace::Backtrace::force_capture().to_string();
        DEPTH.lock().unwrap().push(text);
    }
    #[inline(never)]
    fn marker_before_the_module(world: &World, entry: u64) {
        world.kernel.call(entry, [0; 6]).unwrap();
        std::hint::black_box(());
    }
    let source = "extern void look(void); void entry(void) { look(); __asm__ volatile (\"\"); } \
                  int init_module(void) { return 0; } void cleanup_module(void) {}";
    let source = format!("{HEADER}{source}");
    for oops in [Oops::Off, Oops::Diagnose] {
        for unwind in [Unwind::Off, Unwind::Register] {
            let world =
                Arc::new(world(|builder| builder.oops(oops).unwind(unwind).export("look", look as *const () as u64, "void look(void)")));
            let object = compile(&source, &["-fPIC", "-fasynchronous-unwind-tables"]);
            world.kernel.load(&object, &Load::named("deep")).unwrap();
            let entry = world.kernel.get_module_symbol(None, "entry").unwrap();
            marker_before_the_module(&world, entry);
            let trace = DEPTH.lock().unwrap().pop().unwrap();
            let crossed = trace.contains("marker_before_the_module");
            assert_eq!(crossed, unwind == Unwind::Register, "{oops:?} {unwind:?}:\n{trace}");
            world.kernel.unload("deep").unwrap();
        }
    }
}

#[test]
fn a_panic_of_an_export_unwinds_through_compiled_code() {
    extern "C-unwind" fn fail() {
        std::panic::panic_any("on purpose");
    }
    let source = "extern void fail(void); int entry(void) { fail(); return 1; } \
                  int init_module(void) { return 0; } void cleanup_module(void) {}";
    let object = compile(&format!("{HEADER}{source}"), &["-fPIC", "-fasynchronous-unwind-tables"]);
    for oops in [Oops::Off, Oops::Diagnose] {
        let world =
            world(|builder| builder.oops(oops).unwind(Unwind::Register).export("fail", fail as *const () as u64, "void fail(void)"));
        world.kernel.load(&object, &Load::named("thrower")).unwrap();
        let entry = world.kernel.get_module_symbol(None, "entry").unwrap();
        let fault = world.kernel.call(entry, [0; 6]).unwrap_err();
        assert!(matches!(fault, Fault::Panicked { module: Some(_) }), "{oops:?}: {fault:?}");
        assert!(world.log.text().contains("a panic while in a call to `thrower`"), "{}", world.log.text());
    }
}
