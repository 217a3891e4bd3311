//! Devices that come and go while a kernel runs, each announced to a program that calls our modprobe.
#![forbid(unsafe_code)]

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

/// What an event runs: a small device manager, as Debian's kernels have it by netlink, and as `/sbin/hotplug` where a kernel still
/// calls that by itself. Its standard output is not to be relied on.
const HOTPLUG: &str = "#!/bin/sh
if [ \"$ACTION\" = add ] && [ -n \"$MODALIAS\" ]; then
  echo \"$MODALIAS $1\" >>/tmp/events
  exec /sbin/modprobe -q -b \"$MODALIAS\"
fi
";

/// `settle FILE`, `settle ! FILE`: waits half a minute for a file to be there, or gone.
const SETTLE: &str = "#!/bin/sh
want=0; [ \"$1\" = ! ] && want=1 && shift
n=0; while test -e \"$1\"; [ $? != $want ]; do n=$((n + 1)); [ $n = 300 ] && echo \"waited in vain for $1\" && exit 1; usleep 100000; done
";

fn guest(flavour: Flavour, modules: &[&str]) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), modules, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest.archive().file("bin/settle", 0o755, SETTLE.as_bytes());
    guest
}

/// A machine with a free slot and a free USB port.
fn plugged(flavour: Flavour) {
    let mut guest = guest(flavour, &["e1000e", "xhci_pci", "usbhid", "hid_generic"]);
    guest.archive().file("hotplug", 0o755, HOTPLUG.as_bytes());
    guest.devices(&["-device", "pcie-root-port,id=socket,chassis=1,slot=1", "-device", "qemu-xhci,id=usb"]).monitored();
    guest.play(&Session::parse(include_str!("plug.session"))).expect("a boot");
}

#[test]
fn devices_plugged_by_the_host_on_6_1() {
    plugged(Flavour::Debian61);
}

#[test]
fn devices_plugged_by_the_host_on_6_12() {
    plugged(Flavour::Debian612);
}

#[test]
fn the_classic_helper_of_user_mode_linux() {
    let mut guest = guest(Flavour::Uml, &["scsi_debug", "sd_mod"]);
    guest.archive().file("sbin/hotplug", 0o755, HOTPLUG.as_bytes());
    guest.play(&Session::parse(include_str!("helper.session"))).expect("a boot");
}
