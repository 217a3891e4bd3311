//! Listens to the kernel's announcements of devices.
//!
//! Who may speak: the sender's port of a netlink message is set by the kernel, and 0 is its own; no process can have it, and what a
//! process with the right to do so has the kernel pass on keeps that process's port (lib/kobject_uevent.c). So the port is all that
//! has to be looked at. Credentials would say no more, and those of the kernel (process 0) cannot be had through rustix.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use demand::Paths;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with, sockopt};

use super::{DeviceRequest, NoUevent, Uevent, device, walk};

/// The group of the kernel's announcements; udevd's are in the next one.
const KERNEL_GROUP: u32 = 1;

/// Room for announcements that were not read yet, in bytes: those of some 10,000 devices. Without the right to have so much
/// (`CAP_NET_ADMIN`) it is `net.core.rmem_max`, for some 500.
const BUFFER: usize = 16 << 20;

/// Longer than any announcement: the kernel's buffer holds 2,048 bytes (`UEVENT_BUFFER_SIZE`), and the first line comes on top.
const LONGEST: usize = 8 << 10;

/// What has happened to devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// One asks for a driver.
    Request(DeviceRequest),
    /// Something was announced that asks for nothing: a driver was bound, a node has come.
    Other(Uevent),
    /// Announcements were lost, because they came faster than they were read. The requests that follow are those of all devices that
    /// have no driver.
    Overrun,
}

/// A listener. It hears what is announced from its making on.
#[derive(Debug)]
pub struct Follower {
    socket: OwnedFd,
    paths: Paths,
    waiting: VecDeque<Followed>,
    buffer: Vec<u8>,
    refused: u64,
    last_refusal: Option<NoUevent>,
    overruns: u64,
}

impl Follower {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the kernel gives no such socket: in a sandbox without netlink.
    pub fn open(paths: &Paths) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        // Without the right to take more than the system's limit, the usual size has to do; an overrun is not the end.
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
        }
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        let buffer = vec![0; LONGEST];
        let (waiting, paths) = (VecDeque::new(), paths.clone());
        Ok(Self { socket, paths, waiting, buffer, refused: 0, last_refusal: None, overruns: 0 })
    }

    /// Puts all devices that are there into the queue: what a daemon does when it begins.
    pub fn rescan(&mut self) {
        self.waiting.extend(walk(&self.paths).into_iter().map(Followed::Request));
    }

    /// Puts the devices without a driver into the queue: one whose announcement was lost is among them.
    fn look_again(&mut self) {
        let driver = |device: &demand::Device| self.paths.file("/sys").join(device.path.trim_start_matches('/')).join("driver").exists();
        let lacks = |request: &DeviceRequest| !request.requester.device.as_ref().is_some_and(driver);
        self.waiting.extend(walk(&self.paths).into_iter().filter(lacks).map(Followed::Request));
    }

    /// The next thing that happens; `None` where nothing does for so long, or a signal came.
    ///
    /// # Errors
    /// Where the socket is broken.
    pub fn next(&mut self, patience: Duration) -> io::Result<Option<Followed>> {
        loop {
            if let Some(followed) = self.waiting.pop_front() {
                return Ok(Some(followed));
            }
            match recvfrom(&self.socket, self.buffer.as_mut_slice(), RecvFlags::TRUNC) {
                Ok((_, length, sender)) => {
                    let port = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()).map_or(u32::MAX, |sender| sender.pid());
                    match self.read(length, port) {
                        Ok(uevent) => return Ok(Some(self.followed(uevent))),
                        Err(refusal) => {
                            self.refused = self.refused.saturating_add(1);
                            self.last_refusal = Some(refusal);
                        }
                    }
                }
                Err(Errno::NOBUFS) => {
                    self.overruns = self.overruns.saturating_add(1);
                    self.waiting.push_back(Followed::Overrun);
                    self.look_again();
                }
                Err(Errno::AGAIN) => {
                    if !self.readable(patience)? {
                        return Ok(None);
                    }
                }
                Err(Errno::INTR) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many messages were refused, and why the last one was.
    #[must_use]
    pub fn refused(&self) -> (u64, Option<NoUevent>) {
        (self.refused, self.last_refusal)
    }

    /// How often announcements were lost.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    fn read(&self, length: usize, port: u32) -> Result<Uevent, NoUevent> {
        if port != 0 {
            return Err(NoUevent::Sender { port });
        }
        Uevent::parse(self.buffer.get(..length).ok_or(NoUevent::TooLong { length })?)
    }

    /// A device that goes away asks for nothing, whatever it says.
    fn followed(&self, uevent: Uevent) -> Followed {
        let asks = uevent.modalias.as_deref().filter(|_| uevent.action != "remove" && uevent.action != "unbind");
        match asks.and_then(super::name) {
            Some(name) => {
                let requester = device(&self.paths, &uevent.path, &uevent.subsystem);
                Followed::Request(DeviceRequest { name, requester })
            }
            None => Followed::Other(uevent),
        }
    }

    fn readable(&self, patience: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Follower {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sendto;

    #[test]
    fn after_a_loss_only_devices_without_a_driver_are_asked_for() {
        let root = tempfile::tempdir().unwrap();
        for (device, driver) in [("with", true), ("without", false)] {
            let folder = root.path().join("sys/devices").join(device);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("modalias"), format!("pci:{device}\n")).unwrap();
            if driver {
                std::os::unix::fs::symlink("/", folder.join("driver")).unwrap();
            }
        }
        let Ok(mut follower) = Follower::open(&Paths::under(root.path())) else { return };
        let names = |follower: &mut Follower| -> Vec<String> {
            let requests = follower.waiting.drain(..).filter_map(|followed| match followed {
                Followed::Request(request) => Some(request.name.to_string()),
                _ => None,
            });
            requests.collect()
        };
        follower.rescan();
        assert_eq!(names(&mut follower), ["pci:with", "pci:without"]);
        follower.look_again();
        assert_eq!(names(&mut follower), ["pci:without"]);
    }

    /// Any process may write to the socket of another; it is not taken for the kernel, however well it imitates it.
    #[test]
    fn messages_of_processes_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let Ok(mut follower) = Follower::open(&Paths::under(root.path())) else { return };
        let port = rustix::net::getsockname(&follower.socket).and_then(SocketAddrNetlink::try_from).unwrap().pid();
        let liar = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(KOBJECT_UEVENT)).unwrap();
        let lie = b"add@/devices/virtual/liar\0ACTION=add\0SUBSYSTEM=pci\0MODALIAS=pci:liar\0SEQNUM=1\0";
        let sent = sendto(&liar, lie, rustix::net::SendFlags::empty(), &SocketAddrNetlink::new(port, 0));
        assert!(matches!(sent, Ok(_) | Err(Errno::PERM | Errno::CONNREFUSED)), "{sent:?}");
        let seen = follower.next(Duration::from_millis(200)).unwrap();
        assert!(!matches!(&seen, Some(Followed::Request(request)) if request.name.as_str() == "pci:liar"), "{seen:?}");
        if sent.is_ok() {
            assert!(matches!(follower.refused(), (1.., Some(NoUevent::Sender { .. }))), "{:?}", follower.refused());
        }
    }
}
