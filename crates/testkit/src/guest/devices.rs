//! A machine with many devices.

/// MiB of a guest with all modules of a kernel package in its root.
pub const WHOLE_TREE: u32 = 2048;

/// Arguments of qemu for more than twenty devices, none of which needs a file of this machine.
const DEVICES: &[&str] = &[
    "-blockdev driver=null-co,node-name=d0,size=1048576,read-zeroes=on",
    "-blockdev driver=null-co,node-name=d1,size=1048576,read-zeroes=on",
    "-blockdev driver=null-co,node-name=d2,size=1048576,read-zeroes=on",
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

/// The arguments, one by one.
#[must_use]
pub fn many_devices() -> Vec<&'static str> {
    DEVICES.iter().flat_map(|device| device.split(' ')).collect()
}
