//! The command line of `khost`: the kernel itself (`khost run`), and its clients, which find it by its socket.

mod client;
mod demand;
mod files;
mod machine;
mod mounts;
mod output;
mod routes;
mod run;
mod symvers;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::Error;
use client::Target;

/// Examples that `--help` shows.
const EXAMPLES: &str = "\
Examples:
  khost run --socket /run/khost.sock &        start a kernel
  export MODUTILS_KERNEL=/run/khost.sock      let the commands find it
  insmod ./hello.o; lsmod; khost dmesg        load a module
  khost mount -t vfat disk.img /mnt           mount an image: vfat is loaded on demand
  khost ls -l /mnt; khost cat /mnt/notes.txt  read it
  khost umount /mnt; khost shutdown           end";

/// The hosted kernel: a process with loadable modules, file systems, interrupts and routes of its own.
#[derive(Debug, Parser)]
#[command(name = "khost", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// Write the checksums of all exports in the form of Module.symvers (as the command `symvers` does)
    #[arg(long)]
    symvers: bool,
    /// The kernel to talk to
    #[arg(long, value_name = "SOCKET", env = uapi::KERNEL_VARIABLE, global = true)]
    kernel: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Symvers(symvers::Symvers),
    Mount(mounts::Mount),
    Umount(mounts::Umount),
    Mounts(mounts::Mounts),
    Ls(files::Ls),
    Cat(files::Cat),
    Statfs(files::Statfs),
    Dmesg(machine::Dmesg),
    Console(machine::Console),
    Route(routes::Route),
    Request(demand::Request),
    Release(demand::Release),
    Blank(demand::Blank),
    System(demand::System),
    Irq(machine::Irq),
    Mem(machine::Mem),
    Status(machine::Status),
    Shutdown(machine::Shutdown),
}

/// The definition of the command line, for man pages and completions.
#[must_use]
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs a command; its output goes to `output`.
///
/// # Errors
/// [`Error`] is what the program says before it exits with 1.
pub fn execute(cli: Cli, output: &mut dyn Write) -> Result<(), Error> {
    let target = Target::new(cli.kernel);
    let command = match (cli.command, cli.symvers) {
        (Some(command), false) => command,
        (None, true) => Command::Symvers(symvers::Symvers::default()),
        (Some(_), true) => return Err(Error::SymversBeside),
        (None, false) => return Err(Error::NoCommand),
    };
    match command {
        Command::Run(run) => run.execute(&target, output),
        Command::Symvers(symvers) => symvers.execute(output),
        Command::Mount(mount) => mount.execute(&target),
        Command::Umount(umount) => umount.execute(&target),
        Command::Mounts(mounts) => mounts.execute(&target, output),
        Command::Ls(ls) => ls.execute(&target, output),
        Command::Cat(cat) => cat.execute(&target, output),
        Command::Statfs(statfs) => statfs.execute(&target, output),
        Command::Dmesg(dmesg) => dmesg.execute(&target, output),
        Command::Console(console) => console.execute(&target),
        Command::Route(route) => route.execute(&target, output),
        Command::Request(request) => request.execute(&target, output),
        Command::Release(release) => release.execute(&target),
        Command::Blank(blank) => blank.execute(&target),
        Command::System(system) => system.execute(&target, output),
        Command::Irq(irq) => irq.execute(&target, output),
        Command::Mem(mem) => mem.execute(&target, output),
        Command::Status(status) => status.execute(&target, output),
        Command::Shutdown(shutdown) => shutdown.execute(&target),
    }
}
