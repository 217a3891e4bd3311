//! modpost: makes a module of an object.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Parser;
use kmod::hosted::module_name;
use kmod::modpost::{Options, Unversioned, modpost};
use kmod::symvers::{self, Symvers};

use crate::applet::Run;
use crate::{Console, Failed, Outcome};

/// Longest symvers file in bytes; that of a whole distribution kernel has 2 MB.
const MAX_SYMVERS: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  modpost --symvers Module.symvers --release 2.0.40-khost fat.o
  modpost --symvers Module.symvers --write-symvers Module.symvers -o fat.ko fat.o
  modpost --symvers Module.symvers --strict vfat.o";

/// Make a module of an object file: add its name, dependencies and symbol versions
#[derive(Parser)]
#[command(name = "modpost", version, after_help = EXAMPLES)]
pub(crate) struct Modpost {
    /// Versions of exported symbols, of the kernel and of other modules; may be given several times
    #[arg(long, value_name = "FILE")]
    symvers: Vec<PathBuf>,
    /// Release of the kernel that the module is built for
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// File to write [default: the object itself]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of the module [default: that of the output file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add the module's own exports to this symvers file, in place of what it said of them
    #[arg(long, value_name = "FILE")]
    write_symvers: Option<PathBuf>,
    /// Fail if the version of a used symbol is not known
    #[arg(long)]
    strict: bool,
    /// The object
    #[arg(value_name = "OBJECT")]
    object: PathBuf,
}

impl Run for Modpost {
    fn run(self, console: &mut Console) -> Outcome {
        self.make(console).map_err(|error| {
            console.error(error);
            Failed
        })
    }
}

impl Modpost {
    /// Reads, makes, writes. Errors name the file.
    fn make(&self, console: &mut Console) -> Result<(), String> {
        let mut versions = Symvers::default();
        for path in &self.symvers {
            let text = read_symvers(path).map_err(|error| about(path, error))?;
            versions.add(&text).map_err(|error| about(path, error))?;
        }
        let output = self.output.as_ref().unwrap_or(&self.object);
        let options = Options {
            name: self.name.clone().unwrap_or_else(|| module_name(output)),
            release: self.release.clone(),
            unversioned: if self.strict { Unversioned::Refuse } else { Unversioned::Warn },
        };
        let object = fs::read(&self.object).map_err(|error| about(&self.object, error))?;
        let module = modpost(&object, &versions, &options).map_err(|error| about(&self.object, error))?;
        for warning in &module.warnings {
            console.warning(format_args!("{}: {warning}", self.object.display()));
        }
        replace(output, &module.bytes)?;
        match &self.write_symvers {
            Some(path) => record(path, &options.name, &module.exports),
            None => Ok(()),
        }
    }
}

/// The text of a symvers file.
fn read_symvers(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = fs::File::open(path)?.take(MAX_SYMVERS).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length < MAX_SYMVERS) {
        return Ok(text);
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::FileTooLarge,
        format!("longer than the {MAX_SYMVERS} bytes that a list of exports may have"),
    ))
}

/// An error of a file.
fn about(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// Writes a file beside `path` and moves it there, so that no half of it is ever seen. What is no plain file (a terminal,
/// `/dev/null`) is written to as it is, and never replaced.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
        return fs::write(&target, bytes).map_err(|error| about(path, error));
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(name);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        drop(fs::remove_file(&beside));
        about(path, error)
    })
}

/// Puts a module's exports into a symvers file, in place of its earlier lines.
fn record(path: &Path, module: &str, exports: &[symvers::Entry]) -> Result<(), String> {
    let old = match read_symvers(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(about(path, error)),
    };
    let mut text: String = old.lines().filter(|line| line.split('\t').nth(2) != Some(module)).map(|line| format!("{line}\n")).collect();
    text.push_str(&symvers::write(exports));
    replace(path, text.as_bytes())
}
