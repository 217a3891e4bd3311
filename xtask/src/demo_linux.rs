//! `cargo xtask demo --linux`: the demo on a real Linux kernel, in a guest that needs neither root nor hardware support.

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

use crate::step::Error;
use crate::{image, packages};

/// The commands, and what has to come of them.
const SESSION: &str = include_str!("demo_linux.session");

/// The modules that the guest has: what it needs to mount the image, and what these need.
const MODULES: &[&str] = &["loop", "vfat", "nls_ascii", "nls_cp437", "nls_utf8"];

/// The nodes that a device manager would have made from modules.devname: their first use loads the module loop.
const NODES: &str = "mknod /dev/loop-control c 10 237; test -e /dev/loop0 || mknod /dev/loop0 b 7 0\n";

/// Lines of the file on the image.
const LINES: u32 = 5_000;

/// Runs the demo; an outcome that differs from what it promises is an error.
pub(crate) fn run() -> Result<(), Error> {
    packages::ensure(packages::GUESTS)?;
    println!("\n== Building the tools as one static program, and fetching Debian's kernel 6.1");
    let tools = Programs::static_modutils();
    let mut guest = Guest::new(Flavour::Debian61).map_err(surprise)?;
    guest.tools(&tools).map_err(|error| Error::File { what: format!("read `{}`", tools.display()), error })?;
    let scratch = tempfile::tempdir().map_err(|error| Error::File { what: "make a temporary folder".into(), error })?;
    let tree = subset(guest.machine(), MODULES, scratch.path()).map_err(surprise)?;
    guest.tree(&tree).map_err(|error| Error::File { what: format!("read `{}`", tree.display()), error })?;
    let content: Vec<u8> = (0..LINES).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let disk = scratch.path().join("disk.img");
    let maker = image::make(&disk, &content)?;
    println!("== A FAT16 image of 16 MiB, made by {maker}; booting");
    guest.archive().copy(&disk, "disk.img").map_err(|error| Error::File { what: format!("read `{}`", disk.display()), error })?;
    guest.archive().file("original", 0o644, &content);
    let session = Session::parse(SESSION);
    let script = format!("{NODES}{}", session.script(guest.archive()));
    let start = std::time::Instant::now();
    let run = guest.boot(&script).map_err(surprise)?;
    let (transcript, differences) = session.judge(&run);
    print!("{transcript}");
    if !differences.is_empty() {
        return Err(Error::Surprise { what: differences.join("\n\n") });
    }
    println!("\n== Done in {:.1} s: requested by the kernel, loaded, used, protected, removed.", start.elapsed().as_secs_f64());
    Ok(())
}

fn surprise(error: impl std::fmt::Display) -> Error {
    Error::Surprise { what: error.to_string() }
}
