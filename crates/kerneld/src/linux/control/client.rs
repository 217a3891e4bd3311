//! The side of commands.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use demand::Paths;

use super::{Command, Reply};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer in bytes: a thousand names of devices, each with as many requesters as a record has.
const LONGEST_ANSWER: usize = 8 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    Unreachable { path: PathBuf, error: io::Error },
    Silent { path: PathBuf, patience: Duration },
    Forbidden { reason: String },
    Failed { reason: String },
    Garbage,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { path, error }
                if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                write!(f, "no daemon listens at `{}`; start it with `systemctl start kerneld` or `kerneld run`", path.display())
            }
            Self::Silent { path, patience } => {
                let (path, seconds) = (path.display(), patience.as_secs());
                write!(f, "the daemon at `{path}` has not answered for {seconds} s; is it stopped (`systemctl status kerneld`)?")
            }
            Self::Unreachable { path, error } => write!(f, "cannot ask the daemon at `{}`: {error}", path.display()),
            Self::Forbidden { reason } | Self::Failed { reason } => f.write_str(reason),
            Self::Garbage => f.write_str("the daemon answered something that this program does not understand; are they of one version?"),
        }
    }
}

impl std::error::Error for ClientError {}

/// A connection to the daemon.
#[derive(Debug)]
pub(crate) struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    patience: Duration,
}

impl Client {
    /// Connects to the daemon of a system.
    pub(crate) fn connect(paths: &Paths) -> Result<Self, ClientError> {
        Self::connect_for(paths, PATIENCE)
    }

    /// The same for one who waits no longer than so long for an answer.
    pub(crate) fn connect_for(paths: &Paths, patience: Duration) -> Result<Self, ClientError> {
        let path = paths.control_socket();
        let connect = |path: &Path| {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Ok(BufReader::new(stream))
        };
        match connect(&path) {
            Ok(stream) => Ok(Self { path, stream, patience }),
            Err(error) => Err(ClientError::Unreachable { path, error }),
        }
    }

    /// Asks one thing.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let (path, patience) = (self.path.clone(), self.patience);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent { path: path.clone(), patience },
            _ => ClientError::Unreachable { path: path.clone(), error },
        };
        let mut line = serde_json::to_vec(command).map_err(|_| ClientError::Garbage)?;
        line.push(b'\n');
        // A refusal may already be there while the daemon has hung up.
        let sent = self.stream.get_mut().write_all(&line);
        let mut answer = Vec::new();
        let bound = u64::try_from(LONGEST_ANSWER).unwrap_or(u64::MAX);
        (&mut self.stream).take(bound).read_until(b'\n', &mut answer).map_err(failed)?;
        if answer.is_empty() {
            sent.map_err(failed)?;
            return Err(failed(io::ErrorKind::ConnectionReset.into()));
        }
        match serde_json::from_slice(&answer).map_err(|_| ClientError::Garbage)? {
            Reply::Forbidden(reason) => Err(ClientError::Forbidden { reason }),
            Reply::Failed(reason) => Err(ClientError::Failed { reason }),
            reply => Ok(reply),
        }
    }
}
