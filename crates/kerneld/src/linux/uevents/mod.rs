//! Devices that ask for drivers: those that are there ([`walk`]), and those that come ([`Follower`]).
//!
//! The kernel itself announces devices (Documentation/driver-api/driver-model, `uevent`), and so does every device when it is asked
//! again; a device manager passes the announcements on in a form of its own, which is not listened to here: what the daemon loads
//! shall depend on nobody's word but the kernel's.

mod follower;
mod message;
mod turn;
mod walk;

use demand::{Origin, RequestName, Requester};

pub use follower::{Followed, Follower};
pub use message::{NoUevent, Uevent};
pub use turn::{Turn, turn};
pub use walk::{device, walk};

/// A device asks for a driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceRequest {
    /// Its modalias.
    pub name: RequestName,
    /// The device: [`demand::Kind::Device`].
    pub requester: Requester,
}

/// The name of a request, if a modalias is one.
fn name(modalias: &str) -> Option<RequestName> {
    RequestName::new(modalias.trim_end_matches(['\n', '\0']).as_bytes(), Origin::Device).ok()
}
