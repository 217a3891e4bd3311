//! Every way in which Linux refuses a module that can be made from Debian's own ones: the tools name the cause.
#![forbid(unsafe_code)]

mod forge;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

/// The module whose file is damaged.
const VICTIM: &str = "kernel/drivers/net/dummy.ko";

/// A guest with the tools, some modules, and damaged ones in `/bad`.
fn guest(modules: &[&str]) -> Guest {
    let mut guest = Guest::new(Flavour::Debian61).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), modules, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest.archive().file("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n");
    let victim = std::fs::read(guest.machine().modules().join(VICTIM)).expect("the module dummy");
    let release = guest.machine().release();
    for (name, content) in forge::files(&victim, &release) {
        guest.archive().file(&format!("bad/{name}"), 0o644, &content);
    }
    guest
}

#[test]
fn every_refusal_names_its_cause() {
    let mut guest = guest(&["dummy", "brd", "vfat", "padlock-aes", "i2c-stub", "veth", "vrf", "scsi_debug"]);
    guest.append("module_blacklist=veth");
    guest.play(&Session::parse(include_str!("refusals.session"))).expect("a boot");
}

#[test]
fn a_kernel_that_insists_on_signatures_from_its_start() {
    let mut guest = guest(&["dummy"]);
    guest.append("module.sig_enforce=1");
    guest.play(&Session::parse(include_str!("enforced.session"))).expect("a boot");
}
