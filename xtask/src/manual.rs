//! `cargo xtask manual DIR`: the man pages and shell completions of all programs, from the definitions that their parsers use.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use testkit::{Outcome, Programs};

use crate::step::Error;

/// Writes `DIR/man8` and `DIR/completions`.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let (man, completions) = (folder.join("man8"), folder.join("completions"));
    for each in [&man, &completions] {
        std::fs::create_dir_all(each).map_err(|error| failed("make", each, error))?;
    }
    modutils(&["man"], &man)?;
    modutils(&["completions", "bash", "--dir"], &completions)?;
    for mut program in [khost::cli::definition(), kerneld::command()] {
        pages(&program, &man)?;
        let name = program.get_name().to_owned();
        clap_complete::generate_to(Shell::Bash, &mut program, name, &completions)
            .map_err(|error| failed("write to", &completions, error))?;
    }
    // kerneld's commands for Linux: the page of the program itself is that of the classic daemon, which has the name alone.
    let mut linux = kerneld::linux::command();
    linux.build();
    for command in linux.get_subcommands() {
        pages(command, &man)?;
    }
    println!("man pages: {}\ncompletions: {}", man.display(), completions.display());
    Ok(())
}

/// The pages of a program and of each of its commands: `khost.8`, `khost-mount.8`.
fn pages(program: &Command, folder: &Path) -> Result<(), Error> {
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    for page in std::iter::once(&program).chain(program.get_subcommands()) {
        let name = page.get_display_name().unwrap_or(page.get_name()).to_owned();
        let path = folder.join(format!("{name}.8"));
        let mut text = Vec::new();
        let rendered = clap_mangen::Man::new(page.clone()).section("8").manual("System administration").render(&mut text);
        rendered.and_then(|()| std::fs::write(&path, text)).map_err(|error| failed("write", &path, error))?;
    }
    Ok(())
}

/// The tools write their own.
fn modutils(arguments: &[&str], folder: &Path) -> Result<(), Error> {
    let done = Outcome::of(std::process::Command::new(Programs::built().path("modutils")).args(arguments).arg(folder));
    if done.code == Some(0) { Ok(()) } else { Err(Error::Surprise { what: done.to_string() }) }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::File { what: format!("{what} `{}`", path.display()), error }
}
