//! The conversation with kdstat (type 255).

use uapi::kerneld::MAX_TEXT;

use crate::{Delay, JobTable, Settings, Unloading, Verbosity};

/// What kdstat can tell the daemon to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `debug`, `nodebug`.
    Verbosity(Verbosity),
    /// `keep`, `nokeep`.
    Unloading(Unloading),
    /// `delay=SECONDS`.
    Delay(Delay),
    /// `flush`.
    Flush,
}

/// A word that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandError {
    word: String,
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = self.word.escape_debug();
        write!(f, "`{word}` is none of `debug`, `nodebug`, `keep`, `nokeep`, `delay=SECONDS`, `flush`")
    }
}

impl std::str::FromStr for Command {
    type Err = CommandError;

    fn from_str(word: &str) -> Result<Self, CommandError> {
        let delay = word.strip_prefix("delay=").and_then(Delay::parse);
        match word {
            "debug" => Ok(Self::Verbosity(Verbosity::Debug)),
            "nodebug" => Ok(Self::Verbosity(Verbosity::Normal)),
            "keep" => Ok(Self::Unloading(Unloading::Keep)),
            "nokeep" => Ok(Self::Unloading(Unloading::Allowed)),
            "flush" => Ok(Self::Flush),
            _ => delay.map(Self::Delay).ok_or_else(|| CommandError { word: word.to_owned() }),
        }
    }
}

/// The state of the daemon as kdstat shows it: at most [`MAX_TEXT`] bytes, whole lines.
pub(crate) struct Report<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) jobs: &'a JobTable,
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (version, pid, delay) = (env!("CARGO_PKG_VERSION"), std::process::id(), self.settings.delay.seconds());
        let keep = if self.settings.unloading == Unloading::Keep { "keep" } else { "nokeep" };
        let debug = if self.settings.verbosity == Verbosity::Debug { "debug" } else { "nodebug" };
        let mut text = format!("Version {version}, pid={pid}, delay={delay}, {keep}, {debug}\njob queue:\n");
        for job in self.jobs.iter() {
            let line = format!("pid {}, type {} ('{}')\n", job.pid, job.request.name(), job.text.escape_debug());
            if text.len().saturating_add(line.len()) > MAX_TEXT {
                break;
            }
            text.push_str(&line);
        }
        if self.jobs.iter().next().is_none() {
            text.push_str("no jobs waiting\n");
        }
        f.write_str(&text)
    }
}
