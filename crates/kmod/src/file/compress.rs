//! Compressed modules, told by their first bytes: gzip, xz and zstd.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};

use crate::{Error, Result};

/// The dictionary or window that a stream may ask for, in KiB. The kernel's own xz decoder stops at 1 MiB, distributions use up
/// to 8 MiB, `zstd --ultra` up to 128 MiB.
const WINDOW_LIMIT_KIB: u32 = 128 << 10;

/// How a module file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz file format.
    Xz,
    /// RFC 8878.
    Zstd,
}

/// The first bytes of each format.
const MAGIC: [(&[u8], Compression); 3] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
];

impl Compression {
    /// The format of a file that begins with `bytes`, `None` if it is not compressed.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, format)| format)
    }

    /// The name that the kernel uses in `/sys/module/compression`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses to at most `limit` bytes; memory is bounded by `limit` and a window of 128 MiB.
    ///
    /// # Errors
    /// [`Error::Decompress`], and [`Error::TooLarge`] if there would be more than `limit` bytes.
    pub fn decompress(self, packed: &[u8], limit: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.decompress_into(packed, limit, &mut out)?;
        Ok(out)
    }

    /// [`Compression::decompress`] into memory that is there already; what was in it is gone.
    pub(super) fn decompress_into(self, packed: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<()> {
        if self == Self::Zstd && zstd_at_once(packed, limit, out) {
            return Ok(());
        }
        out.clear();
        let failed = |source| Error::Decompress { format: self, source };
        // One byte more than allowed tells "exactly the limit" from "more".
        let most = limit.saturating_add(1);
        if let Some(size) = self.told_size(packed).filter(|&size| size <= limit).and_then(|size| usize::try_from(size).ok()) {
            // Where the file tells its size, memory need not grow by doubling. Where it lies, or there is not so much, it does.
            let _ = out.try_reserve_exact(size);
        }
        match self {
            Self::Gzip => flate2::read::MultiGzDecoder::new(packed).take(most).read_to_end(out),
            Self::Xz => xz_decoder(packed).and_then(|decoder| decoder.take(most).read_to_end(out)),
            Self::Zstd => zstd_decoder(packed).and_then(|decoder| decoder.take(most).read_to_end(out)),
        }
        .map_err(failed)?;
        if out.len() as u64 > limit { Err(Error::TooLarge { limit }) } else { Ok(()) }
    }
}

impl Compression {
    /// The size of the unpacked file, if the packed one tells.
    fn told_size(self, packed: &[u8]) -> Option<u64> {
        match self {
            // RFC 1952, section 2.3.1: the last four bytes are the size of the last member modulo 2^32.
            Self::Gzip => Some(u32::from_le_bytes(*packed.last_chunk()?).into()),
            Self::Xz => xz_size(packed),
            Self::Zstd => zstd::zstd_safe::get_frame_content_size(packed).ok()?,
        }
    }
}

/// The size that the index of an xz file tells (The .xz File Format, sections 2.1.2 and 4): that of its last stream.
fn xz_size(packed: &[u8]) -> Option<u64> {
    let footer = packed.last_chunk::<12>().filter(|footer| footer.ends_with(b"YZ"))?;
    let backward = u32::from_le_bytes(*footer.get(4..)?.first_chunk()?);
    let index_size = usize::try_from(backward).ok()?.checked_add(1)?.checked_mul(4)?;
    let index_end = packed.len() - footer.len();
    let mut rest = packed.get(index_end.checked_sub(index_size)?..index_end)?.strip_prefix(&[0])?;
    let mut number = || {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    let records = number()?;
    (0..records).try_fold(0u64, |size, _| {
        number()?;
        size.checked_add(number()?)
    })
}

thread_local! {
    /// A decoder's tables take longer to make than a small module takes to decode.
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decodes a file that says how large it will be straight into its place, which saves a copy of everything by way of a window.
/// `false` where that cannot be done, or fails: then the decoder of streams has the word.
fn zstd_at_once(packed: &[u8], limit: u64, out: &mut Vec<u8>) -> bool {
    let Ok(Some(size)) = zstd::zstd_safe::get_frame_content_size(packed) else { return false };
    let Some(size) = usize::try_from(size).ok().filter(|_| size <= limit) else { return false };
    out.clear();
    if out.try_reserve_exact(size).is_err() {
        return false;
    }
    let decoded = ZSTD.try_with(|decoder| {
        let mut decoder = decoder.try_borrow_mut().ok()?;
        if decoder.is_none() {
            *decoder = zstd::bulk::Decompressor::new().ok();
        }
        decoder.as_mut()?.decompress_to_buffer(packed, out).ok()
    });
    // A second frame may have filled memory that an earlier, larger module left.
    decoded.ok().flatten().is_some() && out.len() as u64 <= limit
}

/// A decoder of all streams of an xz file, one after the other.
fn xz_decoder(packed: &[u8]) -> io::Result<liblzma::bufread::XzDecoder<&[u8]>> {
    // Beside the dictionary the decoder needs some tables.
    let memory = (u64::from(WINDOW_LIMIT_KIB) << 10) + (1 << 20);
    let stream = liblzma::stream::Stream::new_stream_decoder(memory, liblzma::stream::CONCATENATED)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(packed, stream))
}

/// A decoder of all frames of a zstd file, one after the other.
fn zstd_decoder(packed: &[u8]) -> io::Result<zstd::stream::read::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(WINDOW_LIMIT_KIB.ilog2() + 10)?;
    Ok(decoder)
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Compression;

    #[test]
    fn packed_files_tell_their_size() {
        let plain = b"module ".repeat(5000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        xz.write_all(&plain).unwrap();
        let zstd = zstd::bulk::compress(&plain, 1).unwrap();
        for packed in [gzip.finish().unwrap(), xz.finish().unwrap(), zstd] {
            let format = Compression::of(&packed).unwrap();
            assert_eq!(format.told_size(&packed), Some(35_000), "{format}");
            assert_eq!(format.decompress(&packed, 35_000).unwrap(), plain, "{format}");
            assert!(format.decompress(&packed, 34_999).is_err(), "{format}");
            let twice = [packed.as_slice(), &packed].concat();
            assert_eq!(format.decompress(&twice, 1 << 20).unwrap(), plain.repeat(2), "{format}");
            for cut in [0, 1, packed.len() / 2, packed.len() - 1] {
                assert!(format.decompress(&packed[..cut], 1 << 20).is_err() || cut == 0, "{format} cut at {cut}");
            }
        }
    }
}
