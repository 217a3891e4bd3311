//! Asking kerneld for things (`kerneld_send`, `request_module` of Linux 2.0), and listening to daemons.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use uapi::kerneld::{Message, Request, ToKernel};
use uapi::wire::{self, WireError};

use crate::channel::{DaemonId, KerneldReply, Queued, Sleep};
use crate::error::{Error, Step};
use crate::interrupt::InterruptContext;
use crate::kernel::{Inner, Kernel};
use crate::log::Level;
use crate::options::Wait;
use crate::peer::Peer;

impl Kernel {
    /// Asks for a module by name or alias. 0: somebody loaded it, look again; > 0: the exit status of modprobe; < 0: an error
    /// number, `-ENODEV` at once where no daemon is attached. May be called from module code.
    #[must_use]
    pub fn request_module(&self, name: &str) -> i32 {
        self.kerneld_send(Request::RequestModule, name, Wait::Reply).status
    }

    /// Sends a request to kerneld. In interrupt context it is sent without waiting for the reply.
    pub fn kerneld_send(&self, request: Request, text: &str, wait: Wait) -> KerneldReply {
        match self.reported(Level::Warning, "kerneld_send", self.send_message(request.code(), text, wait, 0)) {
            Ok((status, text)) => KerneldReply { status, text },
            Err(error) => KerneldReply::error(error.errno()),
        }
    }

    /// Sends a message of any type on behalf of a process.
    pub(crate) fn send_message(&self, mtype: u32, text: &str, wait: Wait, pid: u32) -> Result<(i32, String), Error> {
        let (wait, sleep) = match InterruptContext::is_active() {
            true => (Wait::No, Sleep::Never),
            false => (wait, Sleep::Allowed),
        };
        let channel = &self.inner.channel;
        let asked = Request::from_code(mtype).map_or_else(|| mtype.to_string(), |request| request.name().to_owned());
        self.log(Level::Debug, &format!("kerneld: {asked} `{}`", text.escape_debug()));
        let message = Message { mtype, id: 0, pid, text: text.to_owned() };
        let flushed = |count| self.log(Level::Warning, &format!("flushed {count} old SYSVIPC messages"));
        let reply = match channel.send(message, wait, sleep, &flushed)? {
            Queued::Refused(reply) => reply,
            Queued::Sent(None) => KerneldReply { status: 0, text: String::new() },
            Queued::Sent(Some(id)) => channel.wait(id).unwrap_or_else(|| {
                self.log(Level::Alert, &format!("Ouch, no kerneld for message {id}"));
                KerneldReply::error(uapi::Errno::ENODEV)
            }),
        };
        self.log(Level::Debug, &format!("kerneld: {asked} `{}` answered {}", text.escape_debug(), reply.status));
        Ok((reply.status, reply.text))
    }

    /// Attaches a daemon: answers its end of the channel.
    pub(crate) fn kerneld_open(&self, peer: &Peer) -> Result<OwnedFd, Error> {
        let flags = SocketFlags::CLOEXEC;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs) = pair.map_err(Error::system(Step::Channel))?;
        let (id, socket) = self.inner.channel.attach(ours)?;
        let (kernel, pid) = (Arc::downgrade(&self.inner), peer.pid());
        let thread = std::thread::Builder::new().name("kerneld-channel".to_owned());
        if let Err(error) = thread.spawn(move || listen(&kernel, id, &socket, pid)) {
            self.inner.channel.detach(id);
            return Err(Error::System { step: Step::Thread, error });
        }
        self.log(Level::Info, &format!("kerneld: process {pid} attached"));
        Ok(theirs)
    }
}

/// Serves one daemon until it is gone, or sends what is no message.
fn listen(kernel: &Weak<Inner>, id: DaemonId, socket: &OwnedFd, pid: u32) {
    let reason = loop {
        let packet = wire::receive_packet::<ToKernel>(socket);
        let Some(inner) = kernel.upgrade() else { return };
        let kernel = Kernel { inner };
        match packet {
            Ok(ToKernel::Receive { msgtyp }) => kernel.inner.channel.receive(id, msgtyp),
            Ok(ToKernel::Send(message)) => {
                let number = message.mtype;
                if !kernel.inner.channel.reply(id, message) {
                    kernel.log(Level::Notice, &format!("kerneld: process {pid} answers message {number}, which it did not take"));
                }
            }
            Err(WireError::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    if let Some(inner) = kernel.upgrade() {
        inner.channel.detach(id);
        Kernel { inner }.log(Level::Info, &format!("kerneld: process {pid} detached: {reason}"));
    }
}
