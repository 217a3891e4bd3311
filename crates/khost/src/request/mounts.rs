//! Mounting and unmounting.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;
use crate::vfs::{Lifetime, MountSpec};

/// Mount a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Image file or block device, by its path on the host.
    pub source: String,
    /// Type; `auto` tries those that are registered.
    pub kind: String,
    /// Mount point.
    pub point: String,
    /// Options for the file system.
    pub options: String,
}

/// Unmount what is mounted at a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmount {
    /// The mount point.
    pub point: String,
}

/// List the mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounts;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountInfo {
    /// What is mounted.
    pub source: String,
    /// Where.
    pub point: String,
    /// Its type.
    pub kind: String,
    /// Options.
    pub options: String,
    /// Its module trapped or went: every use is answered `EIO`.
    pub dead: bool,
}

impl Request for Mount {
    const NAME: &'static str = "mount";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.mount(&MountSpec { source: self.source, kind: self.kind, point: self.point, options: self.options })
    }
}

impl Request for Unmount {
    const NAME: &'static str = "umount";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.unmount(&self.point)
    }
}

impl Request for Mounts {
    const NAME: &'static str = "mounts";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Vec<MountInfo>;

    fn serve(self, host: &Host) -> Result<Vec<MountInfo>, Errno> {
        let records = host.services().mounts.list().into_iter().map(|record| MountInfo {
            source: record.spec.source,
            point: record.spec.point,
            kind: record.spec.kind,
            options: record.spec.options,
            dead: record.lifetime == Lifetime::Dead,
        });
        Ok(records.collect())
    }
}
