//! kerneld under Debian's own systemd and udev: what it ships for them does what it says.
#![forbid(unsafe_code)]

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

/// Modules that the sessions ask for, and what systemd itself does.
const MODULES: &[&str] = &["vfat", "loop", "nls_ascii", "nls_cp437", "nls_iso8859-1", "dummy", "af_key", "autofs4"];

#[test]
fn boots() {
    let mut guest = Guest::systemd(Flavour::Debian61).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), MODULES, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    let run = guest.play(&Session::parse(include_str!("service.session"))).expect("a boot");
    println!("{}", run.console);
}
