//! Module memory: how it is mapped, sealed, shared and freed.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use rustix::fs::SealFlags;
use uapi::{Arena, Errno, MemoryLayout, Part, ProcFile, Reply, Syscall};

use crate::image::{Loaded, Sample, calling, sample};
use crate::world::{World, map_of};

/// Permissions of the page that holds an address; nothing if it is not accessible.
fn permissions(address: u64) -> String {
    map_of(address).map_or_else(String::new, |line| line.split(' ').nth(1).unwrap().to_owned())
}

/// Permissions of the first page of each part.
fn parts(sample: &Sample, loaded: Loaded) -> Vec<String> {
    Part::ALL.into_iter().map(|part| permissions(loaded.base + sample.layout().part(part).offset)).collect()
}

#[test]
fn parts_have_their_permissions_and_init_goes() {
    let world = World::new();
    let during = Arc::new(Mutex::new(Vec::new()));
    let mut fat = sample("fat");
    let base = Arc::new(Mutex::new(0));
    let (note, place, layout) = (Arc::clone(&during), Arc::clone(&base), fat.clone());
    fat.init = calling(move || {
        *note.lock().unwrap() = parts(&layout, layout.at(*place.lock().unwrap()));
        0
    });
    let (address, memory) = world.create(&fat).unwrap();
    *base.lock().unwrap() = address;
    assert_eq!(permissions(address), "", "nothing is mapped before init_module");
    File::from(memory).write_all_at(&fat.image(address), 0).unwrap();
    assert_eq!(world.call(Syscall::InitModule(fat.request(address))), Ok(Reply::Done));
    assert_eq!(*during.lock().unwrap(), ["r-xs", "r--s", "rw-p", "r-xs", "rw-p"]);
    assert_eq!(parts(&fat, fat.at(address)), ["r-xs", "r--s", "rw-p", "", ""]);
    let maps = world.kernel.proc(ProcFile::ModuleMaps);
    let expected = format!(
        "{:x}-{:x} r-xs fat text\n{:x}-{:x} r--s fat rodata\n{:x}-{:x} rw-p fat data\n",
        address,
        address + 4096,
        address + 4096,
        address + 2 * 4096,
        address + 2 * 4096,
        address + 4 * 4096
    );
    assert_eq!(maps, expected);
    world.delete("fat").unwrap();
    assert_eq!(world.kernel.proc(ProcFile::ModuleMaps), "");
}

#[test]
fn row_30_the_image_in_the_kernel_is_what_was_written_and_the_rest_is_zero() {
    let world = World::new();
    let fat = sample("fat");
    let (base, memory) = world.create(&fat).unwrap();
    let image = fat.image(base);
    File::from(memory).write_all_at(&image, 0).unwrap();
    assert_eq!(world.call(Syscall::InitModule(fat.request(base))), Ok(Reply::Done));
    let own = File::open("/proc/self/mem").unwrap();
    for part in [Part::Text, Part::Rodata, Part::Data] {
        let range = fat.layout().part(part);
        let size = usize::try_from(range.size).unwrap();
        let mut found = vec![1; size.next_multiple_of(4096)];
        own.read_exact_at(&mut found, base + range.offset).unwrap();
        let offset = usize::try_from(range.offset).unwrap();
        let skip = if part == Part::Data { 8 } else { 0 };
        assert!(found[skip..size] == image[offset + skip..offset + size], "{part:?}");
        assert!(found[size..].iter().all(|byte| *byte == 0), "{part:?}: the rest of the last page");
        if part == Part::Data {
            assert_eq!(found[..8], [0; 8], "the use count starts at 0, whatever was written");
        }
    }
}

#[test]
fn memory_is_sealed_for_everybody() {
    let world = World::new();
    let fat = sample("fat");
    let (base, memory) = world.create(&fat).unwrap();
    let writer = File::from(memory);
    writer.write_all_at(&fat.image(base), 0).unwrap();
    assert!(writer.set_len(1 << 20).is_err(), "it cannot grow, not even before");
    assert_eq!(world.call(Syscall::InitModule(fat.request(base))), Ok(Reply::Done));
    let seals = rustix::fs::fcntl_get_seals(&writer).unwrap();
    assert!(seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL), "{seals:?}");
    assert!(writer.write_all_at(&[0], 0).is_err());
    assert!(writer.set_len(0).is_err());
    assert_eq!(writer.metadata().unwrap().len(), 2 * 4096, "only text and constants are still shared");
    let own = std::fs::OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
    assert!(own.write_all_at(&[0xc3], base).is_err(), "not even through /proc/self/mem");
}

/// A writable mapping of a module's memory, as insmod has it.
struct Mapping(memmap2::MmapMut);

fn map(memory: impl AsFd) -> Mapping {
    let file = File::from(memory.as_fd().try_clone_to_owned().unwrap());
    // SAFETY: nobody else changes the memory while this test writes it.
    Mapping(unsafe { memmap2::MmapMut::map_mut(&file) }.unwrap())
}

#[test]
fn a_writer_that_still_has_it_mapped_makes_init_busy() {
    let world = World::new();
    let fat = sample("fat");
    let (base, memory) = world.create(&fat).unwrap();
    let mut mapping = map(&memory);
    mapping.0.copy_from_slice(&fat.image(base));
    assert_eq!(world.call(Syscall::InitModule(fat.request(base))), Err(Errno::EBUSY));
    assert!(world.log.text().contains("still mapped writable"), "{}", world.log.text());
    drop(mapping);
    assert_eq!(world.call(Syscall::InitModule(fat.request(base))), Ok(Reply::Done), "it may be tried again");
}

#[test]
fn memory_that_was_cut_is_refused() {
    let world = World::new();
    let fat = sample("fat");
    let (base, memory) = world.create(&fat).unwrap();
    File::from(memory).set_len(4096).unwrap();
    assert_eq!(world.call(Syscall::InitModule(fat.request(base))), Err(Errno::EINVAL));
    world.delete("fat").unwrap();
}

#[test]
fn text_can_never_be_made_writable() {
    let world = World::new();
    let fat = world.load(&sample("fat")).unwrap();
    for (address, name) in [(fat.base, "text"), (fat.base + 4096, "rodata")] {
        let pointer = std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap());
        let writable = rustix::mm::MprotectFlags::READ | rustix::mm::MprotectFlags::WRITE;
        // SAFETY: the call must fail; if it did not, only permissions of a page that this test owns would change.
        let answer = unsafe { rustix::mm::mprotect(pointer, 4096, writable) };
        assert_eq!(answer, Err(rustix::io::Errno::ACCESS), "{name}");
    }
}

#[test]
fn no_mapping_of_this_process_is_writable_and_executable() {
    let world = World::new();
    world.load(&sample("fat")).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines() {
        let permissions = line.split(' ').nth(1).unwrap();
        assert!(!(permissions.contains('w') && permissions.contains('x')), "{line}");
    }
}

#[test]
fn row_31_two_instances_run_at_different_addresses_in_reach_of_the_host() {
    let world = World::new();
    let first = world.load(&sample("first")).unwrap();
    let second = world.load(&sample("second")).unwrap();
    assert_ne!(first.base, second.base);
    let host = sample as *const () as u64;
    for base in [first.base, second.base] {
        assert!(host.abs_diff(base) < (2 << 30) - (16 << 20), "{base:#x} is in reach of {host:#x}");
    }
}

#[test]
fn the_low_arena_is_below_4_gigabytes() {
    let world = World::new();
    let low = sample("low");
    let call = Syscall::CreateModule { name: "low".into(), layout: low.layout(), arena: Arena::Low };
    let (answer, memory) = world.kernel.dispatch(&world.peer, call);
    let Ok(Reply::Created { base }) = answer else { panic!("{answer:?}") };
    assert!(base + low.layout().size() < 4 << 30, "{base:#x}");
    File::from(memory.unwrap()).write_all_at(&low.image(base), 0).unwrap();
    assert_eq!(world.call(Syscall::InitModule(low.request(base))), Ok(Reply::Done));
    assert_eq!(world.kernel.call(low.at(base).inc(), [0; 6]).map(drop), Ok(()));
}

#[test]
fn addresses_are_used_again() {
    let world = World::new();
    let mut seen = Vec::new();
    for round in 0..50 {
        let loaded = world.load(&Sample { init: crate::image::returning(0), ..sample("again") }).unwrap();
        seen.push(loaded.base);
        assert_eq!(world.kernel.call(loaded.base, [0; 6]), Ok(0), "round {round}");
        world.delete("again").unwrap();
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() < seen.len(), "50 rounds took {} addresses", distinct.len());
}

#[test]
fn parts_may_be_missing_or_have_holes_between_them() {
    let world = World::new();
    let mut layout = MemoryLayout::from_sizes([64, 0, 8, 0, 0]);
    for part in &mut layout.parts[2..] {
        part.offset += 16 * 4096;
    }
    let call = Syscall::CreateModule { name: "holes".into(), layout, arena: Arena::Near };
    let (answer, memory) = world.kernel.dispatch(&world.peer, call);
    let Ok(Reply::Created { base }) = answer else { panic!("{answer:?}") };
    File::from(memory.unwrap()).write_all_at(&crate::image::returning(0), 0).unwrap();
    let mut init = sample("holes").request(base);
    init.routines.cleanup = base;
    assert_eq!(world.call(Syscall::InitModule(init)), Ok(Reply::Done));
    assert_eq!([permissions(base), permissions(base + 4096), permissions(base + 17 * 4096)], ["r-xs", "", "rw-p"]);
    world.delete("holes").unwrap();
}
