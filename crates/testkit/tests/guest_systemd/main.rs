//! kerneld under Debian's own systemd and udev: what it ships for them does what it says.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Headers, Session, fat_disk, program, subset};

/// Modules that the sessions ask for, and those that systemd and udev do.
const MODULES: &[&str] = &[
    "autofs4",
    "vfat",
    "loop",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859-1",
    "dummy",
    "af_key",
    "vsock_loopback",
    "nf_tables",
    "nft_ct",
    "nft_masq",
    "nft_chain_nat",
    "nf_conntrack",
    "crc32c_generic",
    "algif_hash",
    "minix",
    "romfs",
    "xfs",
    "e1000",
    "e1000e",
    "xhci_pci",
    "usbhid",
    "hid_generic",
    "evdev",
    "virtio_blk",
    "virtio_rng",
    "ext4",
];

/// A guest that boots Debian's systemd with the tools in the place of kmod's, the daemon (not installed yet), modules with their
/// indexes, and the programs that ask.
fn guest(flavour: Flavour) -> Guest {
    let mut guest = Guest::systemd(flavour).expect("a guest");
    let tools = Programs::static_modutils();
    guest.tools(&tools).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
    let root = tempfile::tempdir().expect("a folder");
    // Built into the other kernel.
    let more: &[&str] = if flavour == Flavour::Debian61 { &["virtio_pci"] } else { &[] };
    let tree = subset(guest.machine(), &[MODULES, more].concat(), root.path()).expect("modules");
    let outside = Headers::new(guest.machine()).expect("headers").modules().expect("modules");
    std::fs::create_dir_all(tree.join("updates")).expect("a folder");
    for name in ["firmware", "slowinit"] {
        std::fs::copy(outside.join(format!("{name}.ko")), tree.join(format!("updates/{name}.ko"))).expect("a module");
    }
    let indexed = Command::new(&tools).arg("depmod").arg("-b").arg(root.path()).arg(guest.machine().release()).status();
    assert!(indexed.expect("depmod").success());
    guest.tree(&tree).expect("a tree");
    let ask = root.path().join("ask");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_who/ask.c");
    let built = Command::new("cc").args(["-static", "-O2", "-pthread", "-o"]).arg(&ask).arg(source).output().expect("cc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let archive = guest.archive();
    archive.copy(&ask, "usr/local/bin/ask").expect("a program");
    archive.copy(&program("workload"), "usr/local/bin/workload").expect("a program");
    archive.file("usr/local/bin/settle", 0o755, include_bytes!("settle"));
    archive.file("disk", 0o644, &fat_disk());
    archive.file("lib/firmware/firmware-of-tests.bin", 0o644, b"firmware");
    archive.file("etc/modules-load.d/test.conf", 0o644, b"nls_iso8859-1\n");
    guest
}

/// Puts the result of `kerneld install` and of its enabling into a guest, with this policy: what an image of a system has.
fn installed(guest: &mut Guest, policy: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for (path, text) in
        [("usr/sbin/kerneld-request", "the helper"), ("proc/sys/kernel/modprobe", "/sbin/modprobe\n"), ("etc/kerneld/policy.toml", policy)]
    {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| std::fs::write(&path, text)).expect("a file");
    }
    let helper = root.join("usr/sbin/kerneld-request");
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    for words in [&["install", "--initramfs"][..], &["policy", "compile"]] {
        let done = Command::new(Programs::static_kerneld()).args(words).arg("--root").arg(root).output().expect("kerneld");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    for folder in ["etc", "var"] {
        guest.archive().copy(&root.join(folder), folder).expect("what was installed");
    }
    guest.archive().link("etc/systemd/system/sysinit.target.wants/kerneld.service", "../kerneld.service");
}

#[test]
fn the_service() {
    guest(Flavour::Debian61).play(&Session::parse(include_str!("service.session"))).expect("a boot");
}

#[test]
fn udev_leaves_loading_to_a_daemon_that_lives() {
    let mut guest = guest(Flavour::Debian612);
    installed(&mut guest, "mode = \"enforce\"\n[devices]\nfollow = true\n[default]\nverdict = \"allow\"\n");
    guest.archive().file("usr/local/bin/loaders", 0o755, include_bytes!("loaders"));
    guest.devices(&["-device", "pcie-root-port,id=socket,chassis=1,slot=1", "-device", "qemu-xhci,id=usb"]);
    guest.devices(&["-blockdev", "driver=null-co,node-name=spare,size=1048576,read-zeroes=on"]).monitored();
    guest.play(&Session::parse(include_str!("udev.session"))).expect("a boot");
}

#[test]
fn the_initramfs_of_an_installed_system() {
    let mut guest = guest(Flavour::Debian61);
    let deny = "mode = \"enforce\"\n[[rule]]\nrequest = \"fs-romfs\"\nverdict = \"deny\"\n[default]\nverdict = \"allow\"\n";
    installed(&mut guest, deny);
    guest.archive().file("etc/initramfs-tools/scripts/init-premount/before-root", 0o755, include_bytes!("before-root"));
    guest.archive().file("etc/initramfs-tools/hooks/test", 0o755, include_bytes!("hook"));
    guest.on_disk().expect("a disk");
    guest.play(&Session::parse(include_str!("disk.session"))).expect("a boot");
}
