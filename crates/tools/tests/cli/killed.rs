//! insmod killed at any point between its calls: what is left can be removed, or is gone by itself.

use crate::proxy::{Fate, Proxy};
use crate::world::{HELLO, World, eventually};
use uapi::Syscall;

/// Calls of insmod, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Uname,
    GetKernelSyms,
    Create,
    Init,
}

fn is(wanted: Call, call: &Syscall) -> bool {
    match wanted {
        Call::Uname => matches!(call, Syscall::Uname),
        Call::GetKernelSyms => matches!(call, Syscall::GetKernelSyms),
        Call::Create => matches!(call, Syscall::CreateModule { .. }),
        Call::Init => matches!(call, Syscall::InitModule(_)),
    }
}

#[test]
fn a_killed_insmod_leaves_nothing_or_a_whole_module() {
    for wanted in [Call::Uname, Call::GetKernelSyms, Call::Create, Call::Init] {
        for stop in [Fate::Swallow, Fate::Mute] {
            let world = World::new();
            world.compile("hello", HELLO);
            let fate = move |_: usize, call: &Syscall| if is(wanted, call) { stop } else { Fate::Pass };
            let proxy = Proxy::new(world.path("proxy"), &world.socket(), fate);
            let mut command = world.command("insmod");
            let mut insmod = command.env("MODUTILS_KERNEL", &proxy.path).arg("hello.o").spawn().unwrap();
            eventually("insmod waits for an answer", || proxy.stopped() == 1);
            insmod.kill().unwrap();
            insmod.wait().unwrap();
            let whole = (wanted, stop) == (Call::Init, Fate::Mute);
            if whole {
                assert_eq!((world.loaded(), world.notes()), (vec!["hello".to_owned()], vec![1]));
                world.run("rmmod hello").ok();
            } else {
                eventually("the half-made module goes by itself", || world.loaded().is_empty());
                assert!(world.notes().is_empty());
            }
            world.run("insmod hello.o").ok();
            assert_eq!(world.loaded(), ["hello"], "{wanted:?} {stop:?}");
        }
    }
}

#[test]
fn a_half_made_module_can_be_removed_by_hand() {
    let world = World::new();
    world.compile("hello", HELLO);
    let fate = |_: usize, call: &Syscall| if is(Call::Init, call) { Fate::Swallow } else { Fate::Pass };
    let proxy = Proxy::new(world.path("proxy"), &world.socket(), fate);
    let mut insmod = world.command("insmod").env("MODUTILS_KERNEL", &proxy.path).arg("hello.o").spawn().unwrap();
    eventually("insmod waits for an answer", || proxy.stopped() == 1);
    assert!(world.run("lsmod --classic").ok().contains("  (uninitialized)\t\n"));
    world.run("rmmod hello").ok();
    assert!(world.loaded().is_empty());
    insmod.kill().unwrap();
    insmod.wait().unwrap();
}

#[test]
fn a_kill_during_initialization_does_not_stop_it() {
    let world = World::new();
    world.compile("slow", &HELLO.replace("note(KEY, 1)", "note(KEY, 1); wait_for(KEY); note(KEY, 5)"));
    let mut insmod = world.command("insmod").arg("slow.o").spawn().unwrap();
    eventually("init runs", || !world.notes().is_empty());
    insmod.kill().unwrap();
    insmod.wait().unwrap();
    assert!(world.run("rmmod slow").fails().contains("Device or resource busy"));
    world.release();
    eventually("init is over", || world.notes() == [5]);
    eventually("it runs", || world.run("lsmod --json").ok().contains("\"Live\""));
    world.run("rmmod slow").ok();
    assert_eq!(world.notes(), [2]);
}

#[test]
fn a_kernel_that_goes_away_is_reported() {
    let world = World::new();
    world.compile("hello", HELLO);
    let listener = std::os::unix::net::UnixListener::bind(world.path("deaf")).unwrap();
    let thread = std::thread::spawn(move || drop(listener.accept()));
    let complaint = crate::world::Outcome::of(world.command("insmod").env("MODUTILS_KERNEL", world.path("deaf")).arg("hello.o")).fails();
    assert!(complaint.contains("connection to the kernel broke"), "{complaint}");
    thread.join().unwrap();
}
