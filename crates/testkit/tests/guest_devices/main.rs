//! Devices and their drivers, by kerneld: all at once at boot, those that are plugged in later, and those that the policy keeps out.
#![forbid(unsafe_code)]

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

/// The drivers of the machine below, and of what is plugged into it.
const MODULES: &[&str] =
    &["virtio_pci", "virtio_rng", "e1000", "e1000e", "xhci_pci", "usbhid", "hid_generic", "usb_storage", "sd_mod", "loop"];

/// A machine with a random number generator, a network card, a USB controller, and a port for one more card.
const DEVICES: &str = "-device virtio-rng-pci -device e1000,romfile= -device qemu-xhci,id=xhci \
    -device pcie-root-port,id=rp1,chassis=1,slot=1";

/// Devices on USB are kept out, whatever they are; what is built in gets its drivers.
const POLICY: &str = r#"
mode = "enforce"

[devices]
follow = true

[default]
verdict = "allow"

[[rule]]
name = "no-usb"
class = "modalias"
requester = "bus:usb"
verdict = "deny"
"#;

fn guest(flavour: Flavour) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
    guest.archive().file("policy.toml", 0o644, POLICY.as_bytes());
    guest
}

#[test]
fn at_boot_later_and_not_at_all() {
    let mut guest = guest(Flavour::Debian61);
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), MODULES, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    let devices: Vec<&str> = DEVICES.split_whitespace().collect();
    guest.devices(&devices).monitored();
    guest.play(&Session::parse(include_str!("devices.session"))).expect("a boot");
}

/// A machine without any bus: nothing asks, and that is no failure.
#[test]
fn a_machine_without_devices() {
    let mut guest = guest(Flavour::Uml);
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), &["loop"], root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    let session = "\
$ depmod
$ /usr/sbin/kerneld coldplug --calm 500ms
> requests stand for modules
$ /usr/sbin/kerneld coldplug --wait-for /dev/nosuch --within 1s
? 1
> did not come: /dev/nosuch
";
    guest.play(&Session::parse(session)).expect("a boot");
}
