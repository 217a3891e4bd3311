//! File systems of modules through the VFS.

use std::sync::atomic::{AtomicUsize, Ordering};

use khost::vfs::{Detail, Lifetime};
use uapi::Errno;

use crate::{device, host, load, log, mount};

/// Loads a toy file system of a name, misbehaving in a way.
fn toy(name: &str, how: &str) {
    load("toyfs", name, &[&format!("type_name={name}"), &format!("how={how}")]).unwrap();
}

#[test]
fn a_mounted_file_system_is_read_byte_for_byte() {
    let (image, bytes) = device();
    toy("toywhole", "well");
    mount(image.path(), "toywhole", "/whole", "").unwrap();
    let mounts = &host().services().mounts;
    assert_eq!(mounts.read("/whole/device", 0, 1 << 20).unwrap(), bytes);
    assert_eq!(mounts.read("/whole/device", 511, 1026).unwrap(), bytes[511..1537]);
    assert_eq!(mounts.read("/whole/text", 5, 1 << 20).unwrap(), b"the file says\n");
    let page = mounts.read_directory("/whole", 0, 100, Detail::Inodes).unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.name.as_slice()).collect::<Vec<_>>(), [&b"device"[..], b"text", b"sub"]);
    assert_eq!(mounts.read_directory("/whole", 0, 2, Detail::Names).unwrap().next, Some(2));
    let statistics = mounts.statistics("/whole/sub").unwrap();
    assert_eq!((statistics.magic, statistics.blocks), (0x0074_6f79, 195));
    assert_eq!(mounts.stat("/whole/none"), Err(Errno::ENOENT));
    assert_eq!(mount(image.path(), "toywhole", "/whole", ""), Err(Errno::EBUSY));
    assert!(host().kernel().unload("toywhole").is_err(), "it is in use");
    host().unmount("/whole").unwrap();
    assert_eq!(log("toywhole: put_super").len(), 1);
    host().kernel().unload("toywhole").unwrap();
    assert_eq!(mount(image.path(), "toywhole", "/whole", ""), Err(Errno::ENODEV));
    assert!(log("leaked").iter().all(|line| !line.contains("toywhole")), "{:?}", log("leaked"));
}

#[test]
fn a_device_that_does_not_carry_it_is_refused_and_closed() {
    let (image, _) = device();
    toy("toyrefuse", "well");
    let before = host().services().devices.count();
    for _ in 0..300 {
        assert_eq!(mount(image.path(), "toyrefuse", "/refuse", "refuse"), Err(Errno::EINVAL));
    }
    assert!(host().services().devices.count() < before + 50, "devices stay open");
    assert_eq!(mount(std::path::Path::new("/nonexistent"), "toyrefuse", "/refuse", ""), Err(Errno::ENOENT));
    assert_eq!(mount(std::path::Path::new("/tmp"), "toyrefuse", "/refuse", ""), Err(Errno::ENOTBLK));
    mount(image.path(), "auto", "/refuse", "").unwrap();
    host().unmount("/refuse").unwrap();
    host().kernel().unload("toyrefuse").unwrap();
}

#[test]
fn what_read_super_sets_up_wrong_is_refused() {
    let (image, _) = device();
    for how in ["wild-operations", "root-is-a-file"] {
        toy(how, how);
        assert_eq!(mount(image.path(), how, &format!("/{how}"), ""), Err(Errno::EINVAL));
        assert_eq!(log(&format!("`{how}` of module `{how}`: read_super set")).len(), 1);
    }
}

#[test]
fn a_trap_in_a_read_is_eio_and_the_mount_is_dead() {
    let (image, bytes) = device();
    toy("toytrap", "trap");
    toy("toysound", "well");
    mount(image.path(), "toytrap", "/trap", "").unwrap();
    mount(image.path(), "toysound", "/sound", "").unwrap();
    let mounts = &host().services().mounts;
    assert!(mounts.stat("/trap/text").is_ok());
    assert_eq!(mounts.read("/trap/text", 0, 10), Err(Errno::EIO));
    assert_eq!(mounts.stat("/trap/text"), Err(Errno::EIO), "dead from here on");
    let dead: Vec<String> =
        mounts.list().into_iter().filter(|mount| mount.lifetime == Lifetime::Dead).map(|mount| mount.spec.point).collect();
    assert!(dead.contains(&"/trap".to_owned()) && !dead.contains(&"/sound".to_owned()), "{dead:?}");
    assert_eq!(mounts.read("/sound/device", 0, 1000).unwrap(), bytes[..1000], "others go on");
    host().unmount("/trap").unwrap();
    assert_eq!(log("toytrap: put_super").len(), 0, "it is never run again");
    assert_eq!(mount(image.path(), "toytrap", "/trap", ""), Err(Errno::EIO));
    assert!(host().kernel().taint().contains('D'));
    host().unmount("/sound").unwrap();
    host().kernel().unload("toysound").unwrap();
}

#[test]
fn a_trap_while_mounting_leaves_the_point_free() {
    let (image, _) = device();
    toy("toytrapmount", "trap-in-mount");
    assert_eq!(mount(image.path(), "toytrapmount", "/trapmount", ""), Err(Errno::EIO));
    assert_eq!(host().services().mounts.stat("/trapmount"), Err(Errno::ENOENT));
}

#[test]
fn nonsense_from_a_file_system_is_caught() {
    let (image, _) = device();
    let mounts = &host().services().mounts;
    for how in ["too-much", "odd-error"] {
        toy(how, how);
        mount(image.path(), how, &format!("/{how}"), "").unwrap();
        assert_eq!(mounts.read(&format!("/{how}/text"), 0, 10), Err(Errno::EIO), "{how}");
        host().unmount(&format!("/{how}")).unwrap();
        host().kernel().unload(how).unwrap();
    }
    toy("hostile-names", "hostile-names");
    mount(image.path(), "hostile-names", "/hostile", "").unwrap();
    let page = mounts.read_directory("/hostile", 0, 100, Detail::Inodes).unwrap();
    assert_eq!(page.entries.len(), 3, "{page:?}");
    host().unmount("/hostile").unwrap();
    host().kernel().unload("hostile-names").unwrap();
}

#[test]
fn what_a_module_forgets_is_taken_from_it_with_a_line_in_the_log() {
    let (image, _) = device();
    toy("toykeep", "keep-buffers");
    mount(image.path(), "toykeep", "/keep", "").unwrap();
    host().services().mounts.read("/keep/device", 0, 4096).unwrap();
    host().unmount("/keep").unwrap();
    assert!(log("buffers (").iter().any(|line| line.contains("8 buffers (4096 bytes)")), "{:?}", log("buffers"));
    host().kernel().unload("toykeep").unwrap();
    toy("toyforget", "forget");
    host().kernel().unload("toyforget").unwrap();
    assert_eq!(log("`toyforget` went without unregister_filesystem").len(), 1);
    assert_eq!(mount(image.path(), "toyforget", "/forget", ""), Err(Errno::ENODEV));
    toy("toyforget", "well");
    host().kernel().unload("toyforget").unwrap();
}

#[test]
fn names_of_types_are_taken_once() {
    toy("toyfirst", "well");
    let refused = load("toyfs", "toysecond", &["type_name=toyfirst"]).unwrap_err();
    assert!(log("toysecond").iter().any(|line| line.contains("-16") || line.contains("busy")), "{refused} {:?}", log("toysecond"));
    assert!(!host().kernel().module_names().iter().any(|name| name.as_str() == "toysecond"));
    host().kernel().unload("toyfirst").unwrap();
}

#[test]
fn many_clients_use_a_mount_while_others_come_and_go() {
    let (image, bytes) = device();
    toy("toymany", "well");
    mount(image.path(), "toymany", "/many", "").unwrap();
    let (read, remounted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (read, remounted, bytes, image) = (&read, &remounted, &bytes, &image);
            scope.spawn(move || {
                for round in 0..25_usize {
                    if thread < 6 {
                        let offset = (thread * 7919 + round * 104_729) % 90_000;
                        let got = host().services().mounts.read("/many/device", u64::try_from(offset).unwrap(), 5000).unwrap();
                        assert_eq!(got, bytes[offset..offset + 5000]);
                        read.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let point = format!("/many{thread}");
                        mount(image.path(), "toymany", &point, "").unwrap();
                        assert_eq!(host().services().mounts.read(&format!("{point}/text"), 0, 4).unwrap(), b"what");
                        host().unmount(&point).unwrap();
                        remounted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!((read.into_inner(), remounted.into_inner()), (150, 50));
    assert!(host().kernel().unload("toymany").is_err());
    host().unmount("/many").unwrap();
    host().kernel().unload("toymany").unwrap();
}
