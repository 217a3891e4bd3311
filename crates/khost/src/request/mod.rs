//! What khost can be asked for over its socket, beside the system calls: each request with its reply, who may make it, and what
//! it does. They travel as [`Syscall::Embedder`](uapi::Syscall::Embedder) in the wire form of `uapi`.

mod files;
mod interrupts;
mod kerneld;
mod log;
mod memory;
mod mounts;
mod routes;
mod state;

use kernel::{KernelBuilder, Privilege};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uapi::{Client, ClientError, Errno, wire};

pub use files::{Contents, FileInfo, List, ListPage, MAX_READ, Read, Stat, Statfs};
pub use interrupts::{InterruptInfo, Interrupts, RaiseInterrupt};
pub use kerneld::{Blank, Helper, Release, ReleaseHow, RequestModule, Switch, System};
pub use log::{LogLine, ReadLog, SetConsoleLevel};
pub use memory::{Memory, MemoryInfo};
pub use mounts::{Mount, MountInfo, Mounts, Unmount};
pub use routes::{AddRoute, DeleteRoute, LookupRoute, RouteIdle, RouteInfo, Routes};
pub use state::{Shutdown, Status, StatusInfo};

use crate::host::Host;

/// A request and what becomes of it.
pub trait Request: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire.
    const NAME: &'static str;
    /// Who may make it.
    const PRIVILEGE: Privilege;
    /// What it is answered with.
    type Reply: Serialize + DeserializeOwned;

    /// Does it.
    ///
    /// # Errors
    /// What the caller is told; the log has the reason.
    fn serve(self, host: &Host) -> Result<Self::Reply, Errno>;
}

/// Makes a request.
///
/// # Errors
/// As [`Client::embedder`]; [`ClientError::Wire`] for a reply that does not fit.
pub fn call<R: Request>(client: &mut Client, request: &R) -> Result<R::Reply, ClientError> {
    let body = client.embedder(R::NAME, wire::encode(request)?)?;
    Ok(wire::decode(&body)?)
}

/// Serves a body that came over the wire.
fn serve<R: Request>(body: &[u8]) -> Result<Vec<u8>, Errno> {
    let request: R = wire::decode(body).map_err(|_| Errno::EINVAL)?;
    let host = crate::host::current().ok_or(Errno::EAGAIN)?;
    wire::encode(&request.serve(host)?).map_err(|_| Errno::EPROTO)
}

/// Enters requests into a kernel.
macro_rules! registered {
    ($builder:expr, $($request:ty),* $(,)?) => {
        $builder$(.request(<$request>::NAME, <$request>::PRIVILEGE, |_, _, body| serve::<$request>(body)))*
    };
}

/// Enters all requests of khost.
pub(crate) fn register(builder: KernelBuilder) -> KernelBuilder {
    registered!(
        builder,
        Mount,
        Unmount,
        Mounts,
        Stat,
        List,
        Read,
        Statfs,
        AddRoute,
        DeleteRoute,
        LookupRoute,
        RouteIdle,
        Routes,
        RequestModule,
        Release,
        Blank,
        System,
        RaiseInterrupt,
        Interrupts,
        Memory,
        ReadLog,
        SetConsoleLevel,
        Status,
        Shutdown,
    )
}

#[cfg(test)]
mod tests {
    use super::{Mount, Request, serve};
    use uapi::Errno;

    #[test]
    fn mutated_bodies_are_refused_or_decoded_but_never_panic() {
        let request = Mount { source: "/disk".into(), kind: "vfat".into(), point: "/mnt".into(), options: String::new() };
        let seed = uapi::wire::encode(&request).unwrap();
        let (mut refused, mut decoded, mut state) = (0, 0, 0x2545_f491_4f6c_dd1d_u64);
        for _ in 0..5_000 {
            let mut bytes = seed.clone();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % 64).unwrap() % bytes.len();
            bytes[at] = state.to_le_bytes()[5];
            bytes.truncate(bytes.len() - usize::try_from(state % 3).unwrap());
            // There is no host in this process: what can be decoded is answered EAGAIN.
            match serve::<Mount>(&bytes) {
                Err(Errno::EINVAL) => refused += 1,
                Err(Errno::EAGAIN) => decoded += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(refused > 0 && decoded > 0, "{refused} {decoded}");
        assert_eq!(Mount::NAME, "mount");
    }
}
