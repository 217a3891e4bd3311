//! The VFS over a tiny file system in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use uapi::{Errno, ModuleName};

use crate::owner::{Owner, UseCount};

use super::{
    Detail, Entry, FileSystemType, FileSystems, Fill, Inode, Lifetime, MountSpec, Mounts, S_IFDIR, S_IFREG, Source, Statistics, SuperBlock,
};

/// Directories and files by inode number; number 1 is the root.
#[derive(Default)]
struct Tree {
    directories: BTreeMap<u64, Vec<(&'static str, u64)>>,
    files: BTreeMap<u64, Vec<u8>>,
    unmounted: AtomicUsize,
    dead: AtomicBool,
    /// Where a test wants a user inside: a read says that it has come, and waits to be let go.
    gate: Option<Mutex<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

fn tree() -> Tree {
    let mut tree = Tree::default();
    tree.directories.insert(1, vec![("a", 2), ("readme", 10), ("ghost", 99)]);
    tree.directories.insert(2, vec![("b", 3), ("c", 11)]);
    tree.directories.insert(3, Vec::new());
    tree.files.insert(10, (0..=255).cycle().take(10_000).collect());
    tree.files.insert(11, b"see".to_vec());
    tree
}

impl Tree {
    fn inode(&self, number: u64) -> Result<Inode, Errno> {
        let (mode, size) = match (self.directories.get(&number), self.files.get(&number)) {
            (Some(_), _) => (S_IFDIR | 0o755, 0),
            (_, Some(bytes)) => (S_IFREG | 0o644, u64::try_from(bytes.len()).unwrap()),
            _ => return Err(Errno::ENOENT),
        };
        Ok(Inode { number, mode, size, links: 1, ..Inode::default() })
    }
}

impl SuperBlock for Tree {
    fn root(&self) -> Inode {
        self.inode(1).unwrap()
    }

    fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Inode, Errno> {
        let entries = self.directories.get(&directory.number).ok_or(Errno::EIO)?;
        let (_, number) = entries.iter().find(|(known, _)| known.as_bytes() == name).ok_or(Errno::ENOENT)?;
        self.inode(*number)
    }

    fn read_directory(&self, directory: &Inode, position: u64, fill: &mut dyn FnMut(Entry) -> Fill) -> Result<u64, Errno> {
        let mut at = position;
        for (name, number) in self.directories[&directory.number].iter().skip(usize::try_from(position).unwrap()) {
            at += 1;
            if fill(Entry { name: name.as_bytes().to_vec(), position: at, number: *number, mode: 0 }) == Fill::Enough {
                break;
            }
        }
        Ok(at)
    }

    fn read(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        if let Some(gate) = &self.gate {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
        }
        let bytes = &self.files[&file.number];
        let from = &bytes[usize::try_from(offset).unwrap().min(bytes.len())..];
        // At most 1,000 bytes at a time, as a file system that works by clusters does it.
        let count = from.len().min(buffer.len()).min(1000);
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn statistics(&self) -> Result<Statistics, Errno> {
        Ok(Statistics { magic: 7, block_size: 512, blocks: 20, ..Statistics::default() })
    }

    fn put_super(&self) {
        self.unmounted.fetch_add(1, Ordering::SeqCst);
    }

    fn lifetime(&self) -> Lifetime {
        if self.dead.load(Ordering::SeqCst) { Lifetime::Dead } else { Lifetime::Alive }
    }

    fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }
}

fn owner(name: &str) -> Owner {
    Owner { name: ModuleName::new(name).unwrap(), use_count: UseCount(u64::try_from(name.len()).unwrap()) }
}

fn mount(mounts: &Mounts, point: &str, tree: &Arc<Tree>, module: Option<&str>) -> Result<(), Errno> {
    let spec = MountSpec { source: "none".into(), kind: "tree".into(), point: point.into(), options: String::new() };
    let reservation = mounts.reserve(point)?;
    let super_block: Arc<dyn SuperBlock> = tree.clone();
    mounts.insert(&reservation, spec, super_block, None, module.map(owner));
    Ok(())
}

#[test]
fn paths_lead_to_files_below_the_longest_mount_point() {
    let (mounts, outer, inner) = (Mounts::default(), Arc::new(tree()), Arc::new(tree()));
    mount(&mounts, "/mnt", &outer, None).unwrap();
    mount(&mounts, "mnt//x/./y/..", &inner, None).unwrap();
    assert_eq!(mounts.list()[1].spec.point, "/mnt/x");
    let expected: &[(&str, Result<u64, Errno>)] = &[
        ("/mnt", Ok(1)),
        ("/mnt/", Ok(1)),
        ("mnt/a/b", Ok(3)),
        ("/mnt/a/../a/c", Ok(11)),
        ("/mnt/./a//c", Ok(11)),
        ("/mnt/x/readme", Ok(10)),
        ("/mnt/readme/x", Err(Errno::ENOTDIR)),
        ("/mnt/none", Err(Errno::ENOENT)),
        ("/mntx", Err(Errno::ENOENT)),
        ("/", Err(Errno::ENOENT)),
        ("", Err(Errno::EINVAL)),
        ("/mnt/\0", Err(Errno::EINVAL)),
    ];
    for (path, result) in expected {
        assert_eq!(mounts.stat(path).map(|inode| inode.number), *result, "{path:?}");
    }
    assert_eq!(mounts.stat(&format!("/mnt/{}", "n".repeat(256))), Err(Errno::ENAMETOOLONG));
    assert_eq!(mounts.stat(&"/n".repeat(3000)), Err(Errno::ENAMETOOLONG));
}

#[test]
fn files_are_read_whole_and_in_parts() {
    let (mounts, tree) = (Mounts::default(), Arc::new(tree()));
    mount(&mounts, "/m", &tree, None).unwrap();
    assert_eq!(mounts.read("/m/readme", 0, 1 << 20).unwrap(), tree.files[&10]);
    assert_eq!(mounts.read("/m/readme", 9_990, 100).unwrap(), tree.files[&10][9_990..]);
    assert_eq!(mounts.read("/m/readme", u64::MAX, 100).unwrap(), b"");
    assert_eq!(mounts.read("/m/a", 0, 100), Err(Errno::EISDIR));
    assert_eq!(mounts.read("/m/none", 0, 100), Err(Errno::ENOENT));
    assert_eq!(mounts.statistics("/m/a").unwrap().blocks, 20);
    assert_eq!(mounts.statistics("/m/none"), Err(Errno::ENOENT));
}

#[test]
fn directories_are_read_page_by_page() {
    let (mounts, tree) = (Mounts::default(), Arc::new(tree()));
    mount(&mounts, "/m", &tree, None).unwrap();
    let (mut names, mut position, mut pages) = (Vec::new(), Some(0), 0);
    while let Some(at) = position {
        let page = mounts.read_directory("/m", at, 2, Detail::Inodes).unwrap();
        names.extend(page.entries.into_iter().map(|entry| (String::from_utf8(entry.name).unwrap(), entry.inode.number)));
        (position, pages) = (page.next, pages + 1);
    }
    let expected = [("a", 2), ("readme", 10), ("ghost", 99)].map(|(name, number)| (name.to_owned(), number));
    assert_eq!((names, pages), (expected.to_vec(), 2));
    assert_eq!(mounts.read_directory("/m/readme", 0, 2, Detail::Names), Err(Errno::ENOTDIR));
}

#[test]
fn a_point_is_taken_once_and_free_again_after_unmounting() {
    let (mounts, tree) = (Mounts::default(), Arc::new(tree()));
    let reservation = mounts.reserve("/m").unwrap();
    assert_eq!(mounts.reserve("/m/").err(), Some(Errno::EBUSY), "a mount on its way");
    assert_eq!(mounts.remove("/m"), Err(Errno::EBUSY));
    drop(reservation);
    mount(&mounts, "/m", &tree, None).unwrap();
    assert_eq!(mount(&mounts, "/m", &tree, None), Err(Errno::EBUSY));
    assert_eq!(mounts.remove("/n"), Err(Errno::EINVAL));
    assert_eq!(mounts.remove("/m"), Ok(None));
    assert_eq!(tree.unmounted.load(Ordering::SeqCst), 1);
    assert_eq!(mounts.remove("/m"), Err(Errno::EINVAL));
    mount(&mounts, "/m", &tree, None).unwrap();
}

#[test]
fn a_mount_in_use_cannot_be_unmounted() {
    let ((came, inside), (opener, gate)) = (mpsc::channel(), mpsc::channel());
    let (mounts, tree) = (Mounts::default(), Arc::new(Tree { gate: Some(Mutex::new((came, gate))), ..tree() }));
    mount(&mounts, "/m", &tree, None).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| mounts.read("/m/a/c", 0, 3));
        inside.recv().unwrap();
        assert_eq!(mounts.remove("/m"), Err(Errno::EBUSY));
        opener.send(()).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(b"see".to_vec()));
    });
    assert_eq!(mounts.remove("/m"), Ok(None));
}

#[test]
fn a_dead_mount_answers_eio_and_is_not_called_when_it_goes() {
    let (mounts, tree) = (Mounts::default(), Arc::new(tree()));
    mount(&mounts, "/m", &tree, Some("vfat")).unwrap();
    mount(&mounts, "/other", &Arc::new(self::tree()), Some("msdos")).unwrap();
    assert_eq!(mounts.kill(UseCount(4)), ["/m"]);
    assert_eq!(mounts.stat("/m/a"), Err(Errno::EIO));
    assert_eq!(mounts.list()[0].lifetime, Lifetime::Dead);
    assert!(mounts.stat("/other/a").is_ok());
    assert_eq!(mounts.remove("/m"), Ok(None));
    assert_eq!(tree.unmounted.load(Ordering::SeqCst), 0);
}

/// A type that mounts the tree.
struct TreeType(&'static str, Option<Owner>);

impl FileSystemType for TreeType {
    fn name(&self) -> &str {
        self.0
    }

    fn owner(&self) -> Option<&Owner> {
        self.1.as_ref()
    }

    fn needs_device(&self) -> bool {
        false
    }

    fn read_super(&self, _: &Source) -> Result<Arc<dyn SuperBlock>, Errno> {
        Ok(Arc::new(tree()))
    }
}

#[test]
fn a_missing_type_is_asked_for_once() {
    let (types, asked) = (FileSystems::default(), AtomicUsize::new(0));
    let demand = |status: i32| {
        let (types, asked) = (&types, &asked);
        move |name: &str| {
            asked.fetch_add(1, Ordering::SeqCst);
            if status == 0 && name == "vfat" {
                types.register(Arc::new(TreeType("vfat", Some(owner("vfat"))))).unwrap();
            }
            status
        }
    };
    assert_eq!(types.get("vfat", &demand(256)).err(), Some(Errno::ENODEV), "modprobe failed");
    assert_eq!(types.get("hpfs", &demand(0)).err(), Some(Errno::ENODEV), "it came, but did not register");
    assert_eq!(types.get("vfat", &demand(0)).unwrap().name(), "vfat");
    assert_eq!(types.get("vfat", &demand(0)).unwrap().name(), "vfat");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    for hostile in ["", "-r", "a b", "a/b", "a\n", &"x".repeat(33)] {
        assert_eq!(types.get(hostile, &demand(0)).err(), Some(Errno::ENODEV), "{hostile:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "names that are none are not asked for");
}

#[test]
fn names_of_types_are_unique_and_go_with_their_module() {
    let types = FileSystems::default();
    types.register(Arc::new(TreeType("vfat", Some(owner("vfat"))))).unwrap();
    types.register(Arc::new(TreeType("proc", None))).unwrap();
    assert_eq!(types.register(Arc::new(TreeType("vfat", None))), Err(Errno::EBUSY));
    assert_eq!(types.register(Arc::new(TreeType("a b", None))), Err(Errno::EINVAL));
    assert_eq!(types.forget(UseCount(4)), ["vfat"]);
    assert_eq!(types.names(), [("proc".to_owned(), None)]);
    assert_eq!(types.unregister("proc"), Ok(()));
    assert_eq!(types.unregister("proc"), Err(Errno::EINVAL));
}
