//! The kernel's announcements: `ACTION@DEVPATH`, then `KEY=VALUE`, each with a NUL behind it (lib/kobject_uevent.c).

use std::fmt;

use demand::is_hidden;

/// What the messages of udevd begin with, which it sends to whoever listens to it (libudev's monitor).
const OF_UDEV: &[u8] = b"libudev\0";

/// An announcement, as far as it is of use here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `change`, `bind`, `remove` …
    pub action: String,
    /// The device, below `/sys`.
    pub path: String,
    /// Its bus or class.
    pub subsystem: String,
    /// What it asks for.
    pub modalias: Option<String>,
    /// The name of its node below `/dev`.
    pub node: Option<String>,
    /// The number of the announcement; counts all of one boot.
    pub number: Option<u64>,
}

/// Why a message is no announcement of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoUevent {
    /// It was sent by this port of some process; the kernel's is 0.
    Sender {
        /// The port.
        port: u32,
    },
    /// It is udevd's.
    Udev,
    /// It is longer than the kernel makes them.
    TooLong {
        /// Bytes.
        length: usize,
    },
    /// It does not begin with `ACTION@DEVPATH`, or is no text.
    Form,
}

impl fmt::Display for NoUevent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender { port } => write!(f, "the sender is a process (port {port}), not the kernel"),
            Self::Udev => f.write_str("it is a message of udevd"),
            Self::TooLong { length } => write!(f, "{length} bytes are more than the kernel sends"),
            Self::Form => f.write_str("it does not begin with `ACTION@DEVPATH`"),
        }
    }
}

impl std::error::Error for NoUevent {}

impl Uevent {
    /// Reads a message.
    ///
    /// # Errors
    /// [`NoUevent`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoUevent> {
        if bytes.starts_with(OF_UDEV) {
            return Err(NoUevent::Udev);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NoUevent::Form)?;
        let mut fields = text.split('\0');
        let (action, path) = fields.next().and_then(|first| first.split_once('@')).ok_or(NoUevent::Form)?;
        let dull = |word: &str| word.is_empty() || word.contains(|c: char| is_hidden(c) || c.is_whitespace());
        if dull(action) || !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(NoUevent::Form);
        }
        let mut uevent = Self { action: action.to_owned(), path: path.to_owned(), ..Self::default() };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            match key {
                "SUBSYSTEM" => uevent.subsystem = value.to_owned(),
                "MODALIAS" => uevent.modalias = Some(value.to_owned()),
                "DEVNAME" => uevent.node = Some(value.to_owned()),
                "SEQNUM" => uevent.number = value.parse().ok(),
                _ => {}
            }
        }
        Ok(uevent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &[u8] = b"add@/devices/pci0000:00/0000:00:02.0\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:02.0\0SUBSYSTEM=pci\0\
        PCI_ID=8086:100E\0MODALIAS=pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00\0SEQNUM=812\0";

    #[test]
    fn an_announcement_of_the_kernel() {
        let uevent = Uevent::parse(ADD).unwrap();
        assert_eq!((uevent.action.as_str(), uevent.path.as_str()), ("add", "/devices/pci0000:00/0000:00:02.0"));
        assert_eq!((uevent.subsystem.as_str(), uevent.number, uevent.node), ("pci", Some(812), None));
        assert_eq!(uevent.modalias.as_deref(), Some("pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"));
    }

    #[test]
    fn what_the_kernel_does_not_send() {
        for (bytes, wanted) in [
            (b"libudev\0\xfe\xed\xca\xfe".as_slice(), NoUevent::Udev),
            (b"", NoUevent::Form),
            (b"add", NoUevent::Form),
            (b"@/devices/x\0", NoUevent::Form),
            (b"add@devices/x\0", NoUevent::Form),
            (b"add@/../etc\0", NoUevent::Form),
            (b"a\ndd@/devices/x\0", NoUevent::Form),
            (b"add@/devices/\xff\0", NoUevent::Form),
        ] {
            assert_eq!(Uevent::parse(bytes), Err(wanted), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    /// Deterministic changes of a true message: never a panic, and never a path that leaves `/sys`.
    #[test]
    fn damaged_messages_are_read_or_refused() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..10_000 {
            let mut bytes = ADD.to_vec();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(state >> 33).unwrap_or(0) % bytes.len();
                match state % 3 {
                    0 => bytes[at] = state.to_le_bytes()[2],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"\0/.=@"[at % 5]),
                }
            }
            if let Ok(uevent) = Uevent::parse(&bytes) {
                assert!(uevent.path.starts_with('/') && !uevent.path.contains("/../"), "{uevent:?}");
            }
        }
    }
}
