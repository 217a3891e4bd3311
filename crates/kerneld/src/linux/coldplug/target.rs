//! `--wait-for`: what is waited for, and whether it is there.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use demand::Paths;
use kmod::glob;

use crate::linux::uevents::DeviceRequest;

/// Something that is to appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file: a node below `/dev`, or anything else with an absolute path.
    File(String),
    /// A device with a modalias like this, to which a driver is bound.
    Device(String),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.starts_with('/') { Self::File(text.to_owned()) } else { Self::Device(text.to_owned()) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(text) | Self::Device(text) => f.write_str(text),
        }
    }
}

impl Target {
    /// Whether it is there, given the devices that were seen so far.
    pub(super) fn is_there(&self, paths: &Paths, devices: &[DeviceRequest]) -> bool {
        match self {
            Self::File(path) => paths.file(path).exists(),
            Self::Device(pattern) => devices.iter().any(|seen| {
                let device = seen.requester.device.as_ref().filter(|_| glob::matches(pattern, seen.name.as_str()));
                device.is_some_and(|device| paths.file(&format!("/sys{}/driver", device.path)).exists())
            }),
        }
    }
}
