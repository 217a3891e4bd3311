//! Requests that the embedder registered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use uapi::Errno;

use super::owner;
use crate::error::{Error, shown};
use crate::kernel::Kernel;
use crate::peer::{Peer, Privilege};

/// Runs the handler of a request. A handler that panics is answered `EIO`: the connection and the kernel live on.
pub(super) fn embedder(kernel: &Kernel, peer: &Peer, request: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let found = kernel.inner.config.requests.get(request);
    let (privilege, handler) = found.ok_or_else(|| Error::NoRequest { request: shown(request) })?;
    if *privilege == Privilege::Owner {
        owner(peer)?;
    }
    let handler = Arc::clone(handler);
    let answer = catch_unwind(AssertUnwindSafe(|| handler(kernel, peer, body))).unwrap_or(Err(Errno::EIO));
    answer.map_err(|errno| Error::Request { request: shown(request), errno })
}
