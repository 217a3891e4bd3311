//! Memory for loaded code, near the host's own code or wherever the system puts it.

use std::ops::Range;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::{host, measure};

/// The page size of x86-64.
pub(crate) const PAGE: usize = 4096;
/// The size of x86-64's next larger page.
const HUGE: usize = 2 << 20;
/// How much is reserved beside the host.
const ARENA: usize = 1 << 30;

/// Where code is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Within two gibibytes of the host's code and data.
    Near,
    /// Where mmap(2) puts it: out of reach of 32-bit references to the host.
    Far,
}

/// When the pages of a mapping come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Each when it is touched.
    Later,
    /// All of them with the mapping (`MAP_POPULATE` of mmap(2)), since every one is about to be written.
    Present,
}

/// Fresh zeroed memory, readable and writable; given back when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: *mut u8,
    length: usize,
    place: Place,
}

// SAFETY: a mapping is owned memory; nothing in it belongs to a thread.
unsafe impl Send for Mapping {}
// SAFETY: shared access only reads the address.
unsafe impl Sync for Mapping {}

/// The reservation near the host, how far it is handed out, and how many mappings live in it.
struct Arena {
    start: usize,
    next: AtomicUsize,
    live: AtomicUsize,
}

impl Mapping {
    /// Maps `length` bytes, rounded up to pages.
    ///
    /// # Errors
    /// [`Error::System`] when there is no room.
    pub(crate) fn new(place: Place, length: usize) -> Result<Self> {
        Self::with_pages(place, length, Pages::Later)
    }

    /// Maps `length` bytes, rounded up to pages, which are there when `pages` says.
    ///
    /// # Errors
    /// [`Error::System`] when there is no room.
    pub(crate) fn with_pages(place: Place, length: usize, pages: Pages) -> Result<Self> {
        let length = length.max(1).next_multiple_of(PAGE);
        let (wish, flags) = match place {
            Place::Near => (arena()?.take(length)?, libc::MAP_FIXED),
            Place::Far => (0, 0),
        };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let populate = if pages == Pages::Present { libc::MAP_POPULATE } else { 0 };
        let start = map(wish, length, access, flags | if length < HUGE { populate } else { 0 })?;
        if length >= HUGE {
            // SAFETY: the pages belong to this mapping alone; the advice changes none of their bytes.
            // It is advice: where it is refused, pages are small.
            unsafe { libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE) };
        }
        Ok(Self { start, length, place })
    }

    /// The address of the first byte.
    pub(crate) fn address(&self) -> u64 {
        self.start.addr() as u64
    }

    /// The address of the first byte as a pointer.
    pub(crate) const fn pointer(&self) -> *mut u8 {
        self.start
    }

    /// All of its bytes. Not after [`Mapping::protect`] took the right to write away.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is that long, readable and writable, and borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// Changes the access to the pages of `range` (mprotect(2)); nothing to do for an empty one.
    ///
    /// # Errors
    /// [`Error::System`].
    pub(crate) fn protect(&self, range: Range<usize>, access: libc::c_int) -> Result<()> {
        let length = range.end.min(self.length).saturating_sub(range.start);
        if length == 0 {
            return Ok(());
        }
        let from = self.start.wrapping_add(range.start).cast();
        // SAFETY: the pages belong to this mapping alone.
        let status = unsafe { libc::mprotect(from, length, access) };
        measure::check("mprotect", status)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match self.place {
            Place::Far => {
                // SAFETY: the pages belong to this mapping alone, and nothing uses them any more.
                unsafe { libc::munmap(self.start.cast(), self.length) };
            }
            Place::Near => {
                // Mapping an inaccessible page over them gives the memory back and keeps the reservation.
                let _ = map(self.start.addr(), self.length, libc::PROT_NONE, libc::MAP_FIXED | libc::MAP_NORESERVE);
                if let Ok(arena) = arena() {
                    arena.give_back();
                }
            }
        }
    }
}

/// A whole file in memory, read only, its pages present; given back when dropped.
#[derive(Debug)]
pub(crate) struct FileMapping {
    start: *const u8,
    length: usize,
}

impl FileMapping {
    /// Maps the open file `fd` (mmap(2)). `MAP_POPULATE` because every byte of an object is about to be read.
    ///
    /// # Errors
    /// [`Error::System`].
    pub(crate) fn new(fd: RawFd) -> Result<Self> {
        // SAFETY: a stat buffer is plain bits.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the buffer is a valid, writable stat.
        let status = unsafe { libc::fstat(fd, &mut stat) };
        measure::check("fstat", status)?;
        let length = usize::try_from(stat.st_size).unwrap_or_default();
        let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE;
        // SAFETY: no fixed address, so nothing is replaced.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(Error::System { call: "mmap", source: std::io::Error::last_os_error() });
        }
        Ok(Self { start: start.cast_const().cast(), length })
    }

    /// The bytes of the file, which nobody changes during a benchmark.
    pub(crate) const fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is that long, readable, and lives as long as the slice.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        // SAFETY: the pages belong to this mapping alone, and no slice of it is left.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.length) };
    }
}

impl Arena {
    fn take(&self, length: usize) -> Result<usize> {
        // Where a large page fits, the mapping starts on one.
        let align = if length < HUGE { PAGE } else { HUGE };
        let place = |next: usize| Some((self.start + next).next_multiple_of(align) - self.start);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| Some(place(next)? + length));
        let offset = taken.ok().and_then(place).unwrap_or(ARENA);
        if offset.saturating_add(length) > ARENA {
            let source = std::io::Error::from_raw_os_error(libc::ENOMEM);
            return Err(Error::System { call: "arena near the host", source });
        }
        self.live.fetch_add(1, Ordering::Relaxed);
        Ok(self.start + offset)
    }

    /// The room is used again from the start when nothing is loaded.
    fn give_back(&self) {
        if self.live.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.next.store(0, Ordering::Relaxed);
        }
    }
}

/// The reservation, made at the first use: the next free room below the host's own image.
fn arena() -> Result<&'static Arena> {
    static ARENA_NEAR_HOST: OnceLock<Option<Arena>> = OnceLock::new();
    let arena = ARENA_NEAR_HOST.get_or_init(|| {
        let host = host::symbols().first().map_or(0, |(_, address)| *address as usize);
        let wishes = (0..16).map(|step| (host & !(PAGE - 1)).saturating_sub(ARENA + (step << 24)));
        let flags = libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
        let start = wishes.filter(|&wish| wish != 0).find_map(|wish| map(wish, ARENA, libc::PROT_NONE, flags).ok())?;
        Some(Arena { start: start.addr(), next: AtomicUsize::new(0), live: AtomicUsize::new(0) })
    });
    let full = || Error::System { call: "mmap", source: std::io::Error::from_raw_os_error(libc::ENOMEM) };
    arena.as_ref().ok_or_else(full)
}

fn map(wish: usize, length: usize, access: libc::c_int, flags: libc::c_int) -> Result<*mut u8> {
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let wish = ptr::without_provenance_mut(wish);
    // SAFETY: a fixed address lies in the arena, which is ours; any other is a wish that replaces nothing.
    let start = unsafe { libc::mmap(wish, length, access, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Error::System { call: "mmap", source: std::io::Error::last_os_error() });
    }
    Ok(start.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_within_reach_and_starts_again() {
        let host = host::resolve("host_fn_00").expect("in the table");
        let mut first = Mapping::new(Place::Near, 10).expect("room");
        assert!(first.address().abs_diff(host) < (2 << 30) - (64 << 20));
        assert!(first.bytes().iter().all(|&byte| byte == 0) && first.bytes().len() == PAGE);
        first.bytes().fill(1);
        let address = first.address();
        drop(first);
        let mut again = Mapping::new(Place::Near, 10).expect("room");
        assert_eq!(again.address(), address);
        assert!(again.bytes().iter().all(|&byte| byte == 0), "fresh memory");
    }
}
