//! What is done with packets from outside: an error, or a message that survives the way back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uapi::kerneld::{Message, ToKernel};
use uapi::{Errno, Reply, Syscall, wire};

/// Any bytes as each of the messages that cross a socket; answers how many of them they are.
pub(crate) fn packet_target(bytes: &[u8]) -> usize {
    let readings = [returns::<Syscall>, returns::<Result<Reply, Errno>>, returns::<ToKernel>, returns::<Message>];
    readings.into_iter().filter(|read| read(bytes)).count()
}

/// Any bytes as what a peer sends over the socket: a frame of at most 64 KiB, then whatever follows.
pub(crate) fn stream_target(bytes: &[u8]) {
    let (here, there) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let sent = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default().to_vec();
    let writer = std::thread::spawn(move || drop(std::io::Write::write_all(&mut &here, &sent)));
    while wire::receive::<Syscall>(&there, wire::MAX_READER_FRAME).is_ok() {}
    drop(there);
    writer.join().expect("a writer that ends");
}

/// Whether the bytes are a `T`. One that is, is the same after it was written and read again.
fn returns<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(message) = wire::decode::<T>(bytes) else { return false };
    let again = wire::encode(&message).expect("what was read can be written");
    assert_eq!(wire::decode::<T>(&again).expect("what was written can be read"), message);
    true
}
