//! The memory of modules: shared with insmod while it is written, sealed before it runs, never writable and executable at once.
//!
//! The text and the constants of a module are mapped from a read-only descriptor of a sealed `memfd`, so nobody, this process
//! included, can write them again. Its data is private memory. The parts of initialization are copied out of the shared
//! memory, which is then cut to what stays: so they are really free when initialization is over.
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use rustix::fs::SealFlags;
use rustix::mm::{MapFlags, ProtFlags};
use uapi::{Arena, MemoryLayout, ModuleName, PAGE_SIZE, Part, PartRange};

use crate::arena::{self, Ranges};
use crate::error::{Error, Step};
use crate::seal::{add_seals, check_size, copy_contents, freeze, new_memory, reopen};

/// Sizes of the reservation near the host, the largest that fits first.
const NEAR_SIZES: [u64; 4] = [512 << 20, 256 << 20, 128 << 20, 64 << 20];

/// Sizes of the reservation below 4 GiB.
const LOW_SIZES: [u64; 3] = [128 << 20, 64 << 20, 16 << 20];

/// A reservation of this process, shared by all kernels in it and never given up.
#[derive(Debug)]
struct Space {
    span: Range<u64>,
    ranges: Mutex<Ranges>,
}

/// The reservation near the host.
static NEAR: OnceLock<Space> = OnceLock::new();

/// The reservation below 4 GiB.
static LOW: OnceLock<Space> = OnceLock::new();

/// The reservation of an arena; made at first need.
fn space(arena: Arena) -> Result<&'static Space, Error> {
    static MAKING: Mutex<()> = Mutex::new(());
    let place = match arena {
        Arena::Near => &NEAR,
        Arena::Low => &LOW,
    };
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(space) = place.get() {
        return Ok(space);
    }
    let span = reserve(arena)?;
    Ok(place.get_or_init(|| Space { ranges: Mutex::new(Ranges::new(span.clone())), span }))
}

/// Makes the reservation of an arena now, so that a kernel that cannot have one is not built.
pub(crate) fn prepare(arena: Arena) -> Result<Range<u64>, Error> {
    space(arena).map(|space| space.span.clone())
}

/// How often a gap is looked for anew: another thread may map something into it (its heap grows) between look and take.
const RESERVE_ATTEMPTS: usize = 16;

/// Finds room and takes it.
fn reserve(arena: Arena) -> Result<Range<u64>, Error> {
    let sizes: &[u64] = match arena {
        Arena::Near => &NEAR_SIZES,
        Arena::Low => &LOW_SIZES,
    };
    let anchor = (reserve as fn(Arena) -> Result<Range<u64>, Error>) as usize as u64;
    for _ in 0..RESERVE_ATTEMPTS {
        let text = std::fs::read_to_string("/proc/self/maps").map_err(|error| Error::System { step: Step::ReadMaps, error })?;
        let maps = arena::parse_maps(&text);
        for size in sizes {
            let start = match arena {
                Arena::Near => arena::near(&maps, anchor, *size),
                Arena::Low => arena::low(&maps, *size),
            };
            if let Some(start) = start
                && map_nothing(start..start.saturating_add(*size), MapFlags::FIXED_NOREPLACE).is_ok()
            {
                return Ok(start..start.saturating_add(*size));
            }
        }
    }
    Err(Error::ArenaFull { arena, wanted: sizes.last().copied().unwrap_or(0) })
}

/// Maps `range` inaccessible: fresh (`FIXED_NOREPLACE`), or over what is there (`FIXED`).
fn map_nothing(range: Range<u64>, how: MapFlags) -> rustix::io::Result<()> {
    map_anonymous(range, ProtFlags::empty(), how | MapFlags::NORESERVE)
}

/// Maps fresh private memory over `range`.
fn map_anonymous(range: Range<u64>, protection: ProtFlags, how: MapFlags) -> rustix::io::Result<()> {
    let (address, length) = (pointer(range.start), length(&range));
    // SAFETY: the range is either free (`FIXED_NOREPLACE` fails where it is not) or part of a reservation of this module that
    // its one owner maps; no Rust object lives there.
    unsafe { rustix::mm::mmap_anonymous(address, length, protection, how | MapFlags::PRIVATE) }.map(|_| ())
}

/// How sealed code is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// Shared: nobody can ever change it.
    Complete,
    /// Privately: a debugger can set breakpoints, in copies of its pages.
    ButForDebuggers,
}

impl Sealing {
    fn flags(self) -> MapFlags {
        match self {
            Self::Complete => MapFlags::SHARED,
            Self::ButForDebuggers => MapFlags::PRIVATE,
        }
    }
}

/// Maps `range` from what `file` holds at `offset`.
fn map_file(range: Range<u64>, file: BorrowedFd<'_>, offset: u64, protection: ProtFlags, how: MapFlags) -> rustix::io::Result<()> {
    let (address, length) = (pointer(range.start), length(&range));
    // SAFETY: the range is part of a reservation that its one owner maps; no Rust object lives there.
    unsafe { rustix::mm::mmap(address, length, protection, how | MapFlags::FIXED, file, offset) }.map(|_| ())
}

/// An address as the system calls want it.
fn pointer(address: u64) -> *mut core::ffi::c_void {
    usize::try_from(address).map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
}

/// The length of a range in bytes.
fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)
}

/// Addresses that one image has; inaccessible again when dropped.
#[derive(Debug)]
struct Reservation {
    space: &'static Space,
    range: Range<u64>,
    reused: bool,
}

impl Reservation {
    /// Takes room for `size` bytes.
    fn take(arena: Arena, size: u64) -> Result<Self, Error> {
        let space = space(arena)?;
        let grant = space.ranges.lock().unwrap_or_else(PoisonError::into_inner).take(size);
        let grant = grant.ok_or(Error::ArenaFull { arena, wanted: size })?;
        Ok(Self { space, range: grant.range, reused: grant.reused })
    }

    /// Where a part of the image lies: whole pages.
    fn pages(&self, part: PartRange) -> Range<u64> {
        let start = self.range.start.saturating_add(part.offset);
        start..start.saturating_add(part.size.next_multiple_of(PAGE_SIZE))
    }

    /// Makes a range of it inaccessible.
    fn clear(range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // An address range that cannot be unmapped (out of kernel memory) is not given out again: the reservation is kept.
        if map_nothing(range, MapFlags::FIXED).is_err() {
            debug_assert!(false, "a range of a reservation can always be mapped inaccessible");
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if map_nothing(self.range.clone(), MapFlags::FIXED).is_ok() {
            self.space.ranges.lock().unwrap_or_else(PoisonError::into_inner).give_back(&self.range);
        }
    }
}

/// The memory of one module.
#[derive(Debug)]
pub(crate) struct Image {
    reservation: Reservation,
    layout: MemoryLayout,
    shared: Option<OwnedFd>,
    runs: bool,
}

impl Image {
    /// Address space and shared memory for a layout that was checked.
    pub(crate) fn create(name: &ModuleName, layout: MemoryLayout, arena: Arena) -> Result<Self, Error> {
        let reservation = Reservation::take(arena, layout.size())?;
        let shared = new_memory(name, layout.size())?;
        Ok(Self { reservation, layout, shared: Some(shared), runs: false })
    }

    /// Where it runs.
    pub(crate) fn base(&self) -> u64 {
        self.reservation.range.start
    }

    /// Whether its parts are mapped.
    pub(crate) fn runs(&self) -> bool {
        self.runs
    }

    /// A descriptor of the shared memory, for insmod; `None` once it is sealed.
    pub(crate) fn share(&self) -> Result<Option<OwnedFd>, Error> {
        let copy = |fd: &OwnedFd| fd.try_clone().map_err(|error| Error::System { step: Step::ShareMemory, error });
        self.shared.as_ref().map(copy).transpose()
    }

    /// Seals the shared memory and maps every part where it runs.
    ///
    /// Nothing is changed where somebody still has the memory mapped writable. After any other error the memory cannot be used.
    pub(crate) fn seal_and_map(&mut self, name: &ModuleName, sealing: Sealing) -> Result<(), Error> {
        let shared = self.shared.take().ok_or(Error::State { module: name.clone(), state: crate::module::State::Failed })?;
        if let Err(error) = freeze(&shared, &self.layout, name) {
            if matches!(error, Error::StillMapped { .. }) {
                self.shared = Some(shared);
            }
            return Err(error);
        }
        let shared = File::from(shared);
        for part in [Part::Data, Part::InitData] {
            self.copy_private(&shared, self.layout.part(part))?;
        }
        self.map_init_text(&shared, name, sealing)?;
        self.map_core(&shared, sealing)?;
        if self.reservation.reused {
            sync_cores();
        }
        self.runs = true;
        Ok(())
    }

    /// Private memory with the contents of a part; holes are left untouched, so they cost nothing.
    fn copy_private(&self, shared: &File, part: PartRange) -> Result<(), Error> {
        let pages = self.reservation.pages(part);
        if pages.is_empty() {
            return Ok(());
        }
        map_anonymous(pages.clone(), ProtFlags::READ | ProtFlags::WRITE, MapFlags::FIXED).map_err(Error::system(Step::Map))?;
        let start: *mut u8 = pointer(pages.start).cast();
        let size = usize::try_from(part.size).unwrap_or(0);
        // SAFETY: the pages were mapped readable and writable just now, hold at least `size` bytes, and nobody else knows them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, size) };
        copy_contents(shared, part, bytes)
    }

    /// The code of initialization gets sealed memory of its own, which goes when it is unmapped.
    fn map_init_text(&self, shared: &File, name: &ModuleName, sealing: Sealing) -> Result<(), Error> {
        let part = self.layout.part(Part::InitText);
        let pages = self.reservation.pages(part);
        if pages.is_empty() {
            return Ok(());
        }
        let own = File::from(new_memory(name, part.size.next_multiple_of(PAGE_SIZE))?);
        let mut bytes = vec![0; usize::try_from(part.size).unwrap_or(0)];
        copy_contents(shared, part, &mut bytes)?;
        own.write_all_at(&bytes, 0).map_err(|error| Error::System { step: Step::Copy, error })?;
        add_seals(&own, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::SEAL)?;
        map_file(pages, reopen(&own)?.as_fd(), 0, ProtFlags::READ | ProtFlags::EXEC, sealing.flags()).map_err(Error::system(Step::Map))
    }

    /// Cuts the shared memory to text and constants, seals it for good and maps them.
    fn map_core(&self, shared: &File, sealing: Sealing) -> Result<(), Error> {
        let (text, rodata) = (self.layout.part(Part::Text), self.layout.part(Part::Rodata));
        let keep = [text, rodata].map(|part| part.offset.saturating_add(part.size.next_multiple_of(PAGE_SIZE)));
        let keep = if rodata.size == 0 { keep[0] } else { keep[1] };
        rustix::fs::ftruncate(shared, keep).map_err(Error::system(Step::SizeMemory))?;
        add_seals(shared, SealFlags::SHRINK | SealFlags::SEAL)?;
        check_size(shared, keep)?;
        let readonly = reopen(shared)?;
        for (part, protection) in [(text, ProtFlags::READ | ProtFlags::EXEC), (rodata, ProtFlags::READ)] {
            let pages = self.reservation.pages(part);
            if !pages.is_empty() {
                map_file(pages, readonly.as_fd(), part.offset, protection, sealing.flags()).map_err(Error::system(Step::Map))?;
            }
        }
        Ok(())
    }

    /// Unmaps what only initialization needed.
    pub(crate) fn free_init(&mut self) {
        for part in [Part::InitText, Part::InitData] {
            Reservation::clear(self.reservation.pages(self.layout.part(part)));
        }
    }

    /// The word that counts the module's users: the first one of its data.
    pub(crate) fn use_count(&self) -> Option<&AtomicU64> {
        if !self.runs {
            return None;
        }
        let address = self.reservation.pages(self.layout.part(Part::Data)).start;
        let word: *const AtomicU64 = pointer(address).cast::<AtomicU64>().cast_const();
        // SAFETY: the data part is mapped read-write (`runs`) as long as `self` lives, is page aligned and has at least 8 bytes
        // (`MemoryLayout::check`); module code changes the word with atomic instructions.
        Some(unsafe { &*word })
    }

    /// Bytes of a part that nobody can write any more: text or constants.
    pub(crate) fn sealed_bytes(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let inside = |part: Part| {
            let range = self.layout.part(part).range()?;
            (offset >= range.start && offset.checked_add(size)? <= range.end).then_some(())
        };
        if !self.runs || (inside(Part::Rodata).is_none() && inside(Part::Text).is_none()) {
            return None;
        }
        let start: *const u8 = pointer(self.base().checked_add(offset)?).cast::<u8>().cast_const();
        let size = usize::try_from(size).ok()?;
        // SAFETY: the bytes lie in a sealed part, which is mapped readable as long as `self` lives and never changes.
        Some(unsafe { std::slice::from_raw_parts(start, size) })
    }

    /// Keeps the memory mapped for ever: code that trapped may still be referred to from anywhere.
    pub(crate) fn abandon(self) {
        std::mem::forget(self.reservation);
    }
}

/// Makes every core of this process see new code at addresses where old code ran (Intel SDM volume 3, 9.1.3; `membarrier(2)`).
fn sync_cores() {
    use rustix::thread::{MembarrierCommand, membarrier};
    static REGISTER: Once = Once::new();
    // Where the kernel has no membarrier, the system calls between unmap and map have serialized this core, and the others
    // interrupt for the unmapping (TLB shootdown), which serializes them too.
    REGISTER.call_once(|| {
        let _ = membarrier(MembarrierCommand::RegisterPrivateExpeditedSyncCore);
    });
    let _ = membarrier(MembarrierCommand::PrivateExpeditedSyncCore);
}

/// Does an address lie in a reservation for modules? May be asked in a signal handler.
pub(crate) fn is_module_address(address: u64) -> bool {
    [&NEAR, &LOW].into_iter().filter_map(OnceLock::get).any(|space| space.span.contains(&address))
}
