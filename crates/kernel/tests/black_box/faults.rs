//! Module code that traps, under `Oops::Diagnose`.

use std::sync::{Arc, Mutex};

use kernel::{Errand, Fate, Fault, Kernel, KernelBuilder, Oops, State};
use uapi::{Errno, ModuleState, ProcFile, Query, QueryAnswer};

use crate::image::{Sample, calling, returning, sample};
use crate::world::{World, map_of};

fn diagnose(builder: KernelBuilder) -> KernelBuilder {
    builder.oops(Oops::Diagnose)
}

/// Machine code that traps, with the signal that it gets.
fn traps() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    // movabs rax, address
    let movabs = |address: u64| [&[0x48, 0xb8][..], &address.to_le_bytes()].concat();
    vec![
        ("load from null", "SIGSEGV", [&movabs(0)[..], &[0x8b, 0x00, 0xc3]].concat()),
        ("ud2", "SIGILL", vec![0x0f, 0x0b]),
        // xor edx, edx; xor ecx, ecx; mov eax, 1; div ecx
        ("division by zero", "SIGFPE", vec![0x31, 0xd2, 0x31, 0xc9, 0xb8, 1, 0, 0, 0, 0xf7, 0xf1, 0xc3]),
        // call self
        ("stack overflow", "SIGSEGV", vec![0xe8, 0xfb, 0xff, 0xff, 0xff]),
        // jmp rax to an address that is not mapped
        ("wild jump", "SIGSEGV", [&movabs(0x1234_5678_9000)[..], &[0xff, 0xe0]].concat()),
        // jmp rax to an address that no processor has
        ("jump to a non-canonical address", "SIGSEGV", [&movabs(0x8000_0000_0000_0000)[..], &[0xff, 0xe0]].concat()),
        // lea rax, [rip - 7]; mov byte ptr [rax], 0
        ("write to text", "SIGSEGV", vec![0x48, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xc6, 0x00, 0x00, 0xc3]),
        // xor esp, esp; push rax
        ("a stack pointer that points nowhere", "SIGSEGV", vec![0x31, 0xe4, 0x50, 0xc3]),
        // std; then load from null: the direction flag must not leak into the host
        ("a fault with the direction flag set", "SIGSEGV", [&[0xfd][..], &movabs(8), &[0x8b, 0x00]].concat()),
        ("a breakpoint", "SIGTRAP", vec![0xcc, 0xc3]),
        // pushfq; or dword ptr [rsp], 0x100; popfq; nop: single steps, without end
        ("the trap flag", "SIGTRAP", vec![0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90, 0xc3]),
        // clobbers what a function must preserve before it traps: xor ebx, ebx; xor ebp, ebp; xor r12d, r12d; ud2
        ("a fault with clobbered registers", "SIGILL", vec![0x31, 0xdb, 0x31, 0xed, 0x45, 0x31, 0xe4, 0x0f, 0x0b]),
    ]
}

fn info(world: &World, name: &str) -> ModuleState {
    match world.kernel.query(Some(name), Query::Info) {
        Ok(QueryAnswer::Info(info)) => info.state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_43_a_trap_in_init_is_reported_and_the_entry_removable() {
    for (what, signal, code) in traps() {
        let world = World::with(diagnose);
        world.load(&sample("fat")).unwrap();
        let before = world.classic();
        let bad = Sample { init: code, references: vec![world.identity("fat")], ..sample("bad") };
        let base = world.create_written(&bad).unwrap();
        assert_eq!(world.call(uapi::Syscall::InitModule(bad.request(base))), Err(Errno::EBUSY), "{what}");
        let log = world.log.text();
        assert!(log.contains(&format!("Oops: {signal} while initializing `bad`")), "{what}:\n{log}");
        assert!(log.contains("`bad` is dead"), "{what}:\n{log}");
        let reason = log.lines().rfind(|line| line.contains(&format!("init_module: {signal} "))).unwrap_or_default();
        assert!(reason.contains("`bad`"), "{what}: the reason names the module, wherever it trapped: {reason}");
        assert_eq!(info(&world, "bad"), ModuleState::Dead, "{what}");
        assert_eq!(world.kernel.uname().taint, "D");
        assert!(world.kernel.proc(ProcFile::Modules).contains("(dead)"), "{what}");
        assert!(world.classic().contains("  (bad state)\t\n"), "{what}");
        assert!(!world.classic().contains("[bad]"), "{what}: the reference is undone");
        assert_eq!(world.delete("bad"), Ok(uapi::Reply::Done), "{what}");
        assert_eq!(world.classic(), before, "{what}");
        assert!(map_of(base).is_some(), "{what}: its memory stays");
        world.load(&sample("vfat")).unwrap();
        world.delete("vfat").unwrap();
    }
}

#[test]
fn a_report_names_module_offset_symbol_and_the_way_there() {
    let world = World::with(diagnose);
    let mut fat = sample("fat");
    fat.more = vec![[&[0x90; 5][..], &[0x0f, 0x0b]].concat()];
    fat.exports = vec!["fat_read".into()];
    let fat = world.load(&fat).unwrap();
    // sub rsp, 8; movabs rax, fat_read; call rax
    let call = [&[0x48, 0x83, 0xec, 8, 0x48, 0xb8][..], &fat.more(0).to_le_bytes(), &[0xff, 0xd0]].concat();
    let vfat = Sample { more: vec![call], references: vec![world.identity("fat")], exports: vec!["vfat_lookup".into()], ..sample("vfat") };
    let vfat = world.load(&vfat).unwrap();
    let fault = world.kernel.call(vfat.more(0), [1, 2, 3, 4, 5, 6]).unwrap_err();
    let Fault::Trapped { place: Some((module, offset)), trap, .. } = &fault else { panic!("{fault:?}") };
    assert_eq!((module.as_str(), *offset, trap.signal_name()), ("fat", 4 * 64 + 5, "SIGILL"));
    assert_eq!(trap.registers.iter().find(|(name, _)| *name == "r9"), Some(("r9", 6)));
    let log = world.log.text();
    assert!(log.contains("Oops: SIGILL while in a call to `vfat`"), "{log}");
    assert!(log.contains("[fat]+0x105 (fat_read+0x5)    Tainted: D"), "{log}");
    assert!(log.contains("[vfat]+0x110 (vfat_lookup+0x10)"), "the caller is in the trace:\n{log}");
    assert!(log.contains("rip: "), "{log}");
    for name in ["fat", "vfat"] {
        assert_eq!(info(&world, name), ModuleState::Dead, "both were in the middle of something");
        assert_eq!(world.delete(name), Err(Errno::EBUSY));
        assert_eq!(world.kernel.get_module_symbol(Some(name), &format!("{name}_read")), None);
    }
    assert_eq!(world.kernel.call(vfat.inc(), [0; 6]), Err(Fault::Dead { module: uapi::ModuleName::new("vfat").unwrap() }));
}

#[test]
fn a_trap_in_cleanup_leaves_a_dead_module() {
    let world = World::with(diagnose);
    let loaded = world.load(&Sample { cleanup: vec![0x0f, 0x0b], ..sample("bad") }).unwrap();
    assert_eq!(world.delete("bad"), Err(Errno::EBUSY));
    assert_eq!(world.delete("bad"), Err(Errno::EBUSY), "it is not run again");
    assert_eq!(world.log.count("Oops: SIGILL while cleaning up `bad`"), 1);
    assert_eq!(info(&world, "bad"), ModuleState::Dead);
    assert!(map_of(loaded.base).is_some());
    assert_eq!(world.create(&sample("bad")).unwrap_err(), Errno::EEXIST);
}

#[test]
fn a_trap_in_an_autoclean_pass_does_not_stop_it() {
    let world = World::with(diagnose);
    world.load(&Sample { autoclean: true, ..sample("good") }).unwrap();
    world.load(&Sample { autoclean: true, cleanup: vec![0x0f, 0x0b], ..sample("bad") }).unwrap();
    world.autoclean();
    world.autoclean();
    assert_eq!(world.names(), ["bad"]);
}

#[test]
fn arguments_and_values_travel_through_a_guarded_call() {
    let world = World::with(diagnose);
    // lea rax, [rdi + 2*rsi]; add rax, rdx; add rax, rcx; add rax, r8; add rax, r9; ret
    let sum = vec![0x48, 0x8d, 0x04, 0x77, 0x48, 0x01, 0xd0, 0x48, 0x01, 0xc8, 0x4c, 0x01, 0xc0, 0x4c, 0x01, 0xc8, 0xc3];
    let loaded = world.load(&Sample { more: vec![sum], ..sample("sum") }).unwrap();
    assert_eq!(world.kernel.call(loaded.more(0), [1 << 40, 10, 100, 1000, 10_000, 100_000]), Ok((1 << 40) + 20 + 111_100));
}

#[test]
fn calls_nest_and_only_the_inner_one_is_abandoned() {
    let world = Arc::new(World::with(diagnose));
    let bad = world.load(&Sample { more: vec![vec![0x0f, 0x0b]], ..sample("bad") }).unwrap();
    let inside = Arc::clone(&world);
    let outer = calling(move || i32::from(matches!(inside.kernel.call(bad.more(0), [0; 6]), Err(Fault::Trapped { .. }))) + 6);
    let good = world.load(&Sample { more: vec![outer], ..sample("good") }).unwrap();
    assert_eq!(world.kernel.call(good.more(0), [0; 6]), Ok(7));
    assert_eq!((info(&world, "good"), info(&world, "bad")), (ModuleState::Running, ModuleState::Dead));
}

#[test]
fn many_threads_trap_at_once() {
    let world = Arc::new(World::with(diagnose));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let world = Arc::clone(&world);
            std::thread::spawn(move || {
                for round in 0..20 {
                    let name = format!("bad{number}_{round}");
                    let peer = kernel::Peer::kernel();
                    let own = World { kernel: world.kernel.clone(), log: world.log.clone(), peer };
                    let bad = Sample { init: vec![0x0f, 0x0b], ..sample(&name) };
                    assert_eq!(own.load(&bad).unwrap_err(), Errno::EBUSY);
                    let good = own.load(&sample(&name)).unwrap();
                    own.kernel.call(good.inc(), [0; 6]).unwrap();
                    own.kernel.call(good.dec(), [0; 6]).unwrap();
                    own.delete(&name).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(world.names().is_empty());
    assert_eq!(world.log.count("Oops: SIGILL"), 160);
}

#[test]
fn a_panic_of_the_host_through_a_module_is_caught_where_it_can_be() {
    extern "C-unwind" fn panics() {
        std::panic::panic_any("on purpose");
    }
    // movabs rax, panics; jmp rax: no frame of the module is left on the stack, so nothing but the host has to be unwound
    let code = [&[0x48, 0xb8][..], &(panics as *const () as u64).to_le_bytes(), &[0xff, 0xe0]].concat();
    for oops in [Oops::Off, Oops::Diagnose] {
        let world = World::with(|builder| builder.oops(oops));
        let bad = world.load(&Sample { more: vec![code.clone()], ..sample("bad") }).unwrap();
        let fault = world.kernel.call(bad.more(0), [0; 6]).unwrap_err();
        assert!(matches!(fault, Fault::Panicked { module: Some(_) }), "{fault:?}");
        assert_eq!(info(&world, "bad"), ModuleState::Dead);
        world.load(&sample("good")).unwrap();
    }
}

#[test]
fn there_is_no_code_in_the_first_page_or_between_modules() {
    let world = World::new();
    let fat = world.load(&sample("fat")).unwrap();
    for address in [0, 8, 4095, fat.base - 8, fat.base + 4096, fat.use_count, fat.base + 4 * 4096] {
        assert_eq!(world.kernel.call(address, [0; 6]), Err(Fault::NoCode { address }), "{address:#x}");
    }
    extern "C" fn own() -> i32 {
        5
    }
    assert_eq!(world.kernel.call(own as *const () as u64, [0; 6]), Ok(5), "functions of the host may be handed back");
}

#[test]
fn the_hook_learns_that_memory_was_abandoned() {
    let fates = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&fates);
    let world = World::with(|builder| diagnose(builder).on_unload(move |_: &Kernel, gone| heard.lock().unwrap().push(gone.fate)));
    assert_eq!(world.load(&Sample { init: vec![0x0f, 0x0b], ..sample("bad") }).unwrap_err(), Errno::EBUSY);
    assert_eq!(*fates.lock().unwrap(), [Fate::Abandoned]);
}

#[test]
fn states_have_words() {
    assert_eq!(State::Dead(Errand::Init).to_string(), "dead since its initialization trapped");
    let world = World::with(diagnose);
    world.load(&Sample { cleanup: vec![0x0f, 0x0b], ..sample("bad") }).unwrap();
    assert!(world.kernel.unload("bad").unwrap_err().to_string().contains("SIGILL in `bad`+0x40"));
    assert!(world.kernel.unload("bad").unwrap_err().to_string().contains("`bad` is dead since its cleanup trapped"));
    let _ = returning(0);
}
