//! Where the bytes of a module are: still in the file, or decompressed in memory.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Compression;
use crate::error::{IoAction, Part};
use crate::{Error, Result};

/// No module is larger than this, compressed or not, in bytes. A bomb ends here.
pub const MAX_MODULE_SIZE: u64 = 512 << 20;

/// As much of the beginning of a file as is read when it is opened: an ELF file header.
const HEAD: u64 = 64;

/// No more than this is read at once on the word of a file's own headers, in bytes; what is larger is first held against the size of
/// the file.
const FETCH_LIMIT: u64 = 4 << 20;

/// The bytes of one module.
///
/// A plain file is read piece by piece, with `pread(2)`: a module of a distribution is mostly code and debug data that no question
/// about it needs. A file that shrinks meanwhile gives an error, where a mapping would give `SIGBUS`.
#[derive(Debug)]
pub(super) enum Source {
    File(Pieces),
    Memory(Buffer),
}

/// A plain file, and the pieces of it that have been read. They are few: a search goes through all.
#[derive(Debug)]
pub(super) struct Pieces {
    file: File,
    /// For messages.
    path: PathBuf,
    size: OnceLock<u64>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    bytes: Buffer,
}

impl Source {
    /// Opens `path`; decompresses it if its first bytes say that it is compressed.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Compression>)> {
        Self::of_file(File::open(path).map_err(|e| Error::io(IoAction::Open, path, e))?, path)
    }

    /// The module in an open file; `path` is for messages.
    pub(super) fn of_file(file: File, path: &Path) -> Result<(Self, Option<Compression>)> {
        let io = |source| Error::io(IoAction::Read, path, source);
        let mut pieces = Pieces { file, path: path.to_path_buf(), size: OnceLock::new(), pieces: Vec::with_capacity(4) };
        pieces.fetch(0..HEAD).map_err(io)?;
        let head = pieces.pieces.first().map_or(&[][..], |piece| piece.bytes.get());
        let Some(compression) = Compression::of(head) else {
            return Ok((Self::File(pieces), None));
        };
        let size = pieces.size().map_err(io)?;
        if size > MAX_MODULE_SIZE {
            return Err(Error::TooLarge { limit: MAX_MODULE_SIZE });
        }
        let mut packed = Buffer::new(Role::Packed);
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        if packed.fill(wanted, |rest, at| pieces.file.read_at(rest, at)).map_err(io)? < wanted {
            return Err(io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let mut bytes = Buffer::new(Role::Unpacked);
        compression.decompress_into(packed.get(), MAX_MODULE_SIZE, bytes.vector())?;
        Ok((Self::Memory(bytes), Some(compression)))
    }

    /// The bytes of a module that is already in memory; decompresses them like [`Source::open`].
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<(Self, Option<Compression>)> {
        match Compression::of(&bytes) {
            Some(compression) => Ok((Self::Memory(Buffer::of(compression.decompress(&bytes, MAX_MODULE_SIZE)?)), Some(compression))),
            None => Ok((Self::Memory(Buffer::of(bytes)), None)),
        }
    }

    /// Number of bytes after decompression; 0 for a file that does not tell.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File(pieces) => pieces.size().unwrap_or_default(),
            Self::Memory(bytes) => bytes.get().len() as u64,
        }
    }

    /// What is at the beginning, as far as it is known: an ELF file header if this is an ELF file.
    pub(super) fn head(&self) -> &[u8] {
        match self {
            Self::File(pieces) => pieces.pieces.first().map_or(&[], |piece| piece.bytes.get()),
            Self::Memory(bytes) => bytes.get(),
        }
    }

    /// Reads a part of the file that will be asked for in smaller parts. Where that fails, nothing is done: the question will tell.
    pub(super) fn fetch(&mut self, range: Range<u64>) {
        if let Self::File(pieces) = self
            && range.start < range.end
            && range.end - range.start <= FETCH_LIMIT
            && pieces.find(&range).is_none()
        {
            let _ = pieces.fetch(range);
        }
    }

    /// `size` bytes at `offset`. The range is checked against the file before anything is allocated.
    pub(super) fn read(&self, part: Part, offset: u64, size: u64) -> Result<Cow<'_, [u8]>> {
        let truncated = || Error::Truncated { part, offset, size, file_size: self.size() };
        let end = offset.checked_add(size).ok_or_else(truncated)?;
        match self {
            Self::File(pieces) => {
                if let Some(known) = pieces.find(&(offset..end)) {
                    return Ok(Cow::Borrowed(known));
                }
                if end > self.size() || size > MAX_MODULE_SIZE {
                    return Err(truncated());
                }
                let mut buffer = vec![0; usize::try_from(size).map_err(|_| truncated())?];
                pieces.file.read_exact_at(&mut buffer, offset).map_err(|error| match error.kind() {
                    // It has shrunk meanwhile.
                    std::io::ErrorKind::UnexpectedEof => truncated(),
                    _ => Error::io(IoAction::Read, &pieces.path, error),
                })?;
                Ok(Cow::Owned(buffer))
            }
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                range.and_then(|(from, to)| bytes.get().get(from..to)).map(Cow::Borrowed).ok_or_else(truncated)
            }
        }
    }
}

impl Pieces {
    fn size(&self) -> std::io::Result<u64> {
        if let Some(&size) = self.size.get() {
            return Ok(size);
        }
        let size = self.file.metadata()?.len();
        Ok(*self.size.get_or_init(|| size))
    }

    fn find(&self, range: &Range<u64>) -> Option<&[u8]> {
        let piece = self.pieces.iter().find(|piece| piece.range.start <= range.start && range.end <= piece.range.end)?;
        let from = usize::try_from(range.start - piece.range.start).ok()?;
        let to = usize::try_from(range.end - piece.range.start).ok()?;
        piece.bytes.get().get(from..to)
    }

    /// Keeps what the file has of `range`.
    fn fetch(&mut self, range: Range<u64>) -> std::io::Result<()> {
        let mut bytes = Buffer::new(Role::Piece);
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let have = bytes.fill_at_once(wanted, |rest| self.file.read_at(rest, range.start))?;
        self.pieces.push(Piece { range: range.start..range.start.saturating_add(have as u64), bytes });
        Ok(())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // The last first: the next file then gets each buffer for what it was used for in this one, and none grows needlessly.
        while self.pieces.pop().is_some() {}
    }
}

/// Memory that the next file of the same thread gets when it is dropped: depmod reads thousands.
#[derive(Debug)]
pub(super) struct Buffer {
    /// At least the `length` first bytes are what was read. What is behind them is left from before, so that nothing is zeroed twice.
    bytes: Vec<u8>,
    length: Option<usize>,
    role: Role,
}

/// What memory is used for: each kind needs room of its own size, and keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Piece,
    Packed,
    Unpacked,
}

/// So many buffers of a kind are kept for each thread,
const KEPT: usize = 4;
/// if they are no larger than this, in bytes.
const KEPT_SIZE: usize = 4 << 20;

thread_local! {
    static SPARE: RefCell<[Vec<Vec<u8>>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

/// Gives back what this thread keeps for its next file.
pub(crate) fn no_more_files() {
    // A thread that ends has given it back.
    let _ = SPARE.try_with(|spare| spare.try_borrow_mut().map(|mut spare| *spare = Default::default()));
}

impl Buffer {
    fn new(role: Role) -> Self {
        let take = |spare: &RefCell<[Vec<Vec<u8>>; 3]>| spare.try_borrow_mut().ok()?.get_mut(role as usize)?.pop();
        Self { bytes: SPARE.try_with(take).ok().flatten().unwrap_or_default(), length: Some(0), role }
    }

    fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, length: None, role: Role::Unpacked }
    }

    fn get(&self) -> &[u8] {
        match self.length {
            Some(length) => self.bytes.get(..length).unwrap_or_default(),
            None => &self.bytes,
        }
    }

    /// All of it, to be filled anew.
    fn vector(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        self.length = None;
        &mut self.bytes
    }

    /// Reads up to `wanted` bytes; `read` gets the place for the rest, and how many are there already. The number of bytes.
    fn fill(&mut self, wanted: usize, mut read: impl FnMut(&mut [u8], u64) -> std::io::Result<usize>) -> std::io::Result<usize> {
        if self.bytes.len() < wanted {
            // Not twice as much as is needed now, as growing by itself would.
            self.bytes.reserve_exact(wanted - self.bytes.len());
            self.bytes.resize(wanted, 0);
        }
        let mut have = 0;
        while have < wanted {
            match read(&mut self.bytes[have..wanted], have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.length = Some(have);
        Ok(have)
    }

    /// The same with one answer of `read`: less than was asked for is all there is before the end of the file; if not, the question that
    /// wants more reads again.
    fn fill_at_once(&mut self, wanted: usize, mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<usize> {
        let mut answered = false;
        // What is interrupted has to be asked again.
        self.fill(wanted, |rest, _| if answered { Ok(0) } else { read(rest).inspect(|_| answered = true) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !(1..=KEPT_SIZE).contains(&bytes.capacity()) {
            return;
        }
        // A thread that ends has no use for it.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.try_borrow_mut().ok()?;
            spare.get_mut(self.role as usize).filter(|kept| kept.len() < KEPT)?.push(bytes);
            Some(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{Buffer, Role};

    #[test]
    fn what_is_interrupted_is_asked_again_and_what_is_short_is_not() {
        let mut answers = vec![Ok(3), Err(Error::from(ErrorKind::Interrupted)), Err(Error::from(ErrorKind::Interrupted))];
        let mut buffer = Buffer::new(Role::Piece);
        let read = |rest: &mut [u8]| {
            rest[..3].copy_from_slice(b"ELF");
            answers.pop().unwrap()
        };
        assert_eq!(buffer.fill_at_once(8, read).unwrap(), 3);
        assert_eq!(buffer.get(), b"ELF");
        assert!(answers.is_empty());
        assert_eq!(buffer.fill_at_once(8, |_| Err(Error::from_raw_os_error(5))).unwrap_err().raw_os_error(), Some(5));
    }
}
