//! Coldplug: `modprobe -b` for every device that a kernel announces loads the same modules as Debian's kmod does.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::process::Command;

use testkit::guest::{Flavour, Guest};
use testkit::{Outcome, Programs};

/// MiB of a guest with all modules of a kernel package in its root.
const MEMORY: u32 = 2048;

/// A machine with many devices, none of which needs a file of this one.
const DEVICES: &[&str] = &[
    "-blockdev driver=null-co,node-name=d0,size=1M,read-zeroes=on",
    "-blockdev driver=null-co,node-name=d1,size=1M,read-zeroes=on",
    "-blockdev driver=null-co,node-name=d2,size=1M,read-zeroes=on",
    "-audiodev none,id=a0",
    "-device virtio-blk-pci,drive=d0",
    "-device virtio-net-pci,romfile=",
    "-device virtio-scsi-pci",
    "-device virtio-rng-pci",
    "-device virtio-balloon-pci",
    "-device virtio-serial-pci",
    "-device virtio-keyboard-pci",
    "-device e1000,romfile=",
    "-device e1000e,romfile=",
    "-device rtl8139,romfile=",
    "-device qemu-xhci,id=xhci",
    "-device usb-kbd,bus=xhci.0",
    "-device usb-tablet,bus=xhci.0",
    "-device usb-storage,bus=xhci.0,drive=d1",
    "-device usb-net,bus=xhci.0",
    "-device usb-ehci",
    "-device nvme,drive=d2,serial=one",
    "-device megasas",
    "-device intel-hda",
    "-device hda-duplex,audiodev=a0",
    "-device AC97,audiodev=a0",
    "-device sdhci-pci",
    "-device i6300esb",
];

/// What an event runs: one modprobe per MODALIAS, as a small device manager would.
const HOTPLUG: &str = "#!/bin/sh
if [ -n \"$MODALIAS\" ]; then echo \"$MODALIAS\" >>/tmp/aliases; /sbin/modprobe -q -b \"$MODALIAS\"; fi
echo $SEQNUM >/tmp/seqnum
";

/// Announces all devices again, and waits until every event has been seen to and none has come for five seconds.
const SCRIPT: &str = "
uevent /hotplug >/dev/null 2>&1 &
sleep 1
find /sys/devices -name uevent | while read file; do echo add >$file; done
calm=0
while [ $calm -lt 5 ]; do
  sleep 1
  if [ \"$(cat /tmp/seqnum)\" = \"$(cat /sys/kernel/uevent_seqnum)\" ]; then calm=$((calm + 1)); else calm=0; fi
done
echo \"ALIASES $(sort -u /tmp/aliases | wc -l) $(cut -d. -f1 /proc/uptime)\"
while read name rest; do echo \"MODULE $name\"; done </proc/modules
";

/// What loads the modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    Ours,
    Oracle,
}

/// Boots, plugs, and answers the modules that are loaded then.
fn coldplug(tools: Tools) -> BTreeSet<String> {
    let mut guest = Guest::new(Flavour::Debian61).expect("a guest");
    let modules = guest.machine().modules().to_owned();
    let indexes = tempfile::tempdir().expect("a folder");
    let mut depmod = match tools {
        Tools::Ours => {
            guest.tools(&Programs::static_modutils()).expect("the tools");
            let mut depmod = Command::new(Programs::static_modutils());
            depmod.arg("depmod");
            depmod
        }
        Tools::Oracle => {
            guest.oracle().expect("kmod");
            let mut depmod = Command::new("depmod");
            depmod.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
            depmod
        }
    };
    let base = modules.ancestors().nth(3).expect("a folder above lib/modules");
    let release = guest.machine().release();
    let _made = Outcome::of(depmod.arg("-b").arg(base).arg("-o").arg(indexes.path()).arg(&release)).ok();
    guest.tree(&modules).expect("the whole tree").tree(&indexes.path().join("lib/modules").join(&release)).expect("indexes");
    guest.archive().file("hotplug", 0o755, HOTPLUG.as_bytes());
    let devices: Vec<&str> = DEVICES.iter().flat_map(|device| device.split(' ')).collect();
    guest.memory(MEMORY).devices(&devices);
    let console = guest.boot(SCRIPT).expect("a boot").ok();
    let aliases = console.lines().find(|line| line.starts_with("ALIASES ")).unwrap_or_else(|| panic!("{console}"));
    println!("{tools:?}: {aliases}");
    console.lines().filter_map(|line| line.strip_prefix("MODULE ")).map(str::to_owned).collect()
}

#[test]
fn the_same_modules_as_kmod_for_a_machine_full_of_devices() {
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| coldplug(Tools::Oracle));
        (coldplug(Tools::Ours), theirs.join().expect("a run of kmod"))
    });
    let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| some.difference(others).cloned().collect::<Vec<_>>();
    assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (Vec::new(), Vec::new()), "loaded by one of them only (ours, kmod's)");
    println!("{} modules", ours.len());
    assert!(ours.len() >= 90, "too few modules: {ours:?}");
    for module in ["virtio_net", "e1000", "e1000e", "nvme", "megaraid_sas", "snd_hda_intel", "usb_storage", "usbhid", "sd_mod", "sdhci_pci"]
    {
        assert!(ours.contains(module), "{module} is not loaded: {ours:?}");
    }
}
