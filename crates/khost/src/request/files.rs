//! Files below the mounts.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;
use crate::vfs::{Detail, Inode, S_IFDIR, S_IFMT, Statistics};

/// Most bytes that one [`Read`] answers.
pub const MAX_READ: u64 = 1 << 20;
/// Most entries of one [`ListPage`].
const MAX_PAGE: usize = 1024;

/// `stat(2)` of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// The path.
    pub path: String,
}

/// A part of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The path.
    pub path: String,
    /// 0, or where the part before ended.
    pub position: u64,
    /// How much of each entry.
    pub detail: Detail,
}

/// Bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The path.
    pub path: String,
    /// Where to start.
    pub offset: u64,
    /// How many; at most [`MAX_READ`] are answered.
    pub length: u64,
}

/// The answer to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Bytes of the file; none at its end.
    #[serde(with = "uapi::wire::bytes")]
    pub bytes: Vec<u8>,
}

/// `statfs(2)` of the mount that a path lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statfs {
    /// The path.
    pub path: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its name as the file system has it (empty for the path of a [`Stat`]).
    pub name: Vec<u8>,
    /// Inode number.
    pub number: u64,
    /// Type and permissions (`st_mode`).
    pub mode: u32,
    /// Links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub mtime: i64,
}

impl FileInfo {
    fn new(name: Vec<u8>, inode: &Inode) -> Self {
        Self { name, number: inode.number, mode: inode.mode, links: inode.links, size: inode.size, mtime: inode.mtime }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }
}

/// A part of a directory, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// Entries in the order of the directory.
    pub entries: Vec<FileInfo>,
    /// `None` at the end.
    pub next: Option<u64>,
}

impl Request for Stat {
    const NAME: &'static str = "stat";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = FileInfo;

    fn serve(self, host: &Host) -> Result<FileInfo, Errno> {
        Ok(FileInfo::new(Vec::new(), &host.services().mounts.stat(&self.path)?))
    }
}

impl Request for List {
    const NAME: &'static str = "ls";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = ListPage;

    fn serve(self, host: &Host) -> Result<ListPage, Errno> {
        let page = host.services().mounts.read_directory(&self.path, self.position, MAX_PAGE, self.detail)?;
        let entries = page.entries.into_iter().map(|entry| FileInfo::new(entry.name, &entry.inode)).collect();
        Ok(ListPage { entries, next: page.next })
    }
}

impl Request for Read {
    const NAME: &'static str = "read";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Contents;

    fn serve(self, host: &Host) -> Result<Contents, Errno> {
        let length = usize::try_from(self.length.min(MAX_READ)).map_err(|_| Errno::EINVAL)?;
        Ok(Contents { bytes: host.services().mounts.read(&self.path, self.offset, length)? })
    }
}

impl Request for Statfs {
    const NAME: &'static str = "statfs";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Statistics;

    fn serve(self, host: &Host) -> Result<Statistics, Errno> {
        host.services().mounts.statistics(&self.path)
    }
}
