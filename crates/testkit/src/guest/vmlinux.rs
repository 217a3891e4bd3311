//! The uncompressed kernel inside a bzImage: qemu boots it directly (PVH), which saves the decompression in the guest.
//! The header fields are those of `Documentation/arch/x86/boot.rst`.

use std::io::Read;

/// Magic bytes of a compressed payload, and how to open it.
type Format = (&'static [u8], fn(&[u8]) -> std::io::Result<Vec<u8>>);

const FORMATS: &[Format] = &[(b"\xfd7zXZ\0", xz), (&[0x28, 0xb5, 0x2f, 0xfd], zstd)];

/// Takes the ELF kernel out of a bzImage.
///
/// # Errors
/// Where the image has no payload of a known compression.
pub(super) fn extract(image: &[u8]) -> std::io::Result<Vec<u8>> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let setup_sectors = usize::from(*image.get(0x1f1).ok_or_else(|| wrong("not a bzImage"))?);
    let field = |at: usize| {
        let bytes = image.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| wrong("not a bzImage"))?;
        usize::try_from(u32::from_le_bytes(bytes)).map_err(|_| wrong("a payload that is too large"))
    };
    let start = (setup_sectors + 1) * 512 + field(0x248)?;
    // The last four bytes of the payload are the length of the uncompressed kernel.
    let payload = image.get(start..start + field(0x24c)?.saturating_sub(4)).ok_or_else(|| wrong("a payload beyond the image"))?;
    let (_, open) = FORMATS.iter().find(|(magic, _)| payload.starts_with(magic)).ok_or_else(|| wrong("an unknown compression"))?;
    let kernel = open(payload)?;
    if kernel.starts_with(b"\x7fELF") { Ok(kernel) } else { Err(wrong("the payload is no ELF kernel")) }
}

fn xz(payload: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut kernel = Vec::new();
    lzma_rust2::XzReader::new(payload, false).read_to_end(&mut kernel)?;
    Ok(kernel)
}

fn zstd(payload: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut kernel = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(payload).map_err(std::io::Error::other)?;
    decoder.read_to_end(&mut kernel)?;
    Ok(kernel)
}
