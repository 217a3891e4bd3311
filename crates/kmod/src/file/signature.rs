//! The signature that `sign-file` appends to a module: `data, block, trailer, "~Module signature appended~\n"`
//! (Linux `include/linux/module_signature.h`).

use super::der;
use super::source::Source;
use crate::error::Part;
use crate::{Error, Result};

const MARKER: &[u8] = b"~Module signature appended~\n";
const TRAILER: u64 = 12;

/// Who signed a module and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// How the signature is written.
    pub id: SignatureId,
    /// The signer's name: for PKCS#7 the common name of the certificate's issuer.
    pub signer: Vec<u8>,
    /// For PKCS#7 the serial number of the certificate, else the key's identifier.
    pub key: Vec<u8>,
    /// Name of the digest, for example `sha256`; empty if it is not known.
    pub hash: String,
    /// The signature proper.
    pub signature: Vec<u8>,
    /// Bytes that the marker, the trailer and the block take at the end of the file.
    pub total: u64,
}

/// The `id_type` of the trailer. Types that this table does not name are kept as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureId {
    /// OpenPGP generated key (0).
    #[default]
    Pgp,
    /// X.509 arbitrary subjectKeyIdentifier (1).
    X509,
    /// Signature in a PKCS#7 message (2).
    Pkcs7,
    /// A number that the kernel's header does not define.
    Other(u8),
}

impl SignatureId {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Pgp,
            1 => Self::X509,
            2 => Self::Pkcs7,
            other => Self::Other(other),
        }
    }

    /// The name that `modinfo` prints.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Pgp => "PGP".to_owned(),
            Self::X509 => "X509".to_owned(),
            Self::Pkcs7 => "PKCS#7".to_owned(),
            Self::Other(number) => format!("unknown ({number})"),
        }
    }
}

/// `enum hash_algo` of `include/uapi/linux/hash_info.h`, for trailers other than PKCS#7.
const HASHES: [&str; 8] = ["md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224"];

/// The twelve bytes before the marker.
struct Trailer {
    hash: u8,
    id: SignatureId,
    signer_size: u64,
    key_size: u64,
    signature_size: u64,
}

/// Reads the signature; `None` if the file does not end with the marker.
pub(super) fn signature(source: &Source) -> Result<Option<Signature>> {
    let marker = MARKER.len() as u64;
    let Some(marker_at) = source.size().checked_sub(marker) else { return Ok(None) };
    if *source.read(Part::Signature, marker_at, marker)? != *MARKER {
        return Ok(None);
    }
    let past = |size: u64| Error::Truncated { part: Part::Signature, offset: marker_at, size, file_size: source.size() };
    let trailer_at = marker_at.checked_sub(TRAILER).ok_or_else(|| past(TRAILER))?;
    let trailer = trailer(&source.read(Part::Signature, trailer_at, TRAILER)?).ok_or_else(|| past(TRAILER))?;
    let block = trailer.signer_size + trailer.key_size + trailer.signature_size;
    let block_at = trailer_at.checked_sub(block).ok_or_else(|| past(block))?;
    let key_at = block_at + trailer.signer_size;
    let signature_at = key_at + trailer.key_size;
    let raw = source.read(Part::Signature, signature_at, trailer.signature_size)?;
    let total = source.size() - block_at;
    if trailer.id == SignatureId::Pkcs7 {
        let message = der::signed_data(&raw).ok_or(Error::BadValue { part: Part::Signature, found: block })?;
        return Ok(Some(Signature { id: trailer.id, total, ..message }));
    }
    Ok(Some(Signature {
        id: trailer.id,
        signer: source.read(Part::Signature, block_at, trailer.signer_size)?.into_owned(),
        key: source.read(Part::Signature, key_at, trailer.key_size)?.into_owned(),
        hash: HASHES.get(usize::from(trailer.hash)).map_or_else(String::new, |h| (*h).to_owned()),
        signature: raw.into_owned(),
        total,
    }))
}

fn trailer(bytes: &[u8]) -> Option<Trailer> {
    let &[_algorithm, hash, id, signer, key, _, _, _, a, b, c, d] = bytes else { return None };
    Some(Trailer {
        hash,
        id: SignatureId::of(id),
        signer_size: signer.into(),
        key_size: key.into(),
        signature_size: u32::from_be_bytes([a, b, c, d]).into(),
    })
}
