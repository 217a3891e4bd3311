//! The life of a module: states, init and cleanup, references, zombies, hooks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use kernel::{Fate, Unloaded};
use uapi::{Errno, ModuleState, ProcFile, Query, QueryAnswer, Reply, Syscall};

use crate::image::{calling, returning, sample};
use crate::world::World;

/// State by `query_module`.
fn state(world: &World, name: &str) -> ModuleState {
    match world.kernel.query(Some(name), Query::Info) {
        Ok(QueryAnswer::Info(info)) => info.state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_26_the_list_is_newest_first() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.load(&sample(name)).unwrap();
    }
    assert_eq!(world.names(), ["c", "b", "a"]);
    world.delete("b").unwrap();
    assert_eq!(world.names(), ["c", "a"]);
}

#[test]
fn row_27_a_created_module_is_uninitialized_and_hidden() {
    let world = World::new();
    world.create(&sample("fat")).unwrap();
    assert_eq!(world.classic(), format!("fat{:16}4  (uninitialized)\t\n", ""));
    assert_eq!(state(&world, "fat"), ModuleState::Uninitialized);
    assert!(!world.kernel.kernel_syms().iter().any(|symbol| symbol.name == "#fat"));
    world.delete("fat").unwrap();
    assert_eq!(world.classic(), "");
}

#[test]
fn row_38_a_module_runs_only_when_its_init_returned_0() {
    let world = Arc::new(World::new());
    let (inside, seen) = (Arc::clone(&world), Arc::new(Mutex::new(String::new())));
    let note = Arc::clone(&seen);
    let mut fat = sample("fat");
    fat.init = calling(move || {
        *note.lock().unwrap() = inside.classic();
        assert_eq!(inside.kernel.get_module_symbol(None, "fat_read"), None);
        0
    });
    fat.more = vec![returning(3)];
    fat.exports = vec!["fat_read".into()];
    let loaded = world.load(&fat).unwrap();
    assert!(seen.lock().unwrap().contains("(uninitialized)"), "{}", seen.lock().unwrap());
    assert_eq!(state(&world, "fat"), ModuleState::Running);
    assert_eq!(world.kernel.get_module_symbol(None, "fat_read"), Some(loaded.more(0)));
    assert_eq!(world.kernel.call(loaded.more(0), [0; 6]), Ok(3));
}

#[test]
fn row_36_a_failing_init_leaves_the_list_as_it_was() {
    let world = World::new();
    world.load(&sample("fat")).unwrap();
    let before = world.classic();
    let cleaned = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&cleaned);
    let mut vfat = sample("vfat");
    vfat.init = returning(-5);
    vfat.cleanup = calling(move || count.fetch_add(1, Ordering::SeqCst).cast_signed());
    vfat.references = vec![world.identity("fat")];
    vfat.more = vec![returning(0)];
    vfat.exports = vec!["vfat_lookup".into()];
    vfat.autoclean = true;
    let base = world.create_written(&vfat).unwrap();
    assert_eq!(world.call(Syscall::InitModule(vfat.request(base))), Err(Errno::EBUSY));
    assert!(world.log.text().contains("`init_module` of `vfat` returned -5"), "{}", world.log.text());
    assert_eq!(state(&world, "vfat"), ModuleState::Uninitialized, "the entry stays for delete_module");
    assert!(!world.classic().contains("[vfat]"), "the reference is undone");
    assert_eq!(world.kernel.get_module_symbol(None, "vfat_lookup"), None);
    assert_eq!(world.call(Syscall::InitModule(vfat.request(base))), Err(Errno::EBUSY), "there is no second try");
    world.delete("fat").unwrap();
    world.load(&sample("fat")).unwrap();
    world.delete("vfat").unwrap();
    assert_eq!(cleaned.load(Ordering::SeqCst), 0, "cleanup is not called");
    assert_eq!(world.classic(), before);
}

#[test]
fn row_34_init_and_cleanup_are_called_once() {
    let world = World::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&log), Arc::clone(&log));
    let mut fat = sample("fat");
    fat.init = calling(move || {
        first.lock().unwrap().push("init");
        0
    });
    fat.cleanup = calling(move || {
        second.lock().unwrap().push("cleanup");
        0
    });
    world.load(&fat).unwrap();
    world.delete("fat").unwrap();
    assert_eq!(*log.lock().unwrap(), ["init", "cleanup"]);
}

#[test]
fn a_module_that_was_never_initialized_is_deleted_without_cleanup() {
    let world = World::new();
    let mut fat = sample("fat");
    fat.cleanup = calling(|| panic!("cleanup of a module that never ran"));
    world.create_written(&fat).unwrap();
    world.delete("fat").unwrap();
    assert!(world.names().is_empty());
}

#[test]
fn a_cleanup_that_leaves_users_makes_a_zombie_until_a_later_pass() {
    let world = Arc::new(World::new());
    let inside = Arc::clone(&world);
    let mut fat = sample("fat");
    fat.cleanup = calling(move || {
        let base = inside.kernel.use_count_of("fat").unwrap() - 2 * 4096;
        i32::try_from(inside.kernel.call(base + 2 * 64, [0; 6]).unwrap_or(0) & 1).unwrap()
    });
    let loaded = world.load(&fat).unwrap();
    world.delete("fat").unwrap();
    assert!(world.classic().contains("  (deleted)\t\n"), "{}", world.classic());
    assert_eq!(world.delete("fat"), Err(Errno::ENOENT), "it has no name any more");
    world.load(&sample("fat")).unwrap();
    assert_eq!(world.names(), ["fat", "fat"]);
    world.delete("fat").unwrap();
    assert_eq!(world.names(), ["fat"], "the zombie stays");
    world.kernel.call(loaded.dec(), [0; 6]).unwrap();
    assert_eq!(world.names(), [""; 0], "until its last user lets go");
    assert!(world.kernel.call(loaded.dec(), [0; 6]).is_err());
}

#[test]
fn the_hook_hears_of_modules_that_ran() {
    let gone: Arc<Mutex<Vec<Unloaded>>> = Arc::default();
    let heard = Arc::clone(&gone);
    let world = World::with(|builder| {
        builder.on_unload(move |kernel, unloaded| {
            assert!(kernel.module_at(unloaded.use_count).is_none(), "it left the list");
            heard.lock().unwrap().push(unloaded.clone());
        })
    });
    world.create(&sample("never")).unwrap();
    world.delete("never").unwrap();
    assert_eq!(gone.lock().unwrap().len(), 0);
    let mut failing = sample("failing");
    failing.init = returning(1);
    assert_eq!(world.load(&failing).unwrap_err(), Errno::EBUSY);
    let loaded = world.load(&sample("fat")).unwrap();
    world.delete("fat").unwrap();
    let gone = gone.lock().unwrap();
    let names: Vec<_> = gone.iter().map(|each| (each.name.as_str(), each.fate)).collect();
    assert_eq!(names, [("failing", Fate::Freed), ("fat", Fate::Freed)]);
    assert_eq!(gone[1].use_count, loaded.use_count);
    assert_eq!(gone[1].image.start, loaded.base);
}

#[test]
fn a_module_cannot_go_while_a_call_into_it_runs() {
    let world = Arc::new(World::new());
    let inside = Arc::clone(&world);
    let mut fat = sample("fat");
    fat.more = vec![calling(move || {
        assert_eq!(inside.delete("fat"), Err(Errno::EBUSY));
        42
    })];
    let loaded = world.load(&fat).unwrap();
    assert_eq!(world.kernel.call(loaded.more(0), [0; 6]), Ok(42));
    world.delete("fat").unwrap();
    assert!(world.kernel.call(loaded.more(0), [0; 6]).is_err(), "nothing is called where no module is");
}

#[test]
fn modules_load_modules_from_their_init() {
    let world = Arc::new(World::new());
    let inside = Arc::clone(&world);
    let mut vfat = sample("vfat");
    vfat.init = calling(move || inside.load(&sample("fat")).map_or(-1, |_| 0));
    world.load(&vfat).unwrap();
    assert_eq!(world.names(), ["fat", "vfat"]);
}

#[test]
fn row_20_the_kernel_itself_is_no_module() {
    let world = World::new();
    assert_eq!(world.kernel.proc(ProcFile::Modules), "");
    let symbols = world.kernel.kernel_syms();
    assert_eq!(symbols[0].name, "#", "the kernel's marker has an empty name");
    assert_eq!(world.delete(""), Err(Errno::EINVAL));
    let uname = match world.call(Syscall::Uname) {
        Ok(Reply::Uname(uname)) => uname,
        other => panic!("{other:?}"),
    };
    assert_eq!((uname.sysname.as_str(), uname.release.as_str(), uname.taint.as_str()), ("test", "2.0.40-test", ""));
}

#[test]
fn half_made_modules_go_with_their_creator() {
    let world = World::new();
    world.create(&sample("half")).unwrap();
    let mut failing = sample("failing");
    failing.init = returning(1);
    let base = world.create_written(&failing).unwrap();
    assert_eq!(world.call(Syscall::InitModule(failing.request(base))), Err(Errno::EBUSY));
    world.load(&sample("whole")).unwrap();
    assert_eq!(world.names(), ["whole", "failing", "half"]);
    world.kernel.disconnect(&world.peer);
    assert_eq!(world.names(), ["whole"]);
}

#[test]
fn references_stay_whole_while_threads_stack_and_unstack() {
    let world = Arc::new(World::new());
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let world = Arc::clone(&world);
            std::thread::spawn(move || {
                let own = World { kernel: world.kernel.clone(), log: world.log.clone(), peer: kernel::Peer::kernel() };
                let mut stacked = 0;
                for _ in 0..150 {
                    stacked += u32::from(if number % 3 == 0 { base_comes_and_goes(&own) } else { user_comes_and_goes(&own, number) });
                }
                stacked
            })
        })
        .collect();
    let stacked: Vec<u32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(stacked.iter().sum::<u32>() > 0, "{stacked:?}");
    let _ = world.delete("fat");
    assert!(world.names().is_empty(), "nobody is held by somebody who is gone: {}", world.classic());
}

/// Loads fat, or removes it where somebody else loaded it. Did one of them work?
fn base_comes_and_goes(world: &World) -> bool {
    world.load_or_leave(&sample("fat")).is_ok() || world.delete("fat").is_ok()
}

/// Stacks a module on fat, if fat is there and stays until then.
fn user_comes_and_goes(world: &World, number: u32) -> bool {
    let Some(fat) = world.kernel.kernel_syms().into_iter().find(|symbol| symbol.name == "#fat") else { return false };
    let mut user = sample(&format!("user{number}"));
    user.references = vec![fat.value];
    if world.load(&user).is_err() {
        return false;
    }
    assert_eq!(world.delete("fat"), Err(Errno::EBUSY), "a base cannot go while it is used");
    world.delete(&user.name).unwrap();
    true
}
