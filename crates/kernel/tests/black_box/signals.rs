//! Faults that are not the modules' own, seen from outside: a child process has them.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use kernel::Oops;

use crate::image::sample;
use crate::world::World;

/// The variable that tells a child what to do.
const TASK: &str = "KERNEL_TEST_TASK";

/// Runs the test `child` of this file in a process of its own.
fn in_child(task: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new(program).args(["--exact", "signals::child", "--nocapture"]).env(TASK, task).output().unwrap()
}

/// A function of the host that has a fault of its own.
fn own_fault() {
    let nowhere: *const u8 = std::ptr::without_provenance(16);
    // SAFETY: it is not safe, which is the point: the child process must die of it.
    std::hint::black_box(unsafe { nowhere.read_volatile() });
}

#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let oops = if task == "module fault without a guard" { Oops::Off } else { Oops::Diagnose };
    let world = World::with(|builder| builder.oops(oops));
    let fat = world.load(&sample("fat")).unwrap();
    world.kernel.call(fat.inc(), [0; 6]).unwrap();
    match task.as_str() {
        "fault of the host" => own_fault(),
        "module fault without a guard" => drop(world.load(&crate::image::Sample { init: vec![0x0f, 0x0b], ..sample("bad") })),
        "signal from outside" => {
            let mut bad = sample("patient");
            bad.init = crate::image::calling(|| {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::SEGV).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(100));
                0
            });
            world.load(&bad).unwrap();
            assert_eq!(world.log.count("Oops"), 0);
        }
        other => panic!("{other}"),
    }
    println!("still alive");
}

#[test]
fn a_fault_of_the_host_itself_still_ends_it() {
    let output = in_child("fault of the host");
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::SEGV.as_raw()), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("still alive"));
}

#[test]
fn without_a_guard_a_module_fault_ends_the_process() {
    let output = in_child("module fault without a guard");
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::ILL.as_raw()), "{output:?}");
}

#[test]
fn a_signal_that_somebody_sent_is_no_fault_of_a_module() {
    // Whoever handled the signal before still does: in a Rust program, std's handler, which lets the first one pass.
    let output = in_child("signal from outside");
    assert!(String::from_utf8_lossy(&output.stdout).contains("still alive"), "{output:?}");
}
