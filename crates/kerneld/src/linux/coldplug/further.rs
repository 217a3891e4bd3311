//! Behind which devices others come up, and how soon: what answers after half a second and more is waited for at the end, unless it
//! was asked first.

use demand::RequestName;

use super::schedule::Turn;

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

/// When the driver of a device with this modalias has its turn.
pub(super) fn turn(modalias: &RequestName) -> Turn {
    let Some(pci) = modalias.as_str().strip_prefix("pci:") else { return Turn::Last };
    let class = |(base, sub, turn): &(&str, &str, Turn)| pci.contains(&format!("bc{base}sc{sub}")).then_some(*turn);
    let virtio = pci.starts_with(VIRTIO).then_some(Turn::Second);
    CONTROLLERS.iter().find_map(class).or(virtio).unwrap_or(Turn::Last)
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
        assert_eq!(of("cpu:type:x86,ven0002fam000Fmod006B:feature:,0000"), Turn::Last);
    }
}
