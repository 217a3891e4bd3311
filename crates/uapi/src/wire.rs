//! The wire form: frames of a 4-byte little-endian length and that many bytes of postcard, over a Unix stream socket. A reply is
//! `Result<Reply, Errno>`. At most one descriptor travels with a frame (`SCM_RIGHTS`). The kerneld channel sends bare postcard
//! packets, one message each.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest frame in bytes that a peer with the right to load modules may send, and that a client accepts as a reply.
pub const MAX_FRAME: usize = 64 << 20;

/// Largest request in bytes of a peer that may only read.
pub const MAX_READER_FRAME: usize = 64 << 10;

/// Why a frame could not be read or written.
#[derive(Debug)]
pub enum WireError {
    /// The peer closed the connection between two frames.
    Closed,
    /// The socket failed, or the peer closed it inside a frame.
    Io(io::Error),
    /// A frame is longer than it may be.
    TooLong {
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes are not a message.
    Malformed(postcard::Error),
    /// A message is followed by bytes that belong to nothing.
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Io(error) => write!(f, "the socket failed: {error}"),
            Self::TooLong { length, limit } => write!(f, "a frame of {length} bytes is over the limit of {limit}"),
            Self::Malformed(error) => write!(f, "malformed message: {error}"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes follow the message"),
        }
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Malformed(error) => Some(error),
            Self::Closed | Self::TooLong { .. } | Self::Trailing { .. } => None,
        }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a message from bytes: the whole of them, no more and no less.
///
/// # Errors
/// [`WireError::Malformed`] or [`WireError::Trailing`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(WireError::Malformed)?;
    if rest.is_empty() { Ok(message) } else { Err(WireError::Trailing { bytes: rest.len() }) }
}

/// Writes a message to bytes.
///
/// # Errors
/// [`WireError::Malformed`] where a value cannot be written, which no type of this crate causes.
pub fn encode<T: Serialize + ?Sized>(message: &T) -> Result<Vec<u8>, WireError> {
    postcard::to_stdvec(message).map_err(WireError::Malformed)
}

/// Sends one frame, with a descriptor if there is one.
///
/// # Errors
/// [`WireError::Io`] from the socket; [`WireError::TooLong`] for a message over [`MAX_FRAME`].
pub fn send<T: Serialize + ?Sized>(socket: &UnixStream, message: &T, descriptor: Option<BorrowedFd<'_>>) -> Result<(), WireError> {
    let body = encode(message)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_FRAME);
    let header = length.ok_or(WireError::TooLong { length: body.len(), limit: MAX_FRAME })?.to_le_bytes();
    let sent = send_first(socket, [&header, &body], descriptor)?;
    let (mut socket, all) = (socket, header.len());
    if let Some(rest) = header.get(sent..) {
        socket.write_all(rest)?;
    }
    socket.write_all(body.get(sent.saturating_sub(all)..).unwrap_or_default())?;
    Ok(())
}

/// The first `sendmsg` of a frame, which carries the descriptor; answers how many bytes went.
fn send_first(socket: &UnixStream, parts: [&[u8]; 2], descriptor: Option<BorrowedFd<'_>>) -> Result<usize, WireError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let slices = parts.map(IoSlice::new);
    loop {
        match rustix::net::sendmsg(socket, &slices, &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) => return Ok(sent),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(WireError::Io(error.into())),
        }
    }
}

/// Receives one frame of at most `limit` bytes, and the descriptor that came with it.
///
/// Memory grows with the bytes that arrive, not with the length that the peer announces.
///
/// # Errors
/// [`WireError::Closed`] at the end of the stream between frames; the others as their names say.
pub fn receive<T: DeserializeOwned>(socket: &UnixStream, limit: usize) -> Result<(T, Option<OwnedFd>), WireError> {
    let mut header = [0_u8; 4];
    let (got, descriptor) = receive_first(socket, &mut header)?;
    if got == 0 {
        return Err(WireError::Closed);
    }
    let mut socket = socket;
    if let Some(rest) = header.get_mut(got..) {
        socket.read_exact(rest)?;
    }
    let length = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(WireError::TooLong { length, limit });
    }
    let mut body = Vec::new();
    let read = socket.take(u64::from(u32::from_le_bytes(header))).read_to_end(&mut body)?;
    if read < length {
        return Err(WireError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok((decode(&body)?, descriptor))
}

/// The first `recvmsg` of a frame; surplus descriptors are closed.
fn receive_first(socket: &UnixStream, header: &mut [u8]) -> Result<(usize, Option<OwnedFd>), WireError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(header)];
        match rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(WireError::Io(error.into())),
        }
    };
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            for each in descriptors {
                descriptor.get_or_insert(each);
            }
        }
    }
    Ok((received.bytes, descriptor))
}

/// Bytes as one piece (`#[serde(with = "crate::wire::bytes")]`). The form is that of a list of numbers; only making it is quicker,
/// as a list goes number by number.
pub mod bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads them.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = numbers.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

/// Sends one packet on a kerneld channel.
///
/// # Errors
/// [`WireError::Io`] from the socket (`EPIPE` where the other side is gone).
pub fn send_packet<T: Serialize + ?Sized>(channel: impl AsFd, message: &T) -> Result<(), WireError> {
    let bytes = encode(message)?;
    loop {
        match rustix::net::send(&channel, &bytes, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(WireError::Io(error.into())),
        }
    }
}

/// Receives one packet from a kerneld channel.
///
/// # Errors
/// [`WireError::Closed`] where the other side is gone; `Io` with `Interrupted` where a signal came first; `Malformed`.
pub fn receive_packet<T: DeserializeOwned>(channel: impl AsFd) -> Result<T, WireError> {
    let mut packet = [0_u8; crate::kerneld::MAX_PACKET];
    let (length, _) = rustix::net::recv(&channel, &mut packet[..], RecvFlags::empty()).map_err(io::Error::from)?;
    match packet.get(..length) {
        Some(bytes) if length > 0 => decode(bytes),
        _ => Err(WireError::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::{WireError, decode, encode, receive, send};
    use crate::{Errno, MemoryLayout, Reply, Syscall};
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_frame_and_its_descriptor_arrive() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"image").unwrap();
        let answer: Result<Reply, Errno> = Ok(Reply::Created { base: 0x1234_5000 });
        send(&here, &answer, Some(file.as_fd())).unwrap();
        let (got, descriptor): (Result<Reply, Errno>, _) = receive(&there, 1 << 20).unwrap();
        assert_eq!(got, answer);
        let mut copy = std::fs::File::from(descriptor.unwrap());
        copy.rewind().unwrap();
        let mut text = String::new();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "image");
        drop(here);
        assert!(matches!(receive::<Syscall>(&there, 10), Err(WireError::Closed)));
    }

    #[test]
    fn a_large_frame_arrives_whole_and_an_oversized_one_is_refused() {
        let (here, there) = UnixStream::pair().unwrap();
        let call = Syscall::Embedder { request: "x".into(), body: vec![7; 3 << 20] };
        let copy = call.clone();
        let writer = std::thread::spawn(move || send(&here, &copy, None).map(|()| here));
        let (got, _): (Syscall, _) = receive(&there, 4 << 20).unwrap();
        assert_eq!(got, call);
        let mut here = writer.join().unwrap().unwrap();
        here.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(receive::<Syscall>(&there, 1 << 20), Err(WireError::TooLong { .. })));
    }

    #[test]
    fn bytes_have_the_form_of_a_list() {
        let call = Syscall::Embedder { request: "x".into(), body: (0..=255).collect() };
        let bytes = encode(&call).unwrap();
        let list: Vec<u8> = (0..=255).collect();
        assert!(bytes.ends_with(&encode(&list).unwrap()));
        assert_eq!(decode::<Syscall>(&bytes).unwrap(), call);
        assert!(decode::<Syscall>(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_frame_cut_short_is_an_error_not_a_hang() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&100_u32.to_le_bytes()).unwrap();
        here.write_all(&[0; 10]).unwrap();
        drop(here);
        assert!(matches!(receive::<Syscall>(&there, 1 << 20), Err(WireError::Io(_))));
    }

    #[test]
    fn mutated_messages_never_panic() {
        let call =
            Syscall::CreateModule { name: "vfat".into(), layout: MemoryLayout::from_sizes([1, 2, 8, 0, 0]), arena: crate::Arena::Near };
        let seed = encode(&call).unwrap();
        let (mut accepted, mut refused, mut state) = (0, 0, 0x2545_f491_4f6c_dd1d_u64);
        for _ in 0..20_000 {
            let mut bytes = seed.clone();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state % 64).unwrap() % bytes.len();
                bytes[at] = state.to_le_bytes()[5];
            }
            bytes.truncate(bytes.len() - usize::try_from(state % 3).unwrap());
            match decode::<Syscall>(&bytes) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
    }
}
