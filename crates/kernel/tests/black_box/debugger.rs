//! gdb sees the code of a loaded module: name, arguments, file and line.

use std::process::Command;

use kernel::{Gdb, Load};

use crate::world::World;

/// The variable that tells a child which object to load.
const OBJECT: &str = "KERNEL_TEST_OBJECT";

const SOURCE: &str = "\
static const char info[] __attribute__((section(\".modinfo\"), used)) = \"kernel_version=2.0.40-test\";
int seen_by_gdb(int depth)
{
    volatile int here = depth + 1;
    return here;
}
int init_module(void) { return 0; }
void cleanup_module(void) {}
";

#[test]
fn child() {
    let Ok(object) = std::env::var(OBJECT) else { return };
    let world = World::with(|builder| builder.gdb(Gdb::Register));
    world.kernel.load(&std::fs::read(object).unwrap(), &Load::named("shown")).unwrap();
    let function = world.kernel.get_module_symbol(Some("shown"), "seen_by_gdb").unwrap();
    assert_eq!(world.kernel.call(function, [41, 0, 0, 0, 0, 0]), Ok(42));
    world.kernel.unload("shown").unwrap();
}

#[test]
fn gdb_shows_function_arguments_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let (source, object) = (directory.path().join("shown.c"), directory.path().join("shown.o"));
    std::fs::write(&source, SOURCE).unwrap();
    let compiled = Command::new("cc").args(["-g", "-O0", "-fPIC", "-c"]).arg(&source).arg("-o").arg(&object).status().unwrap();
    assert!(compiled.success());
    let program = std::env::current_exe().unwrap();
    let mut gdb = Command::new("gdb");
    // At the first stop the object is announced; once that function is finished gdb has read it.
    // At the second one it is taken back.
    let announced = "break __jit_debug_register_code";
    let seen = [announced, "run", "delete", "finish", "break seen_by_gdb", "continue", "backtrace", "delete"];
    let forgotten = [announced, "continue", "delete", "finish", "info line seen_by_gdb", "continue"];
    let steps = [&seen[..], &forgotten].concat();
    gdb.args(["-nx", "-batch", "-iex", "set auto-load no"]).args(steps.iter().flat_map(|step| ["-ex", step]));
    gdb.arg("--args").arg(program);
    gdb.args(["--exact", "debugger::child", "--nocapture"]).env(OBJECT, &object).env("DEBUGINFOD_URLS", "");
    let Ok(output) = gdb.output() else {
        eprintln!("no gdb on this machine: nothing was tested");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("seen_by_gdb (depth=41)"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("shown.c:4"), "{text}");
    assert!(text.contains(" in child () at "), "the backtrace goes on into the host:\n{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("Function \"seen_by_gdb\" not defined."), "after the unload it is forgotten:\n{text}\n{errors}");
    assert!(text.contains("exited normally]"), "it ran on to its end:\n{text}");
}
