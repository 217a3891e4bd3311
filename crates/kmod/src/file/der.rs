//! As much of DER (X.690) and of PKCS#7 (RFC 5652) as the signature of a module holds.

use super::Signature;

/// A tag with its contents; what follows it is left in the reader.
struct Value<'a> {
    tag: u8,
    contents: &'a [u8],
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;

/// Object identifiers of digests, as DER contents.
const DIGESTS: [(&[u8], &str); 12] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x04], "md4"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05], "md5"),
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], "sha1"),
    (&[0x2b, 0x24, 0x03, 0x02, 0x01], "ripemd160"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], "sha256"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], "sha384"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], "sha512"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], "sha224"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08], "sha3-256"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x09], "sha3-384"),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x0a], "sha3-512"),
    (&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11], "sm3"),
];

/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Takes one value from the front of `input`.
fn take<'a>(input: &mut &'a [u8]) -> Option<Value<'a>> {
    let (&tag, rest) = input.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (size, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
        let size = digits.iter().try_fold(0usize, |n, &d| n.checked_mul(256)?.checked_add(d.into()))?;
        (size, rest)
    };
    let (contents, rest) = rest.split_at_checked(size)?;
    *input = rest;
    Some(Value { tag, contents })
}

/// Takes one value that must have this tag.
fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    take(input).filter(|v| v.tag == tag).map(|v| v.contents)
}

/// The first signer of a PKCS#7 `SignedData` message.
pub(super) fn signed_data(mut message: &[u8]) -> Option<Signature> {
    let mut content = expect(&mut message, SEQUENCE)?;
    expect(&mut content, OBJECT)?;
    let mut explicit = expect(&mut content, CONTEXT_0)?;
    let mut data = expect(&mut explicit, SEQUENCE)?;
    expect(&mut data, INTEGER)?;
    expect(&mut data, SET)?;
    expect(&mut data, SEQUENCE)?;
    // Certificates and revocation lists ([0] and [1]) may stand before the signers.
    let mut signers = loop {
        let value = take(&mut data)?;
        if value.tag == SET {
            break value.contents;
        }
    };
    signer_info(expect(&mut signers, SEQUENCE)?)
}

fn signer_info(mut info: &[u8]) -> Option<Signature> {
    expect(&mut info, INTEGER)?;
    let mut out = Signature::default();
    let who = take(&mut info)?;
    if who.tag == SEQUENCE {
        let mut issuer_and_serial = who.contents;
        out.signer = common_name(expect(&mut issuer_and_serial, SEQUENCE)?).unwrap_or_default().to_vec();
        let serial = expect(&mut issuer_and_serial, INTEGER)?;
        // A leading zero byte only says that the number is not negative.
        out.key = serial.strip_prefix(&[0]).filter(|s| !s.is_empty()).unwrap_or(serial).to_vec();
    } else {
        out.key = who.contents.to_vec();
    }
    let mut digest = expect(&mut info, SEQUENCE)?;
    let object = expect(&mut digest, OBJECT)?;
    out.hash = DIGESTS.iter().find(|(oid, _)| *oid == object).map_or_else(String::new, |(_, name)| (*name).to_owned());
    let mut next = take(&mut info)?;
    if next.tag == CONTEXT_0 {
        next = take(&mut info)?;
    }
    if next.tag != SEQUENCE {
        return None;
    }
    out.signature = expect(&mut info, OCTETS)?.to_vec();
    Some(out)
}

/// The common name in a distinguished name: `SEQUENCE OF SET OF SEQUENCE { type, value }`.
fn common_name(mut name: &[u8]) -> Option<&[u8]> {
    while let Some(mut set) = expect(&mut name, SET) {
        while let Some(mut pair) = expect(&mut set, SEQUENCE) {
            if expect(&mut pair, OBJECT)? == COMMON_NAME {
                return take(&mut pair).map(|v| v.contents);
            }
        }
    }
    None
}
