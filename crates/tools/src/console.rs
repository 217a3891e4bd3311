//! Messages and results of a command: `PROG: LEVEL: text` on standard error or in the system log, results on standard output.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use kmod::text;
use serde_json::Value;

use crate::syslog::{Severity, Syslog};

/// A command failed; what there is to say has been said. The exit status is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// How a command ended.
pub type Outcome = Result<(), Failed>;

/// Where messages of a command go.
enum Sink {
    /// Standard error, with the level in colour or not.
    Stderr(Colour),
    /// The system log.
    Syslog(Syslog),
}

/// Whether the level of a message is coloured.
#[derive(Clone, Copy)]
enum Colour {
    Plain,
    Ansi,
}

/// The name that a command runs under, and the places that it writes to.
pub struct Console {
    program: &'static str,
    sink: Sink,
    verbosity: Verbosity,
}

/// Which messages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// None at all (insmod's `-p` and modprobe's `-q`).
    Silent,
    /// Errors and warnings.
    Normal,
    /// Also what is being done.
    Verbose,
}

impl Console {
    /// A console on standard error. Levels are coloured only on a terminal, and never where `NO_COLOR` is set.
    #[must_use]
    pub fn new(program: &'static str) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = if io::stderr().is_terminal() && !refused { Colour::Ansi } else { Colour::Plain };
        Self { program, sink: Sink::Stderr(colour), verbosity: Verbosity::Normal }
    }

    /// The name of the command.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Sends messages to the system log (`-s`): facility `LOG_DAEMON`, the command as ident. Where no logger listens, they stay
    /// on standard error.
    pub fn use_syslog(&mut self) {
        if let Ok(log) = Syslog::open(self.program) {
            self.sink = Sink::Syslog(log);
        }
    }

    /// Shows more or less.
    pub fn set_verbosity(&mut self, verbosity: Verbosity) {
        self.verbosity = verbosity;
    }

    /// Whether messages are shown nowhere: then what they would say need not be found out.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.verbosity == Verbosity::Silent
    }

    /// A message of why the command cannot go on at all.
    pub fn fatal(&mut self, text: impl Display) {
        self.message(Severity::Fatal, &text);
    }

    /// A message of why the command fails.
    pub fn error(&mut self, text: impl Display) {
        self.message(Severity::Error, &text);
    }

    /// A message of something odd that does not stop the command.
    pub fn warning(&mut self, text: impl Display) {
        self.message(Severity::Warning, &text);
    }

    /// A message of what is being done (`-v`).
    pub fn info(&mut self, text: impl Display) {
        self.message(Severity::Info, &text);
    }

    /// Writes one message if its severity is wanted.
    fn message(&mut self, severity: Severity, told: &dyn Display) {
        let needed = if severity == Severity::Info { Verbosity::Verbose } else { Verbosity::Normal };
        if self.verbosity < needed {
            return;
        }
        match &self.sink {
            Sink::Syslog(log) => log.send(severity, told),
            // A message that cannot be shown has nowhere else to go.
            Sink::Stderr(colour) => {
                let (on, off) = match colour {
                    Colour::Plain => ("", ""),
                    Colour::Ansi => (severity.colour(), "\x1b[0m"),
                };
                let line = format!("{}: {on}{}{off}: {told}\n", self.program, severity.word());
                drop(io::stderr().write_all(&text::to_bytes(&line)));
            }
        }
    }

    /// Writes a result to standard output, in one piece.
    ///
    /// # Errors
    /// [`Failed`] where it could not be written (a full disk), once that is reported.
    pub fn print(&mut self, result: &str) -> Outcome {
        self.write(&text::to_bytes(result))
    }

    /// Writes a result as JSON, which cannot hold bytes that are no text: they become U+FFFD.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn print_json(&mut self, value: &Value) -> Outcome {
        self.print(&text::readable(&format!("{value:#}\n")))
    }

    /// Writes a result that need not be text.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn write(&mut self, bytes: &[u8]) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
            self.error(format_args!("cannot write the result: {}", kmod::error::os_text(&error)));
            Failed
        })
    }
}

impl Severity {
    /// The level word of a message.
    fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
        }
    }

    /// The escape sequence that begins its colour.
    fn colour(self) -> &'static str {
        match self {
            Self::Fatal | Self::Error => "\x1b[1;31m",
            Self::Warning => "\x1b[1;33m",
            Self::Info => "\x1b[1;36m",
        }
    }
}
