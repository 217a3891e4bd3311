//! What is visible of symbols.

use std::sync::Arc;

use kernel::{Kernel, Modversions};
use uapi::{Errno, KernelSym, Query, QueryAnswer, Reply, Syscall};

use crate::image::{Sample, calling, returning, sample};
use crate::world::World;

fn exporting(name: &str, symbols: &[&str]) -> Sample {
    Sample { more: vec![returning(1); symbols.len()], exports: symbols.iter().map(|each| (*each).to_owned()).collect(), ..sample(name) }
}

fn names(symbols: &[KernelSym]) -> Vec<&str> {
    symbols.iter().map(|symbol| symbol.name.as_str()).collect()
}

#[test]
fn row_18_kernel_syms_are_newest_first_with_markers() {
    let world = World::new();
    world.load(&exporting("fat", &["fat_a", "fat_b"])).unwrap();
    world.load(&exporting("vfat", &[])).unwrap();
    world.create(&exporting("half", &["hidden"])).unwrap();
    let symbols = world.kernel.kernel_syms();
    assert_eq!(names(&symbols), ["#vfat", "#fat", "fat_a", "fat_b", "#", "printk"]);
    world.delete("vfat").unwrap();
    world.delete("fat").unwrap();
    assert_eq!(names(&world.kernel.kernel_syms()), ["#", "printk"], "row 5: they go with their module");
}

#[test]
fn versioned_kernels_say_so_first() {
    let kernel =
        Kernel::builder().modversions(Modversions::On).export("foo", 0x10cd30, "int foo").export_unversioned("plain", 7).build().unwrap();
    let symbols = kernel.kernel_syms();
    // The checksum of `int foo ` is one of the known values of genksyms 2.
    assert_eq!(names(&symbols), ["#", "Using_Versions", "foo_Ra4b040f0", "plain"]);
    assert_eq!((symbols[1].value, symbols[2].value), (1, 0x10cd30));
    assert_eq!(kernel.get_module_symbol(Some(""), "foo"), Some(0x10cd30), "without its checksum");
    assert_eq!(kernel.get_module_symbol(None, "foo_Ra4b040f0"), Some(0x10cd30));
}

#[test]
fn exports_of_the_embedder_are_checked() {
    for bad in ["", "a b", "#fat", "a\nb"] {
        let error = Kernel::builder().export(bad, 1, "int x").build().unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL, "{bad:?}: {error}");
    }
}

#[test]
fn row_02_the_newest_module_wins_the_kernel_comes_last() {
    let world = World::new();
    let first = world.load(&exporting("first", &["shared"])).unwrap();
    let second = world.load(&exporting("second", &["printk", "shared"])).unwrap();
    assert_eq!(world.kernel.get_module_symbol(None, "shared"), Some(second.more(1)));
    assert_eq!(world.kernel.get_module_symbol(None, "printk"), Some(second.more(0)));
    assert_eq!(world.kernel.get_module_symbol(Some("first"), "shared"), Some(first.more(0)));
    assert_eq!(world.kernel.get_module_symbol(Some(""), "printk"), Some(0x1000));
    assert_eq!(world.kernel.get_module_symbol(Some("third"), "printk"), None);
    assert_eq!(world.kernel.get_module_symbol(None, "nothing"), None);
}

#[test]
fn register_symtab_replaces_the_table_and_keeps_references() {
    let world = Arc::new(World::new());
    world.load(&exporting("fat", &["fat_a"])).unwrap();
    let inside = Arc::clone(&world);
    let mut vfat = exporting("vfat", &["old"]);
    vfat.references = vec![world.identity("fat")];
    vfat.init = calling(move || {
        let use_count = inside.kernel.use_count_of("vfat").unwrap();
        let table = vec![KernelSym { value: 5, name: "new".into() }];
        inside.kernel.register_symtab(use_count, Some(table)).map_or(-1, |()| 0)
    });
    let loaded = world.load(&vfat).unwrap();
    assert_eq!(names(&world.kernel.kernel_syms()), ["#vfat", "new", "#fat", "fat_a", "#", "printk"]);
    assert!(world.classic().contains("[vfat]"));
    world.kernel.register_symtab(loaded.use_count, None).unwrap();
    assert_eq!(names(&world.kernel.kernel_syms()), ["#vfat", "#fat", "fat_a", "#", "printk"]);
    assert_eq!(world.kernel.register_symtab(loaded.use_count + 8, None).unwrap_err().errno(), Errno::EINVAL);
    let bad = vec![KernelSym { value: 5, name: "#bad".into() }];
    assert_eq!(world.kernel.register_symtab(loaded.use_count, Some(bad)).unwrap_err().errno(), Errno::EINVAL);
}

#[test]
fn resident_subsystems_get_a_table_behind_the_kernels() {
    let world = World::new();
    for name in ["one", "two"] {
        world.kernel.register_symtab(0, Some(vec![KernelSym { value: 9, name: name.into() }])).unwrap();
    }
    assert_eq!(names(&world.kernel.kernel_syms()), ["#", "printk", "#", "two", "#", "one"]);
    assert_eq!(world.kernel.get_module_symbol(Some(""), "one"), Some(9));
}

fn query(world: &World, name: Option<&str>, which: Query, buffer: u64) -> Result<QueryAnswer, Errno> {
    world.call(Syscall::QueryModule { name: name.map(str::to_owned), which, buffer }).map(|reply| match reply {
        Reply::Query(answer) => answer,
        other => panic!("{other:?}"),
    })
}

#[test]
fn query_module_answers_as_linux_2_1_did() {
    let world = World::new();
    world.load(&exporting("fat", &["fat_a"])).unwrap();
    let mut vfat = exporting("vfat", &[]);
    vfat.references = vec![world.identity("fat")];
    let loaded = world.load(&vfat).unwrap();
    world.create(&sample("half")).unwrap();
    let list = |names: &[&str]| Ok(QueryAnswer::Names(names.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(query(&world, None, Query::Probe, 0), Ok(QueryAnswer::Present));
    assert_eq!(query(&world, None, Query::Modules, 100), list(&["half", "vfat", "fat"]));
    assert_eq!(query(&world, None, Query::Modules, 13), Ok(QueryAnswer::NoSpace { needed: 14 }));
    assert_eq!(query(&world, None, Query::Modules, 14), list(&["half", "vfat", "fat"]));
    assert_eq!(query(&world, Some("vfat"), Query::Deps, 100), list(&["fat"]));
    assert_eq!(query(&world, Some("fat"), Query::Refs, 100), list(&["vfat"]));
    assert_eq!(query(&world, Some("half"), Query::Refs, 100), list(&[]));
    assert_eq!(query(&world, Some("fat"), Query::Symbols, 21), Ok(QueryAnswer::NoSpace { needed: 22 }));
    match query(&world, Some("fat"), Query::Symbols, 22) {
        Ok(QueryAnswer::Symbols(symbols)) => assert_eq!(names(&symbols), ["fat_a"]),
        other => panic!("{other:?}"),
    }
    match query(&world, Some("vfat"), Query::Info, 32) {
        Ok(QueryAnswer::Info(info)) => {
            assert_eq!((info.address, info.size, info.users), (loaded.base, 4000 + 64 + 5000, 0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(query(&world, Some("vfat"), Query::Info, 31), Ok(QueryAnswer::NoSpace { needed: 32 }));
    for which in [Query::Deps, Query::Refs, Query::Info] {
        assert_eq!(query(&world, None, which, 100), Err(Errno::EINVAL), "{which:?}");
    }
    assert_eq!(query(&world, Some("none"), Query::Info, 100), Err(Errno::ENOENT));
    assert_eq!(query(&world, Some(""), Query::Info, 100), Err(Errno::EINVAL));
}
