//! The memory that a module shares with insmod: made, sealed against every further change, opened again for reading.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use uapi::{MemoryLayout, ModuleName, PAGE_SIZE, PartRange};

use crate::error::{Error, Step};

/// Fresh shared memory of `size` bytes that can be sealed and cannot grow.
pub(crate) fn new_memory(name: &ModuleName, size: u64) -> Result<OwnedFd, Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let title = format!("module-{name}");
    // Linux before 6.3 does not know NOEXEC_SEAL (which forbids execve(2) only, not executable maps).
    let memory = rustix::fs::memfd_create(&title, flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| rustix::fs::memfd_create(&title, flags));
    let memory = memory.map_err(Error::system(Step::CreateMemory))?;
    rustix::fs::ftruncate(&memory, size).map_err(Error::system(Step::SizeMemory))?;
    add_seals(&memory, SealFlags::GROW)?;
    Ok(memory)
}

/// Zeroes what lies behind the parts in their last pages, and seals the memory against writing. Fails with
/// [`Error::StillMapped`] where somebody could still write it.
pub(crate) fn freeze(shared: &OwnedFd, layout: &MemoryLayout, name: &ModuleName) -> Result<(), Error> {
    check_size(shared, layout.size())?;
    for part in layout.parts {
        let end = part.offset.saturating_add(part.size);
        let rest = end.next_multiple_of(PAGE_SIZE).saturating_sub(end);
        let zeroes = [0; PAGE_SIZE as usize];
        let zeroes = zeroes.get(..usize::try_from(rest).unwrap_or(0)).unwrap_or_default();
        if !zeroes.is_empty() {
            rustix::io::pwrite(shared, zeroes, end).map_err(Error::system(Step::Copy))?;
        }
    }
    match rustix::fs::fcntl_add_seals(shared, SealFlags::WRITE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::BUSY) => Err(Error::StillMapped { module: name.clone() }),
        Err(error) => Err(Error::system(Step::Seal)(error)),
    }
}

/// Adds seals.
pub(crate) fn add_seals(memory: impl AsFd, seals: SealFlags) -> Result<(), Error> {
    rustix::fs::fcntl_add_seals(memory, seals).map_err(Error::system(Step::Seal))
}

/// The size must be what it was when the memory was made: a peer with the descriptor could have cut it.
pub(crate) fn check_size(memory: impl AsFd, expected: u64) -> Result<(), Error> {
    let found = rustix::fs::fstat(memory).map_err(Error::system(Step::SizeMemory))?.st_size;
    match u64::try_from(found) {
        Ok(found) if found == expected => Ok(()),
        found => Err(Error::Resized { expected, found: found.unwrap_or(0) }),
    }
}

/// A second, read-only descriptor: what is mapped from it can never be made writable (`mprotect(2)`: EACCES).
pub(crate) fn reopen(memory: impl AsFd) -> Result<OwnedFd, Error> {
    let path = format!("/proc/self/fd/{}", memory.as_fd().as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(Error::system(Step::Reopen))
}

/// Reads the part `part` of `shared` into zeroed `bytes`, data only, no holes.
pub(crate) fn copy_contents(shared: &File, part: PartRange, bytes: &mut [u8]) -> Result<(), Error> {
    let end = part.offset.saturating_add(part.size);
    let mut at = part.offset;
    while at < end {
        let data = match rustix::fs::seek(shared, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(Error::system(Step::Copy)(error)),
        };
        if data >= end {
            break;
        }
        let hole = rustix::fs::seek(shared, rustix::fs::SeekFrom::Hole(data)).map_err(Error::system(Step::Copy))?.min(end);
        let place = |offset: u64| usize::try_from(offset.saturating_sub(part.offset)).unwrap_or(usize::MAX);
        if let Some(target) = bytes.get_mut(place(data)..place(hole)) {
            shared.read_exact_at(target, data).map_err(|error| Error::System { step: Step::Copy, error })?;
        }
        at = hole;
    }
    Ok(())
}
