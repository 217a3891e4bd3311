//! `khost run`: the kernel itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use kernel::{Gdb, Lockdown, Modversions, Oops, PerfMap};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::client::Target;
use super::output;
use crate::error::{Error, Step};
use crate::host::Host;
use crate::log::Level;
use crate::options::{DEFAULT_RELEASE, Options};

/// On or off
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// Start a kernel
///
/// It prints one line when it serves, and ends on SIGTERM, SIGINT or `khost shutdown`: what is mounted is unmounted, and modules
/// are unloaded as far as that goes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  khost run --socket /run/khost.sock\n  khost run --socket k.sock --daemon --release 2.0.40-test --modversions"
)]
pub(super) struct Run {
    /// The socket to serve; the default is the kernel that the commands would talk to
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The release (uname -r), which names the folder of its modules
    #[arg(long, default_value = DEFAULT_RELEASE)]
    release: String,
    /// Exports carry the checksums of their prototypes
    #[arg(long)]
    modversions: bool,
    /// Refuse every load and unload
    #[arg(long)]
    lockdown: bool,
    /// Report faults of module code and go on; a diagnostic, no protection
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    oops: OnOff,
    /// Show loaded code to gdb
    #[arg(long)]
    gdb: bool,
    /// Write symbols of loaded code to /tmp/perf-PID.map
    #[arg(long)]
    perf_map: bool,
    /// Show log lines that are more urgent than this on the standard error (1 to 8)
    #[arg(long, value_name = "LEVEL", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=8))]
    console: u8,
    /// Stay in the foreground (the default)
    #[arg(long, conflicts_with = "daemon")]
    foreground: bool,
    /// Go to the background when the kernel serves
    #[arg(long)]
    daemon: bool,
    /// This is the process that `--daemon` has started
    #[arg(long, hide = true)]
    detached: bool,
}

impl Run {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let socket = self.socket.clone().map_or_else(|| target.socket().map(Path::to_owned), Ok)?;
        if self.daemon { start_detached(&socket, output) } else { self.serve(&socket, output) }
    }

    /// Runs the kernel until its end.
    fn serve(self, socket: &Path, output: &mut dyn Write) -> Result<(), Error> {
        if self.detached {
            // It fails only for the leader of a group, which is detached already.
            let _ = rustix::process::setsid();
        }
        let release = self.release.clone();
        let host = Host::start(self.options())?;
        let services = host.services();
        let failed = |step| move |error| Error::Setup { step, error };
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed(Step::Signals))?;
        let watcher = std::thread::Builder::new().name("signals".to_owned());
        let asking = std::sync::Arc::clone(services);
        watcher.spawn(move || signals.forever().for_each(|_| asking.ending.ask())).map_err(failed(Step::Signals))?;
        crate::timer::start(host)?;
        let server = host.kernel().serve(socket).map_err(|error| Error::Kernel { error })?;
        services.log.line(Level::NOTICE, &format!("khost {release}, pid {}, at {}", std::process::id(), socket.display()));
        output::line(output, &format!("khost {release}: serving at {}, pid {}", socket.display(), std::process::id()))?;
        services.ending.wait();
        services.log.line(Level::NOTICE, "shutdown");
        host.shut_down();
        drop(server);
        Ok(())
    }

    fn options(self) -> Options {
        Options {
            release: self.release,
            modversions: if self.modversions { Modversions::On } else { Modversions::Off },
            lockdown: if self.lockdown { Lockdown::On } else { Lockdown::Off },
            oops: if self.oops == OnOff::On { Oops::Diagnose } else { Oops::Off },
            gdb: if self.gdb { Gdb::Register } else { Gdb::Off },
            perf_map: if self.perf_map { PerfMap::Write } else { PerfMap::Off },
            console_level: self.console,
            // Nobody may be there to read the console: then the line is in the ring all the same.
            console: Box::new(|line| drop(writeln!(std::io::stderr(), "{line}"))),
            ..Options::default()
        }
    }
}

/// Starts the same command again, detached, and waits for the line that says that it serves.
fn start_detached(socket: &Path, output: &mut dyn Write) -> Result<(), Error> {
    let failed = |step| move |error| Error::Setup { step, error };
    let program = std::env::current_exe().map_err(failed(Step::Detach))?;
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--daemon");
    let mut command = Command::new(program);
    command.args(arguments).arg("--detached").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed(Step::Detach))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(failed(Step::Detach))?;
    }
    if !line.is_empty() {
        return output::bytes(output, line.as_bytes());
    }
    let mut reason = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut reason).map_err(failed(Step::Detach))?;
    }
    let status = child.wait().map_err(failed(Step::Detach))?;
    let reason = reason.trim().trim_start_matches("khost: ").to_owned();
    Err(Error::NotUp { socket: socket.to_owned(), status, reason })
}
