//! static-nodes: device nodes that may exist before their module is loaded, for the program that makes `/dev`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use kmod::hosted::Hosted;
use kmod::index::devname::{self, DevKind, DevNode};
use kmod::kernel::Kernel;
use kmod::text;
use kmod::tree::Tree;

use crate::applet::Run;
use crate::target::{KernelOption, RootOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  kmod static-nodes
  kmod static-nodes --format=tmpfiles --output=/run/tmpfiles.d/static-nodes.conf";

/// List the device nodes that trigger the loading of modules
#[derive(Parser)]
#[command(name = "static-nodes", version, after_help = EXAMPLES, infer_long_args = true)]
pub(crate) struct StaticNodes {
    #[command(flatten)]
    kernel: KernelOption,
    /// Form of the list
    #[arg(short, long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// File to write instead of standard output; its directory is made if it is not there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// Lines of tmpfiles.d(5)
    Tmpfiles,
    /// Lines of modules.devname
    Devname,
}

/// The index that lists the nodes.
const INDEX: &str = "modules.devname";

impl Run for StaticNodes {
    fn run(self, console: &mut Console) -> Outcome {
        let release = match self.kernel.target() {
            Target::Linux => kmod::linux::release(),
            Target::Hosted(socket) => Hosted::connect(&socket).and_then(|mut k| k.release()).map_err(|error| {
                console.error(error);
                Failed
            })?,
        };
        let directory = RootOption::default().directory().join("lib/modules").join(&*text::to_path(&release));
        let index = directory.join(INDEX);
        let lines = match Tree::new(directory).read(INDEX) {
            Ok(bytes) => text::of_bytes(&bytes).into_owned(),
            // Not every kernel has such modules; whoever asks at boot must not fail for it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                console.warning(format_args!("{} not found - ignoring", index.display()));
                return Ok(());
            }
            Err(error) => {
                console.error(format_args!("cannot read {}: {error}", index.display()));
                return Err(Failed);
            }
        };
        let mut list = String::new();
        let mut outcome = Ok(());
        for line in devname::parse(&lines) {
            match line {
                Ok(node) => list.push_str(&self.format.lines(&node)),
                Err(line) => {
                    console.error(format_args!("invalid devname entry: {line}"));
                    outcome = Err(Failed);
                }
            }
        }
        let written = match &self.output {
            None => console.print(&list),
            Some(path) => write(path, &list).map_err(|error| {
                console.error(format_args!("cannot write {}: {error}", path.display()));
                Failed
            }),
        };
        written.and(outcome)
    }
}

impl Format {
    fn lines(self, node: &DevNode) -> String {
        let DevNode { module, node: name, kind, major, minor } = node;
        let letter = kind.letter();
        match self {
            Self::Human => {
                let kind = if *kind == DevKind::Character { "character" } else { "block" };
                format!("Module: {module}\n\tDevice node: /dev/{name}\n\t\tType: {kind} device\n\t\tMajor: {major}\n\t\tMinor: {minor}\n")
            }
            Self::Tmpfiles => {
                let directory = name.rsplit_once('/').map(|(directory, _)| format!("d /dev/{directory} 0755 - - -\n"));
                format!("{}{letter}! /dev/{name} 0600 - - - {major}:{minor}\n", directory.unwrap_or_default())
            }
            Self::Devname => format!("{module} {name} {letter}{major}:{minor}\n"),
        }
    }
}

/// Replaces a file as a whole. A terminal, a pipe or a device cannot be replaced, and is written to.
fn write(path: &Path, list: &str) -> io::Result<()> {
    let special = fs::metadata(path).is_ok_and(|m| {
        let kind = m.file_type();
        kind.is_char_device() || kind.is_fifo() || kind.is_block_device()
    });
    if special || path.starts_with("/proc") || path.starts_with("/dev") {
        return File::options().write(true).open(path)?.write_all(&text::to_bytes(list));
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, &*text::to_bytes(list)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that is told is the one of writing.
        drop(fs::remove_file(&temporary));
    }
    written
}
