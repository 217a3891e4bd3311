//! Modules that were compiled for these tests, on real kernels: what Debian's own modules do not do when they start.
#![forbid(unsafe_code)]

use std::path::PathBuf;

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

#[test]
fn what_only_modules_made_for_it_show() {
    let mut guest = guest(Flavour::Debian61, Flavour::Debian612);
    guest.tools(&Programs::static_modutils()).expect("the tools");
    let session = Session::parse(include_str!("outside.session"));
    let script = session.script(guest.archive());
    let run = guest.boot(&script).expect("a boot");
    let (transcript, _) = session.judge(&run);
    println!("{transcript}");
    session.check(&run);
}
