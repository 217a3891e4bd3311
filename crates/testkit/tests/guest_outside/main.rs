//! Modules that were compiled for these tests, on real kernels: what Debian's own modules do not do when they start.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Headers, Machine, Session, subset};

/// The modules of `modules/guest` for a kernel.
fn outside(machine: &Machine) -> (Headers, PathBuf) {
    let headers = Headers::new(machine).expect("headers");
    let folder = headers.modules().expect("modules");
    (headers, folder)
}

/// A guest with these modules in its tree (but for `hello.ko`'s copies in `/other`: signed by a key of our own, and made for the other
/// kernel), some of Debian's, and a configuration.
fn guest(flavour: Flavour, other: Flavour) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), &["dummy", "nls_ascii", "nls_cp437"], root.path()).expect("modules");
    let (headers, folder) = outside(guest.machine());
    std::fs::create_dir_all(tree.join("updates")).expect("a folder");
    for name in ["hello", "fatlike", "vfatlike", "noexit", "failinit", "slowinit", "reqmod"] {
        std::fs::copy(folder.join(format!("{name}.ko")), tree.join(format!("updates/{name}.ko"))).expect("a module");
    }
    guest.tree(&tree).expect("a tree");
    let signed = headers.signed(&folder.join("hello.ko")).expect("a signed module");
    guest.archive().file("other/signed.ko", 0o644, &signed);
    let (_, others) = outside(&Machine::new(other).expect("the other kernel"));
    guest.archive().copy(&others.join("hello.ko"), "other/hello.ko").expect("a module");
    guest.archive().file("etc/modprobe.d/outside.conf", 0o644, b"options vfatlike level=41\n");
    guest
}

/// The session, what differs between the kernels first, with the release of the kernel and that of the other one put in.
fn session(own: Flavour, other: Flavour) -> Session {
    let first = if own == Flavour::Debian612 { include_str!("6.12.session") } else { include_str!("6.1.session") };
    let release = |flavour| format!("`{}`", Machine::new(flavour).expect("a kernel").release());
    let text = format!("{first}\n{}", include_str!("outside.session"));
    Session::parse(&text.replace("`OWN`", &release(own)).replace("`OTHER`", &release(other)))
}

fn played(own: Flavour, other: Flavour) {
    let mut guest = guest(own, other);
    guest.tools(&Programs::static_modutils()).expect("the tools");
    guest.play(&session(own, other)).expect("a boot");
}

#[test]
fn what_only_modules_made_for_it_show_on_6_1() {
    played(Flavour::Debian61, Flavour::Debian612);
}

#[test]
fn what_only_modules_made_for_it_show_on_6_12() {
    played(Flavour::Debian612, Flavour::Debian61);
}

#[test]
fn kmod_ends_with_the_same_status() {
    let mut guest = guest(Flavour::Debian61, Flavour::Debian612);
    guest.oracle().expect("kmod");
    let session = session(Flavour::Debian61, Flavour::Debian612);
    let script = session.script(guest.archive());
    let (_, differences) = session.judge(&guest.boot(&script).expect("a boot"));
    // Its words explain less; that is not looked at here.
    let status: Vec<_> = differences.into_iter().filter(|difference| difference.contains("the status should be")).collect();
    assert!(status.is_empty(), "{}", status.join("\n\n"));
}

#[test]
fn a_start_that_fails_is_made_once() {
    let mut guest = guest(Flavour::Debian612, Flavour::Debian61);
    guest.tools(&Programs::static_modutils()).expect("the tools");
    let (_, folder) = outside(guest.machine());
    for (name, check) in [("failinit.ko.xz", "crc32"), ("crc64.ko.xz", "crc64")] {
        let mut xz = Command::new("xz");
        xz.args(["--lzma2=dict=1MiB", "-c"]).arg(format!("--check={check}")).arg(folder.join("failinit.ko"));
        let packed = xz.output().expect("xz runs");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        guest.archive().file(&format!("packed/{name}"), 0o644, &packed.stdout);
    }
    guest.play(&Session::parse(include_str!("once.session"))).expect("a boot");
}
