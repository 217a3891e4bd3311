//! What the VFS knows of a file.

/// Type bits of a mode (`stat(2)`).
pub const S_IFMT: u32 = 0o170_000;
/// A regular file.
pub const S_IFREG: u32 = 0o100_000;
/// A directory.
pub const S_IFDIR: u32 = 0o040_000;

/// `struct inode` of `modules/include/module.h`, field by field: it is handed to modules as it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inode {
    /// Address of the `struct super_block` (0 for file systems that are built in).
    pub super_block: u64,
    /// Number, unique within the file system.
    pub number: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Links.
    pub links: u32,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the contents, in seconds since 1970.
    pub mtime: i64,
    /// Last access, likewise.
    pub atime: i64,
    /// Last change of the inode, likewise.
    pub ctime: i64,
    /// The file system's own words.
    pub private: [u64; 4],
}

impl Inode {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }
}
