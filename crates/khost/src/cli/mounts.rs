//! `khost mount`, `umount`, `mounts`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use uapi::{ClientError, Errno};

use super::client::Target;
use super::output;
use crate::error::Error;
use crate::request;

/// Mount a file system
///
/// If the type is not there, the kernel asks kerneld for a module of that name.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  khost mount -t vfat disk.img /mnt\n  khost mount disk.img /mnt      (the first registered type that fits)"
)]
pub(super) struct Mount {
    /// Type of the file system; `auto` tries the types that are registered
    #[arg(short = 't', value_name = "TYPE", default_value = "auto")]
    kind: String,
    /// Options for the file system
    #[arg(short = 'o', value_name = "OPTIONS", default_value = "")]
    options: String,
    /// Image file, or block device
    image: PathBuf,
    /// Mount point: a name in the hosted kernel, not on this machine
    point: String,
}

/// Unmount a file system
#[derive(Debug, Args)]
pub(super) struct Umount {
    /// Mount point
    point: String,
}

/// List the mounts
#[derive(Debug, Args)]
pub(super) struct Mounts {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Mount {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        // The kernel has another working directory. What is no file of this machine goes as it is: the type may need none.
        let source = std::fs::canonicalize(&self.image).unwrap_or_else(|_| self.image.clone());
        let source = source.into_os_string().into_string().map_err(|name| Error::NotText { path: name.into() })?;
        let (kind, point) = (self.kind.clone(), self.point.clone());
        let request = request::Mount { source, kind: self.kind, point: self.point, options: self.options };
        let shown = self.image.display();
        target.ask(&request, || format!("cannot mount `{shown}` at `{point}` as `{kind}`")).map_err(|error| explained(error, &kind, &point))
    }
}

/// Says what an error number means when mounting.
fn explained(error: Error, kind: &str, point: &str) -> Error {
    let Error::Refused { what, error: ClientError::Errno(errno) } = error else { return error };
    let meaning = match errno {
        Errno::ENODEV => format!("there is no file system type `{kind}`, and kerneld brought none"),
        Errno::EBUSY => format!("`{point}` is in use"),
        Errno::EINVAL if point.is_empty() => "a mount point has a name".to_owned(),
        Errno::EINVAL => "there is no such file system on it (see `khost dmesg`)".to_owned(),
        Errno::ENOTBLK => "it is neither a file nor a block device".to_owned(),
        _ => return Error::Refused { what, error: ClientError::Errno(errno) },
    };
    Error::Refused { what: format!("{what}: {meaning}"), error: ClientError::Errno(errno) }
}

impl Umount {
    pub(super) fn execute(self, target: &Target) -> Result<(), Error> {
        let point = self.point.clone();
        let refused = target.ask(&request::Unmount { point: self.point }, || format!("cannot unmount `{point}`"));
        refused.map_err(|error| match error {
            Error::Refused { what, error: ClientError::Errno(Errno::EINVAL) } => {
                Error::Refused { what: format!("{what}: nothing is mounted there"), error: ClientError::Errno(Errno::EINVAL) }
            }
            other => other,
        })
    }
}

impl Mounts {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let mounts = target.ask(&request::Mounts, || "mounts".to_owned())?;
        if self.json {
            return output::json(output, &mounts);
        }
        for mount in mounts {
            let options = if mount.options.is_empty() { "ro".to_owned() } else { format!("ro,{}", mount.options) };
            let dead = if mount.dead { " (dead)" } else { "" };
            output::line(output, &format!("{} on {} type {} ({options}){dead}", mount.source, mount.point, mount.kind))?;
        }
        Ok(())
    }
}
