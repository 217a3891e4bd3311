//! The FAT image of the demo: made by mkfs.vfat and mcopy where they are installed, else by the crate `fatfs`.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::packages::present;
use crate::step::Error;

/// Bytes of the image: large enough for FAT16.
const SIZE: u64 = 16 << 20;

/// The file with a long name that the demo reads back.
pub(crate) const LONG_NAME: &str = "A long name, with blanks and an Ünïcode tail.txt";

/// Makes the image; answers who made it.
pub(crate) fn make(image: &Path, content: &[u8]) -> Result<&'static str, Error> {
    let file = |what: &str, error| Error::File { what: format!("{what} `{}`", image.display()), error };
    std::fs::File::create(image).and_then(|disk| disk.set_len(SIZE)).map_err(|error| file("create", error))?;
    if present("mkfs.vfat") && present("mcopy") {
        with_tools(image, content)?;
        return Ok("mkfs.vfat and mcopy");
    }
    with_crate(image, content).map_err(|error| file("format", error))?;
    Ok("the crate fatfs (mkfs.vfat and mcopy are not installed)")
}

fn with_tools(image: &Path, content: &[u8]) -> Result<(), Error> {
    let source = image.with_extension("content");
    std::fs::write(&source, content).map_err(|error| Error::File { what: format!("write `{}`", source.display()), error })?;
    let quiet = |command: &mut Command| {
        let text = format!("{command:?}");
        let output = command.output().map_err(|error| Error::Start { command: text.clone(), error })?;
        if output.status.success() {
            Ok(())
        } else {
            Err(Error::Failed { command: text, status: String::from_utf8_lossy(&output.stderr).into_owned() })
        }
    };
    quiet(Command::new(program("mkfs.vfat")).args(["-F", "16", "-n", "DEMO"]).arg(image))?;
    quiet(Command::new(program("mcopy")).env("LC_ALL", "C.UTF-8").arg("-i").arg(image).arg(&source).arg(format!("::{LONG_NAME}")))?;
    quiet(Command::new(program("mmd")).arg("-i").arg(image).arg("::Documents"))
}

/// The program, by its full path where it is not on the caller's path.
fn program(name: &str) -> String {
    let system = format!("/usr/sbin/{name}");
    if Path::new(&system).is_file() { system } else { name.to_owned() }
}

fn with_crate(image: &Path, content: &[u8]) -> std::io::Result<()> {
    let open = || std::fs::OpenOptions::new().read(true).write(true).open(image);
    let options = fatfs::FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat16).volume_label(*b"DEMO       ");
    fatfs::format_volume(fscommon::BufStream::new(open()?), options)?;
    let volume = fatfs::FileSystem::new(fscommon::BufStream::new(open()?), fatfs::FsOptions::new())?;
    volume.root_dir().create_dir("Documents")?;
    volume.root_dir().create_file(LONG_NAME)?.write_all(content)
}
