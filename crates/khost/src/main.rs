//! `khost`: the hosted kernel, and the commands that ask things of it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match khost::cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version are no failure; everything else is, and the only status for that is 1.
            let failed = message.use_stderr();
            let _ = message.print();
            return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match khost::cli::execute(cli, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(khost::Error::Output { error }) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("khost: {error}");
            ExitCode::FAILURE
        }
    }
}
