//! The tools on real Linux kernels: the kernel itself calls our modprobe.

use testkit::Programs;
use testkit::guest::{Flavour, Guest, fat_disk, subset};

/// A guest with the static tools and these modules, indexed by our own depmod, run inside the guest.
fn guest(flavour: Flavour, modules: &[&str]) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), modules, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest
}

/// What every demand-load test does first: index the tree, make the nodes of loop devices.
const PREPARE: &str = "
set -e
/sbin/depmod
mknod /dev/loop-control c 10 237 2>/dev/null || true
test -e /dev/loop0 || mknod /dev/loop0 b 7 0
";

fn vfat_comes_and_goes(flavour: Flavour) {
    let mut guest = guest(flavour, &["vfat", "loop", "nls_ascii", "nls_cp437", "nls_iso8859-1"]);
    guest.archive().file("disk", 0o644, &fat_disk());
    let script = format!(
        "{PREPARE}
        test \"$(/sbin/lsmod | wc -l)\" = 1
        losetup /dev/loop0 /disk
        mount -t vfat /dev/loop0 /mnt
        echo \"CONTENT $(cat '/mnt/A long name.txt')\"
        /sbin/lsmod
        if /sbin/rmmod vfat; then exit 20; fi
        if /sbin/modprobe -r fat; then exit 21; fi
        umount /mnt
        /sbin/modprobe -r vfat
        if grep -q '^fat ' /proc/modules; then exit 22; fi
        if mount -t nosuchfs none /mnt; then exit 23; fi
        echo ALL-DONE"
    );
    let console = guest.boot(&script).expect("a boot").ok();
    assert!(console.contains("CONTENT read through vfat"), "{console}");
    let fat = console.lines().find(|line| line.starts_with("fat ")).unwrap_or_else(|| panic!("{console}"));
    assert!(fat.trim_end().ends_with("1 vfat"), "{fat}");
    assert!(console.contains("vfat is in use") || console.contains("Module vfat is in use"), "{console}");
    assert!(console.contains("ALL-DONE"), "{console}");
}

#[test]
fn vfat_on_debian_6_1() {
    vfat_comes_and_goes(Flavour::Debian61);
}

#[test]
fn vfat_on_debian_6_12_compressed() {
    vfat_comes_and_goes(Flavour::Debian612);
}

#[test]
fn vfat_on_user_mode_linux() {
    vfat_comes_and_goes(Flavour::Uml);
}
