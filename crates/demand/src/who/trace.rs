//! A trace instance of our own: a folder in tracefs with a buffer that nobody else reads (Documentation/trace/ftrace.rst, "Instances").

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Paths;

/// Where tracefs is mounted: by itself, or below debugfs.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// KiB for each processor: some hundred events, which are read within milliseconds.
const BUFFER_KIB: &str = "64";

/// The clock that process start times are counted by, so that the two can be compared.
const CLOCK: &str = "boot";

/// The most that one reading takes: whoever floods the buffer cannot keep a reader for ever.
const MOST_BYTES: usize = 1 << 20;

/// Why there is no tracing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TracingFault {
    /// Nobody mounted tracefs, or the kernel has none (lockdown hides it too).
    NotMounted,
    /// The kernel has no such event.
    NoEvent {
        /// `SYSTEM/EVENT`.
        event: String,
    },
    /// A file or folder of the instance cannot be made, written or opened.
    Refused {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        errno: i32,
    },
    /// It was not tried.
    NotAsked,
}

impl fmt::Display for TracingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => write!(f, "tracefs is not mounted at `{}`", TRACEFS[0]),
            Self::NoEvent { event } => write!(f, "the kernel has no trace event `{event}`"),
            Self::Refused { path, errno } => write!(f, "`{}`: {}", path.display(), io::Error::from_raw_os_error(*errno)),
            Self::NotAsked => f.write_str("tracing is not used"),
        }
    }
}

impl std::error::Error for TracingFault {}

/// An instance with one event switched on, open for reading.
#[derive(Debug)]
pub struct Trace {
    folder: PathBuf,
    event: PathBuf,
    pipe: File,
    boot_clock: bool,
}

impl Trace {
    /// Makes or takes over the instance `name`, switches `event` (`SYSTEM/EVENT`) on in it, and opens its pipe. One process reads an
    /// instance: two would take each other's events.
    ///
    /// # Errors
    /// [`TracingFault`].
    pub fn open(paths: &Paths, name: &str, event: &str) -> Result<Self, TracingFault> {
        let tracefs = TRACEFS.iter().map(|path| paths.file(path)).find(|path| path.join("instances").is_dir());
        let folder = tracefs.ok_or(TracingFault::NotMounted)?.join("instances").join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refused(&folder, &error)),
            _ => {}
        }
        let event_folder = folder.join("events").join(event);
        if !event_folder.is_dir() {
            return Err(TracingFault::NoEvent { event: event.to_owned() });
        }
        // A change of the clock empties the buffer, and with it what came in while the daemon was away.
        let clock = folder.join("trace_clock");
        let is_boot = || fs::read_to_string(&clock).is_ok_and(|text| text.contains("[boot]"));
        let boot_clock = is_boot() || (fs::write(&clock, CLOCK).is_ok() && is_boot());
        let size = folder.join("buffer_size_kb");
        if fs::read_to_string(&size).is_ok_and(|text| text.split_whitespace().next() != Some(BUFFER_KIB)) {
            // A larger buffer does as well.
            let _ = fs::write(&size, BUFFER_KIB);
        }
        for (file, value) in [(event_folder.join("enable"), "1"), (folder.join("tracing_on"), "1")] {
            fs::write(&file, value).map_err(|error| refused(&file, &error))?;
        }
        let path = folder.join("trace_pipe");
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(|error| refused(&path, &error))?;
        Ok(Self { folder, event: event_folder, pipe, boot_clock })
    }

    /// Whether times of events and start times of processes are of the same clock.
    #[must_use]
    pub fn has_boot_clock(&self) -> bool {
        self.boot_clock
    }

    /// Records only events that a filter (Documentation/trace/events.rst, "Event filtering") lets through.
    ///
    /// # Errors
    /// [`TracingFault::Refused`].
    pub fn filter(&self, filter: &str) -> Result<(), TracingFault> {
        let file = self.event.join("filter");
        fs::write(&file, filter).map_err(|error| refused(&file, &error))
    }

    /// All that has been recorded since the last reading, as text, without waiting.
    ///
    /// # Errors
    /// Where the pipe cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut part = vec![0; 64 << 10];
        while text.len() < MOST_BYTES {
            match self.pipe.read(&mut part) {
                Ok(0) => break,
                Ok(size) => text.extend_from_slice(part.get(..size).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(text)
    }

    /// Takes the instance away.
    ///
    /// # Errors
    /// [`TracingFault::Refused`], so if another process reads it.
    pub fn remove(self) -> Result<(), TracingFault> {
        let Self { folder, pipe, .. } = self;
        drop(pipe);
        fs::remove_dir(&folder).map_err(|error| refused(&folder, &error))
    }
}

/// Takes an instance away that an earlier process has left. One that is not there is no error.
///
/// # Errors
/// [`TracingFault::Refused`], so if a process reads it.
pub fn remove(paths: &Paths, name: &str) -> Result<(), TracingFault> {
    for tracefs in TRACEFS {
        let folder = paths.file(tracefs).join("instances").join(name);
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&folder, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> TracingFault {
    TracingFault::Refused { path: path.to_owned(), errno: error.raw_os_error().unwrap_or_default() }
}
