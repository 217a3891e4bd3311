//! What the daemon does to the world, as values.

use crate::{JobId, ModuleAlias, Quad, ReplyId, ShellCommand};

/// How important a line of the log is (`syslog(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The daemon cannot go on, or a job went wrong by no fault of its requester.
    Error,
    /// A message was refused.
    Warning,
    /// Life of the daemon.
    Info,
    /// Shown with `debug` only.
    Debug,
}

/// What becomes of the output of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Nobody waits for it.
    Discard,
    /// It travels back with the reply.
    Answer,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// `sh -c`.
    Shell(ShellCommand, Shell),
    /// `modprobe -k -s -- NAME`.
    Load(ModuleAlias),
    /// `modprobe -r -s -- NAME`.
    Unload(ModuleAlias),
    /// `request-route A.B.C.D`.
    Route(Quad),
    /// The screen blanker.
    Blanker,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a program for a job; `trigger` is the process that caused the request (0: the kernel itself). Tell the engine by
    /// `started`, or by `ended` with [`Ended::NotStarted`].
    Start {
        /// The job.
        job: JobId,
        /// The program.
        run: Run,
        /// For `KERNELD_TRIGGER`.
        trigger: u32,
    },
    /// Send `SIGQUIT` to the process of a job.
    Quit {
        /// The job.
        job: JobId,
    },
    /// Answer a request.
    Reply {
        /// Which.
        to: ReplyId,
        /// 0, the exit status of the helper, or a negative error number.
        status: i32,
        /// Output.
        text: String,
    },
    /// `delete_module(NULL)`.
    Autoclean,
    /// A line for the log.
    Log(Level, String),
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// The program could not be started.
    NotStarted,
}

impl Ended {
    /// The status of the reply: the exit status, and for the rest what a shell would say: 128 + the signal, 127 for no program.
    #[must_use]
    pub fn status(self) -> i32 {
        match self {
            Self::Exit(status) => status,
            Self::Signal(signal) => signal.saturating_add(128),
            Self::NotStarted => 127,
        }
    }
}
