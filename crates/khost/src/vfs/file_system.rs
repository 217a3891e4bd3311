//! What a file system offers to the VFS.

use std::sync::Arc;

use uapi::Errno;

use super::Inode;
use crate::block::DeviceNumber;
use crate::owner::Owner;

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The device; `None` for a file system that needs none.
    pub device: Option<DeviceNumber>,
    /// Its bytes.
    pub size: u64,
    /// The text after `-o`.
    pub options: String,
    /// Whether a device that does not carry the file system is worth a line in the log.
    pub complaints: Complaints,
}

/// Whether a file system says why it does not mount a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaints {
    /// It does.
    Loud,
    /// It does not: this is a guess (`-t auto`).
    Silent,
}

/// Whether more entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Go on.
    More,
    /// Stop behind this entry.
    Enough,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as the file system stores it: bytes.
    pub name: Vec<u8>,
    /// The position behind it, from which reading goes on.
    pub position: u64,
    /// Inode number.
    pub number: u64,
    /// Mode; 0 where the directory does not tell.
    pub mode: u32,
}

/// `statfs(2)`; field by field `struct kstatfs` of `modules/include/module.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Magic number.
    pub magic: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// Inodes in all, 0 where that means nothing.
    pub files: u64,
    /// Free inodes.
    pub free_files: u64,
    /// Longest name in bytes.
    pub name_length: u64,
}

/// Whether a mounted file system can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Yes.
    Alive,
    /// Its code trapped or has gone: every use is answered `EIO`, and it is not called any more.
    Dead,
}

/// A kind of file system.
pub trait FileSystemType: Send + Sync {
    /// The name that `mount -t` says.
    fn name(&self) -> &str;

    /// The module that offers it, if it is not built in.
    fn owner(&self) -> Option<&Owner>;

    /// Whether it lives on a block device.
    fn needs_device(&self) -> bool;

    /// Reads the super block and so mounts the file system.
    ///
    /// # Errors
    /// `EINVAL` where the device does not carry it; `EIO` where its code trapped; whatever else it answers.
    fn read_super(&self, source: &Source) -> Result<Arc<dyn SuperBlock>, Errno>;
}

/// A mounted file system.
pub trait SuperBlock: Send + Sync {
    /// The root directory.
    fn root(&self) -> Inode;

    /// Finds a name in a directory.
    ///
    /// # Errors
    /// `ENOENT`, or `EIO`.
    fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Inode, Errno>;

    /// Hands the entries of a directory from `position` on (0: the first) to `fill`, until it has enough. Answers the position
    /// behind the last of them.
    ///
    /// # Errors
    /// `EIO`.
    fn read_directory(&self, directory: &Inode, position: u64, fill: &mut dyn FnMut(Entry) -> Fill) -> Result<u64, Errno>;

    /// Reads bytes of a file; answers how many, 0 at its end.
    ///
    /// # Errors
    /// `EIO`.
    fn read(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// `statfs(2)`.
    ///
    /// # Errors
    /// `EIO`, or `ENOSYS` where it is not offered.
    fn statistics(&self) -> Result<Statistics, Errno>;

    /// It is being unmounted. Called once, when nothing uses it any more.
    fn put_super(&self);

    /// Whether it can still be used.
    fn lifetime(&self) -> Lifetime;

    /// The module is gone: never call it again.
    fn kill(&self);
}
