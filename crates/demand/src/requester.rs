//! Who made the kernel ask.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a requester is, as far as policies tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A process of the administrator: uid 0 in the first user namespace, outside system services.
    Root,
    /// A process in the control group of a system service, whatever its uid.
    Service,
    /// A process of a user.
    User,
    /// A process in a container, or in a user namespace other than the first.
    Container,
    /// A thread of the kernel itself.
    Kernel,
    /// A device, through its modalias.
    Device,
    /// Nobody could be found. Policies treat it as a user of whom nothing else is known.
    Unknown,
}

/// All kinds with their words in policies and journals.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Root, "root"),
    (Kind::Service, "service"),
    (Kind::User, "user"),
    (Kind::Container, "container"),
    (Kind::Kernel, "kernel"),
    (Kind::Device, "device"),
    (Kind::Unknown, "unknown"),
];

impl Kind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, _)| *kind)
    }

    /// The word for it in policies and journals.
    #[must_use]
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("unknown", |(_, word)| word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind).ok_or(())
    }
}

/// How a requester was found, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribution {
    /// The trace event `module:module_request` named the task, which was still waiting.
    Trace,
    /// A task waits for a helper of the kernel; which one of several is not known.
    Blocked,
    /// The event of a device.
    Event,
    /// A peer of the control socket.
    Peer,
    /// Not found.
    None,
}

/// A device that asks for a driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Below `/sys`, as in `DEVPATH`.
    pub path: String,
    /// The bus or class (`SUBSYSTEM`).
    pub bus: String,
    /// The contents of the attribute `removable` of the device or the nearest one above that has it: `removable`, `fixed`, `unknown`.
    pub removable: Option<String>,
}

/// A process, a device, or nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requester {
    /// What it is.
    pub kind: Kind,
    /// How it was found.
    pub by: Attribution,
    /// Process, as the first process namespace numbers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The user who directs it: who started it, also where it has the rights of another (set-uid); if root did, the effective user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// User who logged in (`/proc/PID/loginuid`), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// The name of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Control group (the path in the unified hierarchy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Unit of the service manager, from the control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Inode of the user namespace, if it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_namespace: Option<u64>,
    /// Where in the kernel the request was made (the trace event's `call_site`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_site: Option<String>,
    /// The device, for [`Kind::Device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

impl Requester {
    /// One of whom nothing is known but what it is.
    #[must_use]
    pub fn bare(kind: Kind, by: Attribution) -> Self {
        Self {
            kind,
            by,
            pid: None,
            uid: None,
            login_uid: None,
            comm: None,
            exe: None,
            cgroup: None,
            unit: None,
            user_namespace: None,
            call_site: None,
            device: None,
        }
    }

    /// Nobody could be found.
    #[must_use]
    pub fn unknown() -> Self {
        Self::bare(Kind::Unknown, Attribution::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_that_serde_and_policies_share() {
        for kind in Kind::all() {
            assert_eq!(kind.word().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(Kind::all().count(), 7);
    }
}
