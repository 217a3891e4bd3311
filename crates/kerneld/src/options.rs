//! The command line: one definition for the parser, the help and the man page.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use crate::config::{self, Config, MAX_CONFIG};
use crate::{ConfigError, Error, Program, Programs, Served, Settings, Unloading, Verbosity, Word};

/// Where Linux 2.0 had it.
const REQUEST_ROUTE: &str = "/sbin/request-route";
/// Where Linux 2.0 had it.
const BLANKER: &str = "/sbin/screenblanker";

const AFTER_HELP: &str = "\
Words (as ever, without dashes):
  keep           never unload: no idle timer, and requests to unload are ignored
  delay=SECONDS  period of the idle timer, and how long a delayed release waits (default 60);
                 a demand-loaded module goes one to two periods after its last use
  type=N         serve messages of exactly type N (default -255: all types from 1 to 255, lowest
                 first): 1 SYSTEM, 2 REQUEST_MODULE, 3 RELEASE_MODULE, 4 DELAYED_RELEASE_MODULE,
                 5 CANCEL_RELEASE_MODULE, 6 REQUEST_ROUTE, 7 BLANKER, 255 kdstat
  debug          log every message and every job

Examples:
  kerneld --kernel /run/khost
      serve that kernel from the background, as root or as the kernel's own user
  kerneld delay=180 --kernel /run/khost --root /srv/image --retry
      three minutes; modules under /srv/image/lib/modules; wait for the kernel if need be
  kerneld type=6 --foreground --request-route ./dial
      a second daemon that only brings up routes

Signals: HUP reads the configuration file again and looks for the request-route program; TERM and
INT end the daemon, but running helpers go on. kdstat shows and changes keep, delay and debug.";

/// Loads modules on demand, and has unused ones removed
///
/// kerneld waits for messages of the kernel and runs the programs that do what they ask for: modprobe for a module,
/// request-route for a route, a screen blanker, the shell. When its idle timer expires it tells the kernel to remove the modules
/// that were loaded on demand and are no longer used.
#[derive(Clone, Debug, Parser)]
#[command(name = "kerneld", version, after_help = AFTER_HELP)]
pub struct Options {
    /// keep, delay=SECONDS, type=N, debug: see below
    #[arg(value_name = "WORD")]
    pub words: Vec<Word>,

    /// Socket of the kernel to serve [default: the variable MODUTILS_KERNEL]
    #[arg(long, value_name = "SOCKET")]
    pub kernel: Option<PathBuf>,

    /// Program that loads and unloads, called as `PROGRAM -k -s [-d DIR] -- NAME` [default: modprobe next to kerneld, or /sbin/modprobe]
    #[arg(long, value_name = "PROGRAM")]
    pub modprobe: Option<PathBuf>,

    /// Root of the module tree (DIR/lib/modules/RELEASE), given to modprobe
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Program that brings up a route, called with the address [default: /sbin/request-route]
    #[arg(long, value_name = "PROGRAM")]
    pub request_route: Option<PathBuf>,

    /// Program that blanks the screen until it gets SIGQUIT [default: /sbin/screenblanker]
    #[arg(long, value_name = "PROGRAM")]
    pub blanker: Option<PathBuf>,

    /// File of further words and programs (modprobe=, request-route=, blanker=, root=), one a line
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Stay in the foreground, and log to standard error too
    #[arg(long)]
    pub foreground: bool,

    /// Write the process id of the daemon there
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,

    /// Wait for a kernel that is not there, at start and when it goes away
    #[arg(long)]
    pub retry: bool,

    /// Socket of the system log
    #[arg(long, value_name = "SOCKET", default_value = "/dev/log")]
    pub syslog: PathBuf,

    /// This is the process in the background
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub attached: bool,
}

impl Options {
    /// Makes every path absolute, since a daemon works in `/`.
    ///
    /// # Errors
    /// [`Error::File`] for an empty path.
    pub fn absolute(mut self) -> Result<Self, Error> {
        let optional = [
            &mut self.kernel,
            &mut self.modprobe,
            &mut self.root,
            &mut self.request_route,
            &mut self.blanker,
            &mut self.config,
            &mut self.pid_file,
        ];
        for path in optional.into_iter().flatten().chain([&mut self.syslog]) {
            *path = std::path::absolute(&*path).map_err(|error| Error::File { path: path.clone(), error })?;
        }
        Ok(self)
    }

    /// The kernel to serve: the option, or the environment.
    ///
    /// # Errors
    /// [`Error::NoKernel`] where neither names one.
    pub fn kernel(&self) -> Result<PathBuf, Error> {
        let variable = || std::env::var_os(uapi::KERNEL_VARIABLE).filter(|value| !value.is_empty());
        let path = self.kernel.clone().or_else(|| variable().map(PathBuf::from)).ok_or(Error::NoKernel)?;
        std::path::absolute(&path).map_err(|error| Error::File { path, error })
    }

    /// The types to serve.
    #[must_use]
    pub fn served(&self) -> Served {
        let mut types = self.words.iter().filter_map(|word| match word {
            Word::Type(served) => Some(*served),
            _ => None,
        });
        types.next_back().unwrap_or_default()
    }

    /// Reads the configuration file, if there is one, and puts the command line over it.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Config`], [`Error::NoKernel`].
    pub fn load(&self) -> Result<(Settings, Programs), Error> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let kernel = self.kernel()?;
        let pick = |option: &Option<PathBuf>, file: Option<PathBuf>, default: &str| {
            option.clone().or(file).unwrap_or_else(|| PathBuf::from(default))
        };
        let modprobe = self.modprobe.clone().or(file.modprobe);
        let programs = Programs {
            modprobe: modprobe.map_or_else(|| Program::found_modprobe(&kernel), Program::named),
            request_route: pick(&self.request_route, file.request_route, REQUEST_ROUTE),
            blanker: pick(&self.blanker, file.blanker, BLANKER),
            root: self.root.clone().or(file.root),
            kernel,
        };
        let mut settings = Settings { route: programs.route(), ..Settings::default() };
        for word in file.words.iter().chain(&self.words) {
            match word {
                Word::Keep => settings.unloading = Unloading::Keep,
                Word::Delay(delay) => settings.delay = *delay,
                Word::Debug => settings.verbosity = Verbosity::Debug,
                Word::Type(_) => {}
            }
        }
        Ok((settings, programs))
    }
}

fn read(path: &Path) -> Result<Config, Error> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_CONFIG.saturating_add(1)).read_to_string(&mut text));
    let length = read.map_err(|error| Error::File { path: path.to_owned(), error })?;
    let parsed =
        if u64::try_from(length).is_ok_and(|length| length <= MAX_CONFIG) { config::parse(&text) } else { Err(ConfigError::TooLong) };
    parsed.map_err(|error| Error::Config { path: path.to_owned(), error })
}

/// The definition of the command line, for completions and checks.
#[must_use]
pub fn command() -> clap::Command {
    Options::command()
}

#[cfg(test)]
mod tests {
    use super::{Options, command};
    use crate::{Delay, Served, Unloading, Verbosity};
    use clap::Parser;

    fn options(words: &[&str]) -> Options {
        Options::try_parse_from(std::iter::once(&"kerneld").chain(words)).unwrap()
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn words_and_options_mix() {
        let options = options(&["keep", "--kernel", "/run/k", "delay=30", "type=2", "debug"]);
        let (settings, programs) = options.load().unwrap();
        assert_eq!((settings.unloading, settings.verbosity), (Unloading::Keep, Verbosity::Debug));
        assert_eq!((settings.delay, options.served()), (Delay::from_seconds(30).unwrap(), Served::new(2)));
        assert_eq!(programs.kernel, std::path::Path::new("/run/k"));
        assert_eq!(programs.request_route, std::path::Path::new("/sbin/request-route"));
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("conf");
        std::fs::write(&file, "delay=7\nmodprobe=/file/modprobe\nblanker=/file/blanker\n").unwrap();
        let options = options(&["--kernel=/k", "--modprobe=/line/modprobe", "--config", file.to_str().unwrap()]);
        let (settings, programs) = options.load().unwrap();
        assert_eq!(settings.delay.seconds(), 7);
        assert_eq!(programs.modprobe.path, std::path::Path::new("/line/modprobe"));
        assert_eq!(programs.blanker, std::path::Path::new("/file/blanker"));
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let error = options(&["--kernel=/k", "--config", "/dev/zero"]).load().unwrap_err();
        assert_eq!(error.to_string(), "`/dev/zero`: longer than 65536 bytes");
    }

    #[test]
    fn unknown_words_are_refused() {
        for words in [["nosysv"], ["delay=x"], ["type="], ["--nosysv"]] {
            assert!(Options::try_parse_from(["kerneld", words[0]]).is_err(), "{words:?}");
        }
    }

    #[test]
    fn help_and_man_page_tell_of_every_option_and_word() {
        let help = command().render_long_help().to_string();
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let shown = command();
        let options = shown.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(|argument| argument.get_long());
        for wanted in options.map(|long| format!("--{long}")).chain(["keep", "delay=SECONDS", "type=N", "debug"].map(str::to_owned)) {
            assert!(help.contains(&wanted), "{wanted} is not in the help");
            assert!(page.contains(&wanted), "{wanted} is not in the man page");
        }
    }
}
