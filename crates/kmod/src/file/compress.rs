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
        match self {
            Self::Gzip => flate2::read::MultiGzDecoder::new(packed).take(most).read_to_end(out),
            Self::Xz => xz_decoder(packed).and_then(|decoder| decoder.take(most).read_to_end(out)),
            Self::Zstd => zstd_decoder(packed).and_then(|decoder| decoder.take(most).read_to_end(out)),
        }
        .map_err(failed)?;
        if out.len() as u64 > limit { Err(Error::TooLarge { limit }) } else { Ok(()) }
    }
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
