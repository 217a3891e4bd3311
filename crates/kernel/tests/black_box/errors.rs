//! The error matrix of the system calls: one row each.

use kernel::{Limits, Lockdown, Peer, Privilege};
use uapi::{Arena, Errno, InitModule, MemoryLayout, PartRange, Query, Reply, Routines, SymbolTable, Syscall};

use crate::image::{calling, returning, sample};
use crate::world::World;

fn create(name: &str, layout: MemoryLayout) -> Syscall {
    Syscall::CreateModule { name: name.to_owned(), layout, arena: Arena::Near }
}

fn small() -> MemoryLayout {
    MemoryLayout::from_sizes([4096, 0, 8, 0, 0])
}

#[test]
fn row_25_create_module_refuses_what_it_always_refused() {
    let world = World::new();
    world.load(&sample("fat")).unwrap();
    let overlapping = {
        let mut layout = small();
        layout.parts[2] = PartRange { offset: 0, size: 8 };
        layout
    };
    let table = [
        ("an empty name is the kernel's", create("", small()), Errno::EEXIST),
        ("a name of 64 bytes", create(&"x".repeat(64), small()), Errno::E2BIG),
        ("a name with a slash", create("a/b", small()), Errno::EINVAL),
        ("a name with a line feed", create("a\nb", small()), Errno::EINVAL),
        ("nothing at all", create("new", MemoryLayout::default()), Errno::EINVAL),
        ("no room for the use count", create("new", MemoryLayout::from_sizes([1, 0, 7, 0, 0])), Errno::EINVAL),
        ("parts that overlap", create("new", overlapping), Errno::EINVAL),
        ("more than any module may have", create("new", MemoryLayout::from_sizes([1, 0, 1 << 40, 0, 0])), Errno::ENOMEM),
        ("a name that is taken", create("fat", small()), Errno::EEXIST),
        ("a long name that is taken is too long first", create(&"y".repeat(100), MemoryLayout::default()), Errno::E2BIG),
    ];
    for (what, call, errno) in table {
        assert_eq!(world.call(call), Err(errno), "{what}");
    }
    assert_eq!(world.names(), ["fat"], "nothing is left of them");
    assert_eq!(world.log.count("create_module: "), 11, "each reason is in the log, and the one success:\n{}", world.log.text());
}

#[test]
fn create_module_has_limits() {
    let limits = Limits { memory: 64 << 10, modules: 3, half_made: 2, ..Limits::default() };
    let world = World::with(|builder| builder.limits(limits));
    assert_eq!(world.call(create("large", MemoryLayout::from_sizes([1, 0, 80 << 10, 0, 0]))), Err(Errno::ENOMEM), "memory");
    world.create(&sample("a")).unwrap();
    world.create(&sample("b")).unwrap();
    assert_eq!(world.create(&sample("c")).unwrap_err(), Errno::ENOMEM, "half-made modules of one connection");
    let other = Peer::kernel();
    assert!(world.kernel.dispatch(&other, create("c", small())).0.is_ok());
    assert_eq!(world.kernel.dispatch(&other, create("d", small())).0, Err(Errno::ENOMEM), "modules");
    world.kernel.disconnect(&world.peer);
    assert_eq!(world.names(), ["c"]);
    world.load(&sample("d")).unwrap();
}

#[test]
fn row_32_init_module_refuses_malformed_tables() {
    let world = World::new();
    let base = world.create_written(&sample("fat")).unwrap();
    let good = sample("fat").request(base);
    let routine = |init, cleanup| InitModule { routines: Routines { init, cleanup }, ..good.clone() };
    let table = |symbols: &[&str], references: &[u64]| {
        let symbols = symbols.iter().map(|name| uapi::KernelSym { value: base, name: (*name).to_owned() }).collect();
        InitModule { table: Some(SymbolTable { symbols, references: references.to_vec() }), ..good.clone() }
    };
    let many = vec![1; 100];
    let rows = [
        ("no such module", InitModule { name: "vfat".into(), ..good.clone() }, Errno::ENOENT),
        ("a name that is too long", InitModule { name: "x".repeat(64), ..good.clone() }, Errno::E2BIG),
        ("an empty name", InitModule { name: String::new(), ..good.clone() }, Errno::EINVAL),
        ("init at null", routine(0, base), Errno::EINVAL),
        ("init in the data", routine(base + 2 * 4096, base), Errno::EINVAL),
        ("init behind the text", routine(base + 4000, base), Errno::EINVAL),
        ("cleanup outside", routine(base, base - 1), Errno::EINVAL),
        ("cleanup in the init text, which goes", routine(base, base + 4 * 4096), Errno::EINVAL),
        ("a symbol without name", table(&["a", ""], &[]), Errno::EINVAL),
        ("a symbol that is a marker", table(&["#fat"], &[]), Errno::EINVAL),
        ("a symbol with a line feed", table(&["a\nb"], &[]), Errno::EINVAL),
        ("a symbol that is too long", table(&[&"x".repeat(4097)], &[]), Errno::E2BIG),
        ("more references than modules", table(&[], &many), Errno::EINVAL),
        ("a bogus reference", table(&["ok"], &[0xdead_beef]), Errno::EINVAL),
        ("a reference to address 0", table(&[], &[0]), Errno::EINVAL),
        ("frame information outside", InitModule { eh_frame: Some((2 * 4096, 8)), ..good.clone() }, Errno::EINVAL),
    ];
    for (what, init, errno) in rows {
        let errno = if what == "a symbol that is too long" { Errno::EINVAL } else { errno };
        assert_eq!(world.call(Syscall::InitModule(init)), Err(errno), "{what}");
    }
    assert_eq!(world.log.count("init_module: "), 16, "{}", world.log.text());
}

#[test]
fn an_entry_is_as_it_was_after_a_refusal() {
    let world = World::new();
    let base = world.create_written(&sample("fat")).unwrap();
    let mut bad = sample("fat").request(base);
    bad.table = Some(SymbolTable { symbols: Vec::new(), references: vec![77] });
    assert_eq!(world.call(Syscall::InitModule(bad)), Err(Errno::EINVAL));
    assert_eq!(world.call(Syscall::InitModule(sample("fat").request(base))), Ok(Reply::Done), "it can still be initialized");
    assert_eq!(world.call(Syscall::InitModule(sample("fat").request(base))), Err(Errno::EBUSY), "and only once");
}

#[test]
fn row_35_bogus_references_are_refused_and_undone() {
    let world = World::new();
    world.load(&sample("fat")).unwrap();
    let before = world.classic();
    let mut vfat = sample("vfat");
    vfat.references = vec![world.identity("fat"), 0x1234_5678];
    assert_eq!(world.load(&vfat).unwrap_err(), Errno::EINVAL);
    assert_eq!(world.classic(), before, "the good reference before the bad one is gone too");
    vfat.references = vec![world.identity("fat"), world.identity("fat"), world.identity("")];
    world.load(&vfat).unwrap();
    assert!(world.classic().contains("[vfat]\t0\n"), "once, however often it is named:\n{}", world.classic());
    let mut half = sample("half");
    world.create(&sample("other")).unwrap();
    half.references = vec![world.identity("vfat") + 64];
    assert_eq!(world.load(&half).unwrap_err(), Errno::EINVAL, "a module that does not run cannot be referred to");
}

#[test]
fn delete_module_refuses_what_it_always_refused() {
    let world = World::new();
    let fat = world.load(&sample("fat")).unwrap();
    let mut vfat = sample("vfat");
    vfat.references = vec![world.identity("fat")];
    world.load(&vfat).unwrap();
    let rows = [("nothing", Errno::ENOENT), ("", Errno::EINVAL), (&"x".repeat(64), Errno::E2BIG), ("fat", Errno::EBUSY)];
    for (name, errno) in rows {
        assert_eq!(world.delete(name), Err(errno), "{name}");
    }
    world.delete("vfat").unwrap();
    world.kernel.call(fat.inc(), [0; 6]).unwrap();
    assert_eq!(world.delete("fat"), Err(Errno::EBUSY), "it has a user");
    assert!(world.log.text().contains("1 users"), "{}", world.log.text());
    world.kernel.call(fat.dec(), [0; 6]).unwrap();
    world.delete("fat").unwrap();
    assert_eq!(world.delete("fat"), Err(Errno::ENOENT));
}

#[test]
fn only_owners_change_anything_and_anyone_reads() {
    let world = World::with(|builder| {
        let echo = |_: &kernel::Kernel, _: &Peer, body: &[u8]| Ok(body.to_vec());
        builder.request("peek", Privilege::Reader, echo).request("poke", Privilege::Owner, echo)
    });
    let base = world.create_written(&sample("fat")).unwrap();
    let reader = Peer::new(54_321, 1);
    assert_eq!(reader.privilege(), Privilege::Reader);
    let embedder = |request: &str| Syscall::Embedder { request: request.to_owned(), body: vec![1, 2] };
    let refused = [
        create("vfat", small()),
        create("", small()),
        Syscall::InitModule(sample("fat").request(base)),
        Syscall::DeleteModule { name: Some("fat".into()) },
        Syscall::DeleteModule { name: None },
        Syscall::KerneldOpen,
        Syscall::KerneldSend { mtype: 2, text: "x".into(), wait: false },
        embedder("poke"),
    ];
    for call in refused {
        assert_eq!(world.kernel.dispatch(&reader, call.clone()).0, Err(Errno::EPERM), "{call:?}");
    }
    assert_eq!(world.log.count("uid 54321"), 8, "{}", world.log.text());
    let open = [
        Syscall::Uname,
        Syscall::GetKernelSyms,
        Syscall::QueryModule { name: None, which: Query::Modules, buffer: 100 },
        Syscall::ReadProc(uapi::ProcFile::Modules),
    ];
    for call in open {
        assert!(world.kernel.dispatch(&reader, call.clone()).0.is_ok(), "{call:?}");
    }
    assert_eq!(world.kernel.dispatch(&reader, embedder("peek")).0, Ok(Reply::Embedder(vec![1, 2])));
    assert_eq!(world.kernel.dispatch(&reader, embedder("none")).0, Err(Errno::ENOSYS));
}

#[test]
fn lockdown_refuses_every_load_and_unload() {
    let world = World::with(|builder| builder.lockdown(Lockdown::On));
    assert_eq!(world.call(create("fat", small())), Err(Errno::EPERM));
    assert_eq!(world.call(Syscall::InitModule(sample("fat").request(0))), Err(Errno::EPERM));
    assert_eq!(world.call(Syscall::DeleteModule { name: None }), Err(Errno::EPERM));
    assert!(world.kernel.unload("fat").is_err());
    assert!(world.kernel.autoclean().is_err());
    assert_eq!(world.log.count("locked down"), 5);
}

#[test]
fn a_panicking_request_is_an_error_and_the_kernel_lives() {
    let world = World::with(|builder| builder.request("boom", Privilege::Reader, |_, _, _| panic!("on purpose")));
    let call = || Syscall::Embedder { request: "boom".to_owned(), body: Vec::new() };
    assert_eq!(world.call(call()), Err(Errno::EIO));
    assert_eq!(world.call(call()), Err(Errno::EIO));
}

#[test]
fn a_busy_name_is_busy_while_its_code_runs() {
    let world = std::sync::Arc::new(World::new());
    let inside = std::sync::Arc::clone(&world);
    let mut fat = sample("fat");
    let (same, again) = (std::sync::Arc::clone(&inside), std::sync::Arc::clone(&inside));
    fat.init = calling(move || {
        assert_eq!(same.delete("fat"), Err(Errno::EBUSY), "while it is initialized");
        assert_eq!(same.create(&sample("fat")).unwrap_err(), Errno::EEXIST);
        0
    });
    fat.cleanup = calling(move || {
        assert_eq!(again.delete("fat"), Err(Errno::EBUSY), "while it is cleaned up");
        assert_eq!(again.create(&sample("fat")).unwrap_err(), Errno::EEXIST);
        assert_eq!(again.kernel.get_module_symbol(Some("fat"), "export"), None, "its symbols are hidden");
        0
    });
    fat.more = vec![returning(7)];
    fat.exports = vec!["export".to_owned()];
    world.load(&fat).unwrap();
    world.delete("fat").unwrap();
    assert!(world.names().is_empty(), "{:?}\n{}", world.names(), inside.log.text());
}
