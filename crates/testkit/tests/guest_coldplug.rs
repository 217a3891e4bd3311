//! Coldplug: `modprobe -b` for every device that a kernel announces, and `kerneld coldplug` for all at once, load the same modules as
//! Debian's kmod does.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, WHOLE_TREE, WholeTree, many_devices};

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

/// One process for all devices.
const AT_ONCE: &str = "
sleep 1
echo \"ALIASES $(/usr/sbin/kerneld coldplug --calm 5s 2>/tmp/progress)\"
while read name rest; do echo \"MODULE $name\"; done </proc/modules
";

/// What loads the modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    Ours,
    Oracle,
    /// `kerneld coldplug`, which hears of the devices behind new drivers by itself.
    Kerneld,
}

/// Boots, plugs, and answers the modules that are loaded then.
fn coldplug(tools: Tools) -> BTreeSet<String> {
    let mut guest = Guest::new(Flavour::Debian61).expect("a guest");
    // For each tool indexes of its own.
    let tree = match tools {
        Tools::Ours | Tools::Kerneld => {
            guest.tools(&Programs::static_modutils()).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
            WholeTree::new(guest.machine(), Some(&Programs::static_modutils()))
        }
        Tools::Oracle => {
            guest.oracle().expect("kmod");
            WholeTree::new(guest.machine(), None)
        }
    };
    guest.tree(tree.expect("the whole tree").path()).expect("the whole tree");
    guest.archive().file("hotplug", 0o755, HOTPLUG.as_bytes());
    guest.memory(WHOLE_TREE).devices(&many_devices());
    let console = guest.boot(if tools == Tools::Kerneld { AT_ONCE } else { SCRIPT }).expect("a boot").ok();
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
    let at_once = coldplug(Tools::Kerneld);
    assert_eq!(
        (only(&at_once, &theirs), only(&theirs, &at_once)),
        (Vec::new(), Vec::new()),
        "loaded by one of them only (kerneld, kmod's)"
    );
    println!("{} modules", ours.len());
    assert!(ours.len() >= 90, "too few modules: {ours:?}");
    for module in ["virtio_net", "e1000", "e1000e", "nvme", "megaraid_sas", "snd_hda_intel", "usb_storage", "usbhid", "sd_mod", "sdhci_pci"]
    {
        assert!(ours.contains(module), "{module} is not loaded: {ours:?}");
    }
}
