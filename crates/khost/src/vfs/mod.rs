//! A small virtual file system: types of file systems (built in or registered by modules), mounts, and paths below them.
//!
//! File systems are read-only and stateless towards the VFS: an [`Inode`] is plain data that the file system filled in, so
//! nothing has to be released, and any number of clients may use a mount at the same time. No lock of the VFS is held while
//! code of a file system runs.

mod file_system;
mod files;
mod inode;
mod mount;
mod path;
mod registry;

pub use file_system::{Complaints, Entry, FileSystemType, Fill, Lifetime, Source, Statistics, SuperBlock};
pub use files::{Detail, DirectoryPage, NamedInode};
pub use inode::{Inode, S_IFDIR, S_IFMT, S_IFREG};
pub use mount::{MountRecord, MountSpec, Mounts};
pub use path::MAX_NAME;
pub use registry::{Demand, FileSystems};

#[cfg(test)]
mod tests;
