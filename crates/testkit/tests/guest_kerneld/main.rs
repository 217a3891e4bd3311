//! kerneld on real kernels: requests of root and of users, and every way in which the daemon, its files or the disk can fail.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, fat_disk, subset};

/// Modules that the sessions ask for.
const MODULES: &[&str] = &["vfat", "loop", "nls_ascii", "nls_cp437", "nls_iso8859-1", "dummy", "af_key", "vsock_loopback", "can", "xfs"];

/// A guest with the tools, the daemon, the modules, a FAT image and the program that asks as a user.
fn guest(flavour: Flavour) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    guest.daemon(&Programs::static_kerneld()).expect("the daemon");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), MODULES, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_kerneld");
    let program = root.path().join("as");
    let built = Command::new("cc").args(["-O1", "-static", "-Wall", "-o"]).arg(&program).arg(here.join("as.c")).output().expect("cc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let archive = guest.archive();
    archive.copy(&program, "bin/as").expect("a program");
    archive.copy(&here.join("enforce.toml"), "policies/enforce.toml").expect("a policy");
    archive.file("disk", 0o644, &fat_disk());
    archive.file("etc/group", 0o644, b"root:x:0:\nkerneld:x:991:\n");
    guest
}

#[test]
fn requests_and_failures_on_6_1() {
    guest(Flavour::Debian61).play(&Session::parse(include_str!("failures.session"))).expect("a boot");
}

#[test]
fn a_flood_of_a_user_on_6_1() {
    guest(Flavour::Debian61).play(&Session::parse(include_str!("flood.session"))).expect("a boot");
}

#[test]
fn requests_on_6_12_compressed() {
    guest(Flavour::Debian612).play(&Session::parse(include_str!("requests.session"))).expect("a boot");
}

#[test]
fn before_anything_is_mounted() {
    guest(Flavour::Debian61).play(&Session::parse(include_str!("bare.session"))).expect("a boot");
}
