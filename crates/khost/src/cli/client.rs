//! Reaching the kernel.

use std::path::{Path, PathBuf};

use uapi::{Client, ClientError, Errno};

use crate::error::Error;
use crate::request::{self, Request};

/// Which kernel is meant.
#[derive(Clone, Debug)]
pub(super) struct Target {
    socket: Option<PathBuf>,
}

impl Target {
    pub(super) fn new(socket: Option<PathBuf>) -> Self {
        Self { socket }
    }

    /// Its socket.
    pub(super) fn socket(&self) -> Result<&Path, Error> {
        self.socket.as_deref().ok_or(Error::NoSocket)
    }

    /// A connection to it.
    pub(super) fn connect(&self) -> Result<Client, Error> {
        Client::connect(self.socket()?).map_err(|error| Error::Client { error })
    }

    /// Makes one request; `what` is what the message about its failure begins with.
    pub(super) fn ask<R: Request>(&self, request: &R, what: impl FnOnce() -> String) -> Result<R::Reply, Error> {
        ask(&mut self.connect()?, request, what)
    }
}

/// Makes a request over a connection.
pub(super) fn ask<R: Request>(client: &mut Client, request: &R, what: impl FnOnce() -> String) -> Result<R::Reply, Error> {
    request::call(client, request).map_err(|error| match error {
        ClientError::Errno(_) => Error::Refused { what: what(), error },
        error => Error::Client { error },
    })
}

/// The status of a request to kerneld, in words.
pub(super) fn status_in_words(status: i32) -> String {
    match status {
        0 => "status 0 (done)".to_owned(),
        1.. => format!("status {status} (exit status of the helper)"),
        _ => {
            let text = Errno::from_number(status).map_or("unknown error", Errno::message);
            format!("status {status} ({text})")
        }
    }
}
