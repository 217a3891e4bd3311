//! Unloading is real, and a thousand loads and unloads leave no trace. A process of its own with one test: it compares all maps,
//! and other tests would get the same addresses again.
#![cfg(target_arch = "x86_64")]

#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "black_box/image.rs"]
mod image;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "black_box/world.rs"]
mod world;

use std::os::unix::fs::FileExt;

use image::sample;
use uapi::{Arena, Client, Reply, Syscall};
use world::World;

/// Number of mappings, open descriptors, and resident pages of this process.
fn footprint() -> [usize; 3] {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    [maps, descriptors, statm.split(' ').nth(1).unwrap().parse().unwrap()]
}

/// One module over the socket, in and out.
fn cycle(client: &mut Client, name: &str) {
    let sample = sample(name);
    let call = Syscall::CreateModule { name: name.to_owned(), layout: sample.layout(), arena: Arena::Near };
    let (Reply::Created { base }, Some(memory)) = client.call_with_descriptor(&call).unwrap() else { panic!("create_module") };
    std::fs::File::from(memory).write_all_at(&sample.image(base), 0).unwrap();
    client.call(&Syscall::InitModule(sample.request(base))).unwrap();
    client.delete_module(Some(name)).unwrap();
}

/// After `delete_module` no page of the image is accessible; after a failed init and its delete neither.
fn unloading_is_real(world: &World) {
    for init in [image::returning(0), image::returning(1)] {
        let fat = image::Sample { init, ..sample("fat") };
        let base = world.create_written(&fat).unwrap();
        let loaded = world.call(Syscall::InitModule(fat.request(base))).is_ok();
        assert!(world::map_of(base).is_some_and(|line| line.contains("module-fat")), "mapped, whether init failed or not");
        assert_eq!(world::map_of(base + 4 * 4096).is_none(), loaded, "the code of initialization goes when it succeeded");
        world.delete("fat").unwrap();
        for page in 0..6 {
            assert_eq!(world::map_of(base + page * 4096), None, "page {page}");
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("module-fat"), "the shared memory is gone too:\n{maps}");
    }
}

#[test]
fn unloading_leaves_nothing() {
    let world = World::new();
    unloading_is_real(&world);
    a_thousand_cycles(&world);
}

/// Mappings, descriptors and memory are as they were.
fn a_thousand_cycles(world: &World) {
    let directory = tempfile::tempdir().unwrap();
    let server = world.kernel.serve(directory.path().join("kernel")).unwrap();
    let mut client = Client::connect(server.path()).unwrap();
    let mut first = footprint();
    for round in 0..1000 {
        cycle(&mut client, "fat");
        if round == 50 {
            first = footprint();
        }
    }
    let last = footprint();
    // The allocator may have split one of its own mappings meanwhile; a leak would show hundreds.
    assert!(last[0] <= first[0] + 8, "mappings: {} at first, {} at last", first[0], last[0]);
    assert_eq!(first[1], last[1], "descriptors");
    assert!(last[2] < first[2] + 256, "resident pages: {} at first, {} at last", first[2], last[2]);
    assert!(world.names().is_empty() && world.kernel.proc(uapi::ProcFile::ModuleMaps).is_empty());
}
