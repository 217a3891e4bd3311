//! The structures of `modules/include/module.h`, field by field. Pointers are addresses here: what they point to belongs to
//! modules, and is looked at only where that has been checked.

use std::ffi::c_int;

use crate::vfs::Inode;

/// `struct file_system_type`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSystemType {
    pub(super) name: u64,
    pub(super) flags: c_int,
    pub(super) read_super: u64,
    pub(super) next: u64,
}

/// `FS_REQUIRES_DEV`
pub(super) const FS_REQUIRES_DEV: c_int = 1;

/// `struct super_operations`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SuperOperations {
    pub(super) lookup: u64,
    pub(super) readdir: u64,
    pub(super) read: u64,
    pub(super) statfs: u64,
    pub(super) put_super: u64,
}

/// `struct super_block`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SuperBlock {
    pub(super) device: u32,
    pub(super) flags: u32,
    pub(super) size: u64,
    pub(super) kind: u64,
    pub(super) operations: u64,
    pub(super) root: Inode,
    pub(super) private: u64,
}

/// `MS_RDONLY`
pub(super) const MS_RDONLY: u32 = 1;

/// `struct buffer_head`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferHead {
    pub(super) block: u64,
    pub(super) size: usize,
    pub(super) data: *mut u8,
    pub(super) device: u32,
}

/// `struct symbol_table` up to its flexible part
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct SymbolTable {
    pub(super) size: c_int,
    pub(super) symbols: c_int,
    pub(super) references: c_int,
}

/// `struct internal_symbol`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct InternalSymbol {
    pub(super) address: u64,
    pub(super) name: *const std::ffi::c_char,
}
