//! The table of mounts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use uapi::Errno;

use super::{Lifetime, SuperBlock, path};
use crate::block::DeviceNumber;
use crate::owner::{Owner, UseCount};

/// What is to be mounted where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// Image file or block device; what is shown where the type needs none.
    pub source: String,
    /// Type of file system.
    pub kind: String,
    /// Mount point.
    pub point: String,
    /// Options.
    pub options: String,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountRecord {
    /// What was asked for, with the point made absolute.
    pub spec: MountSpec,
    /// Alive or dead.
    pub lifetime: Lifetime,
}

/// A mounted file system and what belongs to it.
pub(super) struct Mount {
    pub(super) spec: MountSpec,
    pub(super) super_block: Arc<dyn SuperBlock>,
    device: Option<DeviceNumber>,
    owner: Option<Owner>,
}

/// A mount point: taken while a mount is on its way, then in use.
enum Slot {
    Taken,
    Mounted(Arc<Mount>),
}

/// All mounts.
#[derive(Default)]
pub struct Mounts {
    points: Mutex<BTreeMap<String, Slot>>,
}

/// A mount point that is kept free for a mount on its way; given up when dropped.
pub(crate) struct Reservation<'a> {
    mounts: &'a Mounts,
    point: String,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut points = self.mounts.points.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(points.get(&self.point), Some(Slot::Taken)) {
            points.remove(&self.point);
        }
    }
}

impl Mounts {
    /// Takes a mount point.
    ///
    /// # Errors
    /// `EBUSY` where something is mounted there, or about to be; the errors of a bad path.
    pub(crate) fn reserve(&self, point: &str) -> Result<Reservation<'_>, Errno> {
        let point = path::normalize(point)?;
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if points.contains_key(&point) {
            return Err(Errno::EBUSY);
        }
        points.insert(point.clone(), Slot::Taken);
        Ok(Reservation { mounts: self, point })
    }

    /// Mounts at a reserved point.
    pub(crate) fn insert(
        &self,
        reservation: &Reservation<'_>,
        spec: MountSpec,
        super_block: Arc<dyn SuperBlock>,
        device: Option<DeviceNumber>,
        owner: Option<Owner>,
    ) {
        let spec = MountSpec { point: reservation.point.clone(), ..spec };
        let mount = Mount { spec, super_block, device, owner };
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        points.insert(reservation.point.clone(), Slot::Mounted(Arc::new(mount)));
    }

    /// Unmounts: the file system is told, and its device answered, which the caller closes.
    ///
    /// # Errors
    /// `EINVAL` where nothing is mounted; `EBUSY` while somebody uses it; the errors of a bad path.
    pub fn remove(&self, point: &str) -> Result<Option<DeviceNumber>, Errno> {
        let point = path::normalize(point)?;
        let mount = {
            let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
            // Users of a mount hold a clone of its `Arc`, and take it under this lock: one owner means that nobody is inside.
            match points.get(&point) {
                None => return Err(Errno::EINVAL),
                Some(Slot::Taken) => return Err(Errno::EBUSY),
                Some(Slot::Mounted(mount)) if Arc::strong_count(mount) > 1 => return Err(Errno::EBUSY),
                Some(Slot::Mounted(_)) => {}
            }
            points.insert(point.clone(), Slot::Taken)
        };
        // The point stays taken while put_super runs, so that a mount that follows finds the module's books closed.
        let _until_the_end = Reservation { mounts: self, point };
        let Some(Slot::Mounted(mount)) = mount else { return Err(Errno::EINVAL) };
        if mount.super_block.lifetime() == Lifetime::Alive {
            mount.super_block.put_super();
        }
        Ok(mount.device)
    }

    /// The mount that a path lies on (the longest mount point wins), and the rest of the path.
    ///
    /// # Errors
    /// `ENOENT` where nothing is mounted above it; `EIO` where that is dead; the errors of a bad path.
    pub(super) fn find(&self, whole: &str) -> Result<(Arc<Mount>, String), Errno> {
        let whole = path::normalize(whole)?;
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let above = points.iter().rev().filter_map(|(point, slot)| match slot {
            Slot::Mounted(mount) => Some((mount, path::below(point, &whole)?)),
            Slot::Taken => None,
        });
        let (mount, rest) = above.max_by_key(|(mount, _)| mount.spec.point.len()).ok_or(Errno::ENOENT)?;
        if mount.super_block.lifetime() == Lifetime::Dead {
            return Err(Errno::EIO);
        }
        Ok((Arc::clone(mount), rest.to_owned()))
    }

    /// The table, in the order of the mount points.
    #[must_use]
    pub fn list(&self) -> Vec<MountRecord> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let mounted = points.values().filter_map(|slot| match slot {
            Slot::Mounted(mount) => Some(MountRecord { spec: mount.spec.clone(), lifetime: mount.super_block.lifetime() }),
            Slot::Taken => None,
        });
        mounted.collect()
    }

    /// A module is gone: its mounts are dead. Answers their mount points.
    pub fn kill(&self, module: UseCount) -> Vec<String> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = points.values().filter_map(|slot| match slot {
            Slot::Mounted(mount) if mount.owner.as_ref().is_some_and(|owner| owner.use_count == module) => Some(mount),
            Slot::Mounted(_) | Slot::Taken => None,
        });
        theirs
            .map(|mount| {
                mount.super_block.kill();
                mount.spec.point.clone()
            })
            .collect()
    }
}

impl std::fmt::Debug for Mounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
