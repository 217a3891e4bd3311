//! Behind which devices others come up, and how soon: what answers after half a second and more is waited for at the end, unless it
//! was asked first.

use demand::RequestName;

/// When the driver of a device has its turn, of all that can be loaded at a time: those with the lesser turn go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Further devices come up behind the driver, and take their time: the sooner it is there, the sooner all is done.
    First,
    /// Further devices come up behind it, and soon.
    Second,
    /// Nothing waits for it.
    Last,
}

/// Class and subclass of controllers, as a PCI modalias has them (`include/linux/pci_ids.h`); an empty subclass stands for all.
const CONTROLLERS: &[(&str, &str, Turn)] = &[
    // Mass storage: disks.
    ("01", "", Turn::Second),
    // Bridges to further PCI buses.
    ("06", "04", Turn::Second),
    // SD hosts.
    ("08", "05", Turn::Second),
    // FireWire. A USB device takes 100 ms to be debounced and two resets to get its address; USB disks are given a second to settle.
    ("0C", "00", Turn::First),
    ("0C", "03", Turn::First),
];

/// The vendor of virtio devices: the driver of the bus makes a device of the bus `virtio` of each.
const VIRTIO: &str = "v00001AF4";

/// The same by the generic names of the Devicetree Specification (2.2.2), as a modalias of a device tree has them behind `of:N`.
const NODES: &[(&str, Turn)] =
    &[("usb", Turn::First), ("pcie", Turn::Second), ("mmc", Turn::Second), ("sata", Turn::Second), ("ide", Turn::Second)];

/// When the driver of a device with this modalias has its turn.
#[must_use]
pub fn turn(modalias: &RequestName) -> Turn {
    let name = modalias.as_str();
    let known = if let Some(pci) = name.strip_prefix("pci:") {
        // Numbers are in capitals, so that these letters stand for the class and nothing else.
        let class = pci.split_once("bc").map_or("", |(_, class)| class);
        let of = |(base, sub, turn): &(&str, &str, Turn)| class.strip_prefix(base)?.strip_prefix("sc")?.starts_with(sub).then_some(*turn);
        CONTROLLERS.iter().find_map(of).or(pci.starts_with(VIRTIO).then_some(Turn::Second))
    } else {
        let node = name.strip_prefix("of:N").and_then(|node| Some(node.split_once('T')?.0));
        NODES.iter().find_map(|(name, turn)| (node == Some(*name)).then_some(*turn))
    };
    known.unwrap_or(Turn::Last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use demand::Origin;

    #[test]
    fn controllers_come_before_sound() {
        let of = |modalias: &str| turn(&RequestName::new(modalias.as_bytes(), Origin::Device).unwrap());
        assert_eq!(of("pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30"), Turn::First);
        assert_eq!(of("pci:v00001AF4d00001004sv00001AF4sd00000008bc01sc00i00"), Turn::Second);
        assert_eq!(of("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"), Turn::Second);
        assert_eq!(of("pci:v00008086d00002668sv00001AF4sd00001100bc04sc03i00"), Turn::Last);
        assert_eq!(of("of:NusbT(null)Csnps,dwc3"), Turn::First);
        assert_eq!(of("of:Nusb-phyT(null)Crockchip,rk3399-usb2phy"), Turn::Last);
        assert_eq!(of("cpu:type:x86,ven0002fam000Fmod006B:feature:,0000"), Turn::Last);
    }
}
