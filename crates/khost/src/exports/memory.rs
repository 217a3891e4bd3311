//! `kmalloc` and `kfree`.

use std::alloc::Layout;
use std::ffi::{c_int, c_void};

use kernel::Fate;

use crate::host::{Services, current};
use crate::log::Level;
use crate::memory::Block;
use crate::owner::UseCount;

/// Alignment of every block, in bytes.
const ALIGNMENT: usize = 16;
/// Largest block, in bytes.
const MAX_SIZE: usize = 16 << 20;

/// Whether a block is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Anything,
    Zeros,
}

/// `void *__kmalloc(size_t size, int flags, long *use_count)`
pub(super) extern "C" fn kmalloc(size: usize, _flags: c_int, use_count: *const c_void) -> *mut c_void {
    allocate(size, use_count, Contents::Anything)
}

/// `void *__kzalloc(size_t size, int flags, long *use_count)`
pub(super) extern "C" fn kzalloc(size: usize, _flags: c_int, use_count: *const c_void) -> *mut c_void {
    allocate(size, use_count, Contents::Zeros)
}

/// `void kfree(const void *block)`
pub(super) extern "C" fn kfree(block: *const c_void) {
    let Some(host) = current().filter(|_| !block.is_null()) else { return };
    match host.services().memory.remove(block.expose_provenance()) {
        Some(block) => give_back(block),
        None => {
            host.services().log.line(Level::ERR, &format!("kfree: no block at {:#x}: freed twice, or never allocated", block.addr()));
        }
    }
}

/// A block, booked on its module; NULL where there is none to be had.
fn allocate(size: usize, use_count: *const c_void, contents: Contents) -> *mut c_void {
    let Some(host) = current() else { return std::ptr::null_mut() };
    let services = host.services();
    let Some(layout) = layout(size).filter(|_| services.memory.has_room(size)) else { return std::ptr::null_mut() };
    let address = u64::try_from(use_count.addr()).unwrap_or(0);
    // What is booked on nobody would never be found again.
    if host.kernel().module_of_use_count(address).is_none() {
        services.log.line(Level::ERR, &format!("kmalloc: no module has its use count at {address:#x}"));
        return std::ptr::null_mut();
    }
    let block = match contents {
        // SAFETY: the layout is not of size 0.
        Contents::Anything => unsafe { std::alloc::alloc(layout) },
        // SAFETY: the layout is not of size 0.
        Contents::Zeros => unsafe { std::alloc::alloc_zeroed(layout) },
    };
    if !block.is_null() {
        services.memory.insert(Block { address: block.expose_provenance(), size }, UseCount(address));
    }
    block.cast()
}

/// The layout of a block that may be had.
fn layout(size: usize) -> Option<Layout> {
    if size == 0 || size > MAX_SIZE { None } else { Layout::from_size_align(size, ALIGNMENT).ok() }
}

/// Frees a block that has just been taken off the books.
fn give_back(block: Block) {
    let Some(layout) = layout(block.size) else { return };
    let place: *mut u8 = std::ptr::with_exposed_provenance_mut(block.address);
    // SAFETY: `allocate` got the block with this layout, and it was on the books until now, so nobody has freed it.
    unsafe { std::alloc::dealloc(place, layout) };
}

/// Gives back what a module that is gone has left; answers how many blocks and bytes. What a dead module had stays: its memory
/// stays too, and may be pointed to.
pub fn release_memory(services: &Services, module: UseCount, fate: Fate) -> (usize, usize) {
    let left = services.memory.close(module);
    let sums = (left.len(), left.iter().map(|block| block.size).sum());
    if fate == Fate::Freed {
        left.into_iter().for_each(give_back);
    }
    sums
}
