//! Who asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Read: `get_kernel_syms`, `query_module`, the texts of `/proc`.
    Reader,
    /// Everything: root, or the user that the kernel runs as.
    Owner,
}

/// A connection, so that half-made modules go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(u64);

impl ConnectionId {
    /// The next one of this process.
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The other end of a connection: its credentials as the operating system vouches for them (`SO_PEERCRED`).
#[derive(Debug)]
pub struct Peer {
    uid: u32,
    pid: u32,
    privilege: Privilege,
    connection: ConnectionId,
}

impl Peer {
    /// A peer with these credentials. Root and the kernel's own user are owners.
    #[must_use]
    pub fn new(uid: u32, pid: u32) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let privilege = if uid == 0 || uid == own { Privilege::Owner } else { Privilege::Reader };
        Self { uid, pid, privilege, connection: ConnectionId::next() }
    }

    /// The embedder itself: an owner.
    #[must_use]
    pub fn kernel() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            pid: std::process::id(),
            privilege: Privilege::Owner,
            connection: ConnectionId::next(),
        }
    }

    /// Effective user id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Process id (0 where it is unknown).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it may do.
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        self.privilege
    }

    /// Its connection.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }
}
