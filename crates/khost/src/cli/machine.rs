//! `khost dmesg`, `console`, `irq`, `mem`, `status`, `shutdown`: the machine itself.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use uapi::Client;

use super::client::{Target, ask};
use super::output;
use crate::error::Error;
use crate::request::{self, LogLine};

/// Show the kernel log
#[derive(Debug, Args)]
pub(super) struct Dmesg {
    /// Wait for further lines
    #[arg(short = 'w', long)]
    follow: bool,
    /// Show levels, as `<6>`
    #[arg(short = 'r', long)]
    raw: bool,
    /// Print JSON (one object per line)
    #[arg(long)]
    json: bool,
}

/// Choose which log lines the console shows
#[derive(Debug, Args)]
pub(super) struct Console {
    /// Lines more urgent than this: 1 almost none, 4 errors, 7 all but debugging, 8 all
    #[arg(value_parser = clap::value_parser!(u8).range(1..=8))]
    level: u8,
}

/// Show and raise interrupt lines
#[derive(Debug, Args)]
pub(super) struct Irq {
    #[command(subcommand)]
    command: IrqCommand,
}

#[derive(Debug, Subcommand)]
enum IrqCommand {
    /// Raise a line: its handlers run
    Raise {
        /// Number of the line, 0 to 15
        line: u32,
    },
    /// List the lines that have handlers or were raised
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Show what modules have allocated
#[derive(Debug, Args)]
pub(super) struct Mem {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show how the kernel is
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// End the kernel: unmount everything, unload what can be unloaded
#[derive(Debug, Args)]
pub(super) struct Shutdown {}

/// How often `dmesg --follow` looks.
const FOLLOW: Duration = Duration::from_millis(200);
/// How long `shutdown` waits for the end.
const PATIENCE: Duration = Duration::from_secs(20);

impl Dmesg {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let (mut client, mut since) = (target.connect()?, 0);
        loop {
            let lines = ask(&mut client, &request::ReadLog { since }, || "dmesg".to_owned())?;
            for line in &lines {
                since = since.max(line.sequence.saturating_add(1));
                self.print(line, output)?;
            }
            if lines.is_empty() {
                if !self.follow {
                    return Ok(());
                }
                std::thread::sleep(FOLLOW);
            }
        }
    }

    fn print(&self, line: &LogLine, output: &mut dyn Write) -> Result<(), Error> {
        if self.json {
            let text = serde_json::to_string(line).map_err(|error| Error::Output { error: error.into() })?;
            return output::line(output, &text);
        }
        let level = if self.raw { format!("<{}>", line.level) } else { String::new() };
        output::line(output, &format!("{level}[{:5}.{:06}] {}", line.time_us / 1_000_000, line.time_us % 1_000_000, line.text))
    }
}

impl Console {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        target.ask(&request::SetConsoleLevel { level: self.level }, || "console".to_owned())
    }
}

impl Irq {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let json = match self.command {
            IrqCommand::Raise { line } => return target.ask(&request::RaiseInterrupt { line }, || format!("line {line}")),
            IrqCommand::Show { json } => json,
        };
        let lines = target.ask(&request::Interrupts, || "irq".to_owned())?;
        if json {
            return output::json(output, &lines);
        }
        let rows: Vec<Vec<String>> =
            lines.into_iter().map(|line| vec![line.line.to_string(), line.raised.to_string(), line.handlers.join(", ")]).collect();
        output::table(output, &["LINE", "RAISED", "HANDLERS"], &[0, 1], &rows)
    }
}

impl Mem {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let modules = target.ask(&request::Memory, || "mem".to_owned())?;
        if self.json {
            return output::json(output, &modules);
        }
        let rows: Vec<Vec<String>> = modules
            .into_iter()
            .map(|module| {
                let numbers = [module.blocks, module.bytes, module.peak, module.allocations];
                std::iter::once(module.module).chain(numbers.iter().map(u64::to_string)).collect()
            })
            .collect();
        output::table(output, &["MODULE", "BLOCKS", "BYTES", "PEAK", "ALLOCATIONS"], &[1, 2, 3, 4], &rows)
    }
}

impl Status {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let status = target.ask(&request::Status, || "status".to_owned())?;
        if self.json {
            return output::json(output, &status);
        }
        let types = status.file_systems.iter().map(|(name, module)| match module.as_str() {
            "" => name.clone(),
            module => format!("{name} [{module}]"),
        });
        let rows = [
            ("release", status.release),
            ("pid", status.pid.to_string()),
            ("up", format!("{}.{:03} s", status.uptime_ms / 1000, status.uptime_ms % 1000)),
            ("tainted", if status.taint.is_empty() { "no".to_owned() } else { status.taint }),
            ("modules", status.modules.join(" ")),
            ("file systems", types.collect::<Vec<_>>().join(" ")),
            ("mounts", status.mounts.to_string()),
            ("routes", status.routes.to_string()),
            ("module memory", format!("{} bytes", status.module_bytes)),
        ];
        rows.into_iter().try_for_each(|(what, value)| output::line(output, format!("{what:<14} {value}").trim_end()))
    }
}

impl Shutdown {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        target.ask(&request::Shutdown, || "shutdown".to_owned())?;
        let (socket, asked) = (target.socket()?, Instant::now());
        while Client::connect(socket).is_ok_and(|mut client| client.uname().is_ok()) {
            if asked.elapsed() > PATIENCE {
                return Err(Error::StillUp { socket: socket.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
