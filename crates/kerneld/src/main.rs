//! The daemon as a program: `kerneld [keep] [delay=SECONDS] [type=N] [debug] [OPTION]…` serves a hosted kernel, `kerneld COMMAND` Linux.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use kerneld::{Daemon, Error, Log, Options, background, linux};

fn main() -> ExitCode {
    if linux::is_command(std::env::args_os().nth(1).as_deref()) {
        return linux::run(std::env::args_os());
    }
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(usage) => {
            // Nobody to tell where standard output and error are closed.
            let _ = usage.print();
            return if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match (options.attached, options.foreground) {
        (true, _) => in_background(options).map(|()| ExitCode::SUCCESS),
        (false, true) => in_foreground(options),
        (false, false) => start(&options).map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "kerneld: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The process that the administrator started: it lives until the daemon is attached.
fn start(options: &Options) -> Result<(), Error> {
    // What is wrong here need not be found by the process in the background.
    options.clone().absolute()?.load()?;
    let starting = background::start(std::env::args_os().skip(1))?;
    let (version, pid) = (env!("CARGO_PKG_VERSION"), starting.pid());
    let _ = writeln!(std::io::stdout(), "Starting kerneld, version {version} (pid {pid})");
    starting.wait()
}

fn in_background(options: Options) -> Result<(), Error> {
    let log = Log::new(options.syslog.clone());
    let attached = std::cell::Cell::new(false);
    let ready = || {
        attached.set(true);
        background::report(None);
    };
    let outcome = Daemon::new(options, log).and_then(|daemon| background::detach().and_then(|()| daemon.run(ready)));
    if let (Err(error), false) = (&outcome, attached.get()) {
        background::report(Some(error));
    }
    outcome
}

/// What ends a daemon is in its log, and so on standard error already.
fn in_foreground(options: Options) -> Result<ExitCode, Error> {
    let log = Log::new(options.syslog.clone()).with_copy(Box::new(std::io::stderr()));
    let outcome = Daemon::new(options, log)?.run(|| {});
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
