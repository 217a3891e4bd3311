//! Block reads.

use std::alloc::Layout;
use std::ffi::{c_long, c_void};

use super::layout::BufferHead;
use crate::block::DeviceNumber;
use crate::host::{Services, current};
use crate::log::Level;
use crate::memory::Block;

/// Bytes in front of the data of a buffer, a multiple of its alignment.
const HEADER: usize = 64;
/// Alignment of a buffer and of its data.
const ALIGNMENT: usize = 64;
/// Smallest and largest block, in bytes.
const SIZES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// `struct buffer_head *bread(kdev_t dev, u64 block, size_t size)`
pub(super) extern "C" fn bread(device: u32, block: u64, size: usize) -> *mut BufferHead {
    read_block(DeviceNumber(device), block, size).unwrap_or(std::ptr::null_mut())
}

/// A buffer with a whole block in it.
fn read_block(number: DeviceNumber, block: u64, size: usize) -> Option<*mut BufferHead> {
    let services = current()?.services();
    let device = services.devices.get(number)?;
    if !SIZES.contains(&size) || !size.is_power_of_two() || !services.buffers.has_room(size) {
        return None;
    }
    let offset = block.checked_mul(u64::try_from(size).ok()?)?;
    // A block beyond the end of the device is not there at all; nothing is allocated for it.
    if offset.checked_add(u64::try_from(size).ok()?)? > device.size() {
        return None;
    }
    let layout = layout(size)?;
    // SAFETY: the layout is not of size 0.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    if memory.is_null() {
        return None;
    }
    // SAFETY: the header lies inside the allocation.
    let data = unsafe { memory.add(HEADER) };
    // SAFETY: `size` bytes behind the header belong to the allocation, are initialized, and nobody else has them yet.
    let bytes = unsafe { std::slice::from_raw_parts_mut(data, size) };
    if device.read(offset, bytes) != Ok(size) {
        // SAFETY: allocated above with this layout, and given to nobody.
        unsafe { std::alloc::dealloc(memory, layout) };
        return None;
    }
    let head = memory.cast::<BufferHead>();
    // SAFETY: the header has room for it, and `ALIGNMENT` is more than it needs.
    unsafe { head.write(BufferHead { block, size, data, device: number.0 }) };
    services.buffers.insert(Block { address: head.expose_provenance(), size }, number);
    Some(head)
}

/// `void brelse(struct buffer_head *buffer)`
pub(super) extern "C" fn brelse(buffer: *mut BufferHead) {
    let Some(host) = current().filter(|_| !buffer.is_null()) else { return };
    match host.services().buffers.remove(buffer.expose_provenance()) {
        Some(block) => give_back(block),
        None => host.services().log.line(Level::ERR, &format!("brelse: no buffer at {:#x}: released twice, or never read", buffer.addr())),
    }
}

/// `long block_read(kdev_t dev, u64 offset, void *buffer, size_t size)`
///
/// # Safety
/// `buffer` has room for `size` bytes.
pub(super) unsafe extern "C" fn block_read(device: u32, offset: u64, buffer: *mut c_void, size: usize) -> c_long {
    let device = current().and_then(|host| host.services().devices.get(DeviceNumber(device)));
    let Some(device) = device else { return -c_long::from(libc::ENXIO) };
    if size == 0 {
        return 0;
    }
    if buffer.is_null() {
        return -c_long::from(libc::EFAULT);
    }
    let left = usize::try_from(device.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    // SAFETY: the caller's promise. The bytes are only written to.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size.min(left)) };
    match device.read(offset, bytes) {
        Ok(count) => c_long::try_from(count).unwrap_or(c_long::MAX),
        Err(error) => -c_long::from(error.number()),
    }
}

/// `u64 block_size(kdev_t dev)`
pub(super) extern "C" fn block_size(device: u32) -> u64 {
    current().and_then(|host| host.services().devices.get(DeviceNumber(device))).map_or(0, |device| device.size())
}

/// The layout of a buffer for `size` bytes.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEADER)?, ALIGNMENT).ok()
}

/// Frees a buffer that has just been taken off the books.
fn give_back(block: Block) {
    let Some(layout) = layout(block.size) else { return };
    let place: *mut u8 = std::ptr::with_exposed_provenance_mut(block.address);
    // SAFETY: `read_block` got the buffer with this layout, and it was on the books until now, so nobody has freed it.
    unsafe { std::alloc::dealloc(place, layout) };
}

/// Gives back the buffers that are left of a device; answers how many, and their bytes.
pub fn release_buffers(services: &Services, device: DeviceNumber) -> (usize, usize) {
    let left = services.buffers.close(device);
    let sums = (left.len(), left.iter().map(|block| block.size).sum());
    left.into_iter().for_each(give_back);
    sums
}
