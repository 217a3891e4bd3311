//! The channel: `msgrcv(2)` and `msgsnd(2)` of the classic queue, without ever blocking the daemon.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use uapi::kerneld::{Message, ToKernel};
use uapi::wire::{self, WireError};

use crate::{ReplyId, Served};

/// What a look into the channel brought.
#[derive(Debug)]
pub enum Received {
    /// A message.
    Message(Message),
    /// Nothing yet.
    Nothing,
    /// A packet that is no message.
    Malformed(WireError),
    /// The kernel closed the channel.
    Gone,
}

/// One end of the channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    outbox: VecDeque<ToKernel>,
    asked: bool,
}

impl Channel {
    /// Over the descriptor that the kernel gave.
    ///
    /// # Errors
    /// That of `ioctl(2)`.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, outbox: VecDeque::new(), asked: false })
    }

    /// The number of this channel within the daemon (its descriptor; every daemon has a channel of its own, where the classic
    /// ones shared a queue).
    #[must_use]
    pub fn id(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Asks for the next message of the types that are served, unless that has been done and not been answered.
    pub fn ask(&mut self, served: Served) {
        if !self.asked {
            self.asked = true;
            self.outbox.push_back(ToKernel::Receive { msgtyp: served.msgtyp() });
        }
    }

    /// Answers a request.
    pub fn reply(&mut self, to: ReplyId, status: i32, text: String) {
        let (mtype, id, pid) = (to.mtype(), i64::from(status), std::process::id());
        self.outbox.push_back(ToKernel::Send(Message { mtype, id, pid, text }));
    }

    /// Has it something to send that the socket did not take yet?
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends what the socket takes; `Gone` where the kernel has closed it.
    pub fn flush(&mut self) -> Received {
        while let Some(packet) = self.outbox.front() {
            match wire::send_packet(&self.socket, packet) {
                Ok(()) => {
                    self.outbox.pop_front();
                }
                Err(WireError::Io(error)) if is_for_later(&error) => break,
                Err(_) => return Received::Gone,
            }
        }
        Received::Nothing
    }

    /// Takes a packet if there is one.
    pub fn receive(&mut self) -> Received {
        match wire::receive_packet(&self.socket) {
            Ok(message) => {
                self.asked = false;
                Received::Message(message)
            }
            Err(WireError::Io(error)) if is_for_later(&error) => Received::Nothing,
            Err(WireError::Closed | WireError::Io(_)) => Received::Gone,
            Err(error) => {
                self.asked = false;
                Received::Malformed(error)
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Not an error: try again when the socket is ready.
fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
