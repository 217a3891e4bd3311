//! The system calls that need `unsafe`, and nothing else.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

/// Maps a file for reading.
pub(crate) fn map(path: &Path) -> io::Result<memmap2::Mmap> {
    let file = File::open(path)?;
    // SAFETY: index files are replaced by renaming a finished one into place and are never written or truncated while they have
    // their name, so the mapped bytes do not change under the reader. Only plain reads through `&[u8]` are made of the mapping.
    unsafe { memmap2::Mmap::map(&file) }
}
