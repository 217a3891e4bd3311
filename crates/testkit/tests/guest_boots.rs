//! The guests themselves: each kernel boots, runs a script, and its status comes back.

use testkit::guest::{Flavour, Guest};

fn boots(flavour: Flavour) {
    let guest = Guest::new(flavour).expect("a guest");
    let release = guest.machine().release();
    let console = guest.boot("echo RELEASE=$(uname -r)\nls -d /sys/module >/dev/null && exit 0\nexit 3\n").expect("a boot").ok();
    assert!(console.contains(&format!("RELEASE={release}")), "{console}");
}

#[test]
fn debian_6_1_boots() {
    boots(Flavour::Debian61);
}

#[test]
fn debian_6_12_boots() {
    boots(Flavour::Debian612);
}

#[test]
fn user_mode_linux_boots() {
    boots(Flavour::Uml);
}

#[test]
fn the_status_of_the_script_comes_back() {
    let run = Guest::new(Flavour::Uml).expect("a guest").boot("exit 7").expect("a boot");
    assert_eq!(run.status, Some(7), "{}", run.console);
}
