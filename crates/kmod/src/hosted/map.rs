//! The memory of a module, as insmod writes it: mapped, filled, unmapped.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use memmap2::{MmapMut, MmapOptions};

/// Maps the descriptor that came with the reply to `create_module`: `size` bytes, shared and writable.
///
/// # Errors
/// Of `mmap(2)`, or where the descriptor's file is shorter than `size`.
pub(super) fn shared(descriptor: OwnedFd, size: usize) -> io::Result<MmapMut> {
    let file = std::fs::File::from(descriptor);
    let length = file.metadata()?.len();
    if u64::try_from(size).map_or(true, |size| length < size) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the memory has {length} bytes instead of {size}")));
    }
    // SAFETY: the mapping stays valid after the file is closed here. Its bytes are written here and never read back for a
    // decision, so nobody who writes them meanwhile changes what this process does. Only this process and the kernel hold the
    // descriptor; the kernel shortens the file when `init_module` comes, which is called after the memory is unmapped.
    unsafe { MmapOptions::new().len(size).map_mut(&file) }
}
