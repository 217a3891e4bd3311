//! Reading below the mounts.

use uapi::Errno;

use super::{Entry, Fill, Inode, Mounts, Statistics, path};

/// An inode with the name that it was found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedInode {
    /// Name, as the file system stores it.
    pub name: Vec<u8>,
    /// The file.
    pub inode: Inode,
}

/// How much is wanted of each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Detail {
    /// What the directory itself tells: name, number and type. The rest of the inode is left empty where that is enough.
    Names,
    /// The whole inode, which costs a look-up each.
    Inodes,
}

/// A part of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPage {
    /// Its entries, in the order of the directory.
    pub entries: Vec<NamedInode>,
    /// Where reading goes on; `None` at the end.
    pub next: Option<u64>,
}

impl Mounts {
    /// `stat(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EIO`; what the file system answers.
    pub fn stat(&self, path: &str) -> Result<Inode, Errno> {
        let (mount, rest) = self.find(path)?;
        path::walk(&*mount.super_block, &rest)
    }

    /// At most `limit` entries of a directory from `position` on.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `ENOTDIR` for a file.
    pub fn read_directory(&self, path: &str, position: u64, limit: usize, detail: Detail) -> Result<DirectoryPage, Errno> {
        let (mount, rest) = self.find(path)?;
        let super_block = &*mount.super_block;
        let directory = path::walk(super_block, &rest)?;
        if !directory.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let mut found: Vec<Entry> = Vec::new();
        let behind = super_block.read_directory(&directory, position, &mut |entry| {
            found.push(entry);
            if found.len() >= limit { Fill::Enough } else { Fill::More }
        })?;
        let next = (found.len() >= limit).then_some(behind);
        let mut entries = Vec::with_capacity(found.len());
        for entry in found {
            let told = Inode { number: entry.number, mode: entry.mode, ..Inode::default() };
            let inode = if detail == Detail::Names && entry.mode != 0 {
                told
            } else {
                match super_block.lookup(&directory, &entry.name) {
                    Ok(inode) => inode,
                    // A name that the directory shows and does not find again: show what is known of it.
                    Err(Errno::ENOENT) => told,
                    Err(error) => return Err(error),
                }
            };
            entries.push(NamedInode { name: entry.name, inode });
        }
        Ok(DirectoryPage { entries, next })
    }

    /// Reads at most `length` bytes of a file.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `EISDIR` for a directory.
    pub fn read(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let (mount, rest) = self.find(path)?;
        let file = path::walk(&*mount.super_block, &rest)?;
        if file.is_directory() {
            return Err(Errno::EISDIR);
        }
        let left = usize::try_from(file.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        let mut done = 0_usize;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = offset.checked_add(u64::try_from(done).unwrap_or(u64::MAX)).ok_or(Errno::EFBIG)?;
            let room = rest.len();
            match mount.super_block.read(&file, position, rest)? {
                0 => break,
                count => done = done.saturating_add(count.min(room)),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// `statfs(2)` of the mount that a path lies on.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `ENOSYS` where the file system does not offer it.
    pub fn statistics(&self, path: &str) -> Result<Statistics, Errno> {
        let (mount, rest) = self.find(path)?;
        path::walk(&*mount.super_block, &rest)?;
        mount.super_block.statistics()
    }
}
