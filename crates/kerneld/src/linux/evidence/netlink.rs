//! Dumps over netlink: a question, and the attributes of every answer (netlink(7); include/uapi/linux/netlink.h).
//!
//! Asking must not change what is asked about: to open a socket of a protocol that nobody serves makes the kernel ask for its module.
//! Callers make sure first that it is there.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Bytes of a message's head.
const HEAD: usize = 16;

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;

/// Types of messages that are not answers: the end of a dump, and an error.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Attribute types have flags in their upper two bits.
const TYPE: u16 = 0x3fff;

/// How often one call is repeated because the tables changed while they were read, or a signal came.
const TRIES: u32 = 5;

/// A dump is no longer than so many answers, in messages of at most so many bytes.
const MOST: usize = 1 << 20;
const BUFFER: usize = 256 << 10;

/// The attributes of one level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(u16, Vec<u8>)>);

impl Attributes {
    /// Takes bytes apart; damaged ones end the list.
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut found = Vec::new();
        while let Some((length, kind)) = pair(bytes) {
            let Some(value) = bytes.get(4..usize::from(length)) else { break };
            found.push((kind & TYPE, value.to_vec()));
            let next = usize::from(length).next_multiple_of(4);
            let Some(rest) = bytes.get(next..) else { break };
            bytes = rest;
        }
        Self(found)
    }

    fn get(&self, kind: u16) -> Option<&[u8]> {
        self.0.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
    }

    /// Whether there is such an attribute.
    pub(super) fn has(&self, kind: u16) -> bool {
        self.get(kind).is_some()
    }

    /// A text that ends with a zero.
    pub(super) fn text(&self, kind: u16) -> Option<String> {
        let value = self.get(kind)?;
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        Some(String::from_utf8_lossy(value.get(..end)?).into_owned())
    }

    /// The attributes inside one.
    pub(super) fn nested(&self, kind: u16) -> Self {
        self.get(kind).map(Self::parse).unwrap_or_default()
    }
}

/// Two numbers of 16 bits: the length of an attribute and its type.
fn pair(bytes: &[u8]) -> Option<(u16, u16)> {
    let number = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (length, kind) = (number(0)?, number(2)?);
    (length >= 4).then_some((length, kind))
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// The protocol of the socket; `None` is rtnetlink.
    pub(super) protocol: Option<Protocol>,
    /// The type of the message.
    pub(super) kind: u16,
    /// What follows the head: the protocol's own, and attributes.
    pub(super) body: &'a [u8],
    /// How many bytes of the protocol's own an answer has before its attributes.
    pub(super) skip: usize,
}

/// Asks, and answers the attributes of every answer.
pub(super) fn dump(question: &Question<'_>) -> io::Result<Vec<Attributes>> {
    let mut last = io::Error::from(io::ErrorKind::Interrupted);
    for _ in 0..TRIES {
        match once(question) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => last = error,
            other => return other,
        }
    }
    Err(last)
}

fn once(question: &Question<'_>) -> io::Result<Vec<Attributes>> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, question.protocol)?;
    let length = u32::try_from(HEAD + question.body.len()).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(question.kind.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(question.body);
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    answers(&socket, question.skip)
}

fn answers(socket: &OwnedFd, skip: usize) -> io::Result<Vec<Attributes>> {
    let mut found = Vec::new();
    let mut buffer = vec![0_u8; BUFFER];
    while found.len() < MOST {
        let (size, _) = rustix::net::recv(socket, &mut buffer, RecvFlags::empty())?;
        let mut rest = buffer.get(..size).unwrap_or_default();
        while let Some(message) = first(rest) {
            match message.kind {
                DONE => return Ok(found),
                ERROR => return Err(error(message.body)),
                _ if message.interrupted => return Err(io::ErrorKind::Interrupted.into()),
                _ => found.push(Attributes::parse(message.body.get(skip..).unwrap_or_default())),
            }
            rest = rest.get(message.next..).unwrap_or_default();
        }
    }
    Ok(found)
}

struct Message<'a> {
    kind: u16,
    /// `NLM_F_DUMP_INTR`: the tables changed meanwhile.
    interrupted: bool,
    body: &'a [u8],
    next: usize,
}

fn first(bytes: &[u8]) -> Option<Message<'_>> {
    let length = usize::try_from(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)).ok()?;
    let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let body = bytes.get(HEAD..length)?;
    Some(Message { kind: half(4)?, interrupted: half(6)? & 0x10 != 0, body, next: length.next_multiple_of(4) })
}

/// The number in an error message; 0 would be an acknowledgement, which nobody asked for.
fn error(body: &[u8]) -> io::Error {
    let number = body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
    io::Error::from_raw_os_error(number.saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_nest_and_damage_ends_them() {
        let mut inner = vec![9, 0, 1, 0];
        inner.extend(b"vlan\0\0\0\0");
        let mut outer = u16::try_from(inner.len() + 4).unwrap().to_ne_bytes().to_vec();
        outer.extend((18_u16 | 0x8000).to_ne_bytes());
        outer.extend(&inner);
        let found = Attributes::parse(&outer);
        assert_eq!(found.nested(18).text(1).as_deref(), Some("vlan"));
        assert!(found.has(18) && !found.has(1));
        for end in 0..outer.len() {
            let _ = Attributes::parse(&outer[..end]);
        }
        assert_eq!(Attributes::parse(&[3, 0, 1, 0]), Attributes::default());
    }

    #[test]
    fn the_loopback_device_is_in_the_dump_of_links() {
        // RTM_GETLINK with an ifinfomsg of zeros; IFLA_IFNAME is 3.
        let question = Question { protocol: None, kind: 18, body: &[0; 16], skip: 16 };
        let links = dump(&question).expect("rtnetlink is always there");
        assert!(links.iter().any(|link| link.text(3).as_deref() == Some("lo")), "{links:?}");
    }
}
