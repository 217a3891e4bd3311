//! The channel between the kernel and its daemons: message types, ids, limits (`include/linux/kerneld.h` of Linux 2.0).
//!
//! The classic channel was one private System V message queue. Here each daemon holds one end of a `SOCK_SEQPACKET` pair, and
//! the queue itself stays in the kernel: a daemon asks for the next message that fits its `msgtyp` ([`ToKernel::Receive`],
//! `msgrcv(2)`), and answers with [`ToKernel::Send`] (`msgsnd(2)`). So an unread message is one that no daemon asked for.

use serde::{Deserialize, Serialize};

/// Most daemons that may be attached at once; one more is answered `ENOSPC`.
pub const MAX_DAEMONS: usize = 20;
/// Longest message text in bytes (`MSGMAX` of Linux 2.0 less the header).
pub const MAX_TEXT: usize = 4056;
/// Most bytes of text that may wait unread in the queue (`MSGMNB`).
pub const MAX_QUEUE: usize = 16_384;
/// A message older than this many seconds is thrown away when the queue is full.
pub const STALE_SECONDS: u64 = 10;
/// Seconds after which a request that no daemon has read is answered `-ENODEV`.
pub const UNREAD_SECONDS: u64 = 1;
/// Bytes of a helper's standard output that travel back with a `SYSTEM` reply.
pub const MAX_OUTPUT: usize = 1024;
/// First sequence number of requests that want a reply; numbers wrap round to it.
pub const FIRST_ID: u32 = 0x7fff_0001;
/// Largest packet on the channel, in bytes.
pub const MAX_PACKET: usize = 8192;
/// Default seconds of the idle timer (the book's author ran 180).
pub const DEFAULT_DELAY: u64 = 60;

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The request types of `kerneld.h`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Request { $($(#[$doc])* $name,)* }

        impl Request {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The code (`mtype`).
            #[must_use]
            pub const fn code(self) -> u32 { match self { $(Self::$name => $code),* } }
            /// The name that `kdstat` and the logs show.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text),* } }
        }
    };
}

requests! {
    /// Run a command by the shell.
    System = 1, "SYSTEM";
    /// Load a module (or whatever an alias of that name stands for).
    RequestModule = 2, "REQUEST_MODULE";
    /// Unload a module.
    ReleaseModule = 3, "RELEASE_MODULE";
    /// Unload a module after the idle delay.
    DelayedReleaseModule = 4, "DELAYED_RELEASE_MODULE";
    /// Cancel a delayed unload.
    CancelReleaseModule = 5, "CANCEL_RELEASE_MODULE";
    /// Bring up a route to an address.
    RequestRoute = 6, "REQUEST_ROUTE";
    /// Screen blanker on or off.
    Blanker = 7, "BLANKER";
    /// Plug and play: a constant only; daemons treat it as unknown.
    Pnp = 8, "PNP";
    /// Ask about or change the daemon itself (`kdstat`).
    Debug = 255, "DEBUG";
}

impl Request {
    /// The request with this code.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|request| request.code() == code)
    }
}

/// A message as it lies in the queue (`struct kerneld_msg`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Request: its type. Reply: the id of the request.
    pub mtype: u32,
    /// Request: 0 where no reply is wanted, else its id. Reply: the exit status.
    pub id: i64,
    /// Process that caused the request (0: the kernel itself); `KERNELD_TRIGGER` of the helper's environment.
    pub pid: u32,
    /// Text, without NUL, at most [`MAX_TEXT`] bytes.
    pub text: String,
}

/// From a daemon to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKernel {
    /// `msgrcv`: give me one message; the kernel answers with a [`Message`] packet when there is one. One at a time.
    Receive {
        /// > 0: exactly this type; < 0: the lowest type that is at most its absolute value; 0: the oldest message.
        msgtyp: i64,
    },
    /// `msgsnd`: the reply to the request whose id is `mtype`.
    Send(Message),
}
