//! Where the bytes of a module are: still in the file, or decompressed in memory.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Compression;
use crate::error::{IoAction, Part};
use crate::{Error, Result};

/// No module is larger than this, compressed or not, in bytes. A bomb ends here.
pub const MAX_MODULE_SIZE: u64 = 512 << 20;

/// The bytes of one module.
///
/// A plain file is read piece by piece, with `pread(2)`: a module of a distribution is mostly code and debug data that no question
/// about it needs. A file that shrinks meanwhile gives an error, where a mapping would give `SIGBUS`.
#[derive(Debug)]
pub(super) enum Source {
    File { file: File, size: u64, head: Vec<u8> },
    Memory(Vec<u8>),
}

/// As much of the beginning of a file as is read when it is opened: an ELF file header.
const HEAD: usize = 64;

impl Source {
    /// Opens `path`; decompresses it if its first bytes say that it is compressed.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Compression>)> {
        let io = |action| move |source| Error::io(action, path, source);
        let file = File::open(path).map_err(io(IoAction::Open))?;
        let size = file.metadata().map_err(io(IoAction::Read))?.len();
        if size > MAX_MODULE_SIZE {
            return Err(Error::TooLarge { limit: MAX_MODULE_SIZE });
        }
        let mut head = vec![0; HEAD];
        let have = read_up_to(&file, &mut head).map_err(io(IoAction::Read))?;
        head.truncate(have);
        let Some(compression) = Compression::of(&head) else {
            return Ok((Self::File { file, size, head }, None));
        };
        let mut packed = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut packed, 0).map_err(io(IoAction::Read))?;
        Ok((Self::Memory(compression.decompress(&packed, MAX_MODULE_SIZE)?), Some(compression)))
    }

    /// The bytes of a module that is already in memory; decompresses them like [`Source::open`].
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<(Self, Option<Compression>)> {
        match Compression::of(&bytes) {
            Some(compression) => Ok((Self::Memory(compression.decompress(&bytes, MAX_MODULE_SIZE)?), Some(compression))),
            None => Ok((Self::Memory(bytes), None)),
        }
    }

    /// Number of bytes after decompression.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// `size` bytes at `offset`. The range is checked against the file before anything is allocated.
    pub(super) fn read(&self, part: Part, offset: u64, size: u64) -> Result<Cow<'_, [u8]>> {
        let truncated = || Error::Truncated { part, offset, size, file_size: self.size() };
        let end = offset.checked_add(size).filter(|&end| end <= self.size()).ok_or_else(truncated)?;
        match self {
            Self::File { head, .. } if end <= head.len() as u64 => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                range.and_then(|(from, to)| head.get(from..to)).map(Cow::Borrowed).ok_or_else(truncated)
            }
            Self::File { file, .. } => {
                let mut buffer = vec![0; usize::try_from(size).map_err(|_| truncated())?];
                file.read_exact_at(&mut buffer, offset).map_err(|_| truncated())?;
                Ok(Cow::Owned(buffer))
            }
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                range.and_then(|(from, to)| bytes.get(from..to)).map(Cow::Borrowed).ok_or_else(truncated)
            }
        }
    }
}

/// Fills `buffer` from the start of the file as far as the file goes; the number of bytes read.
fn read_up_to(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match file.read_at(&mut buffer[have..], have as u64)? {
            0 => break,
            n => have += n,
        }
    }
    Ok(have)
}
