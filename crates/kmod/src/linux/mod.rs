//! The running Linux kernel.

mod load;
pub mod log;
mod sys;

use std::fs;
use std::io;
use std::path::Path;

pub(crate) use sys::SignalsHeld;
pub use sys::{Peer, map, peer_credentials, peer_groups};

use crate::error::IoAction;
use crate::kernel::{Force, Insert, Kernel, Loaded};
use crate::{Error, Result, name, proc_modules, text};

/// The module list of the kernel; not there in a kernel without modules.
const MODULES: &str = "/proc/modules";

/// A folder for each module that is loaded, and for those of the built-in ones that have parameters.
const SYSFS: &str = "/sys/module";

/// The state of a module below this folder, `coming`, `live` or `going`; `None` where it is not loaded, or built in.
fn initstate(sysfs: &Path, module: &str) -> Option<String> {
    let state = fs::read_to_string(sysfs.join(text::to_path(module)).join("initstate")).ok()?;
    Some(state.trim_end().to_owned())
}

/// The release of the running kernel, as `uname -r` prints it.
#[must_use]
pub fn release() -> String {
    text::of_bytes(rustix::system::uname().release().to_bytes()).into_owned()
}

/// The command line that the kernel was started with; `None` where `/proc` is not mounted.
#[must_use]
pub fn command_line() -> Option<String> {
    fs::read("/proc/cmdline").ok().map(|bytes| text::of_bytes(&bytes).into_owned())
}

/// Whether the kernel has modules at all; `None` where `/proc` is not mounted.
#[must_use]
pub fn is_modular() -> Option<bool> {
    let mounted = Path::new("/proc/self").exists();
    mounted.then(|| Path::new(MODULES).exists())
}

/// The kernel that this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Linux;

impl Kernel for Linux {
    type Error = Error;

    fn release(&mut self) -> Result<String> {
        Ok(release())
    }

    fn modules(&mut self) -> Result<Vec<Loaded>> {
        match fs::read(MODULES) {
            Ok(bytes) => proc_modules::parse(&text::of_bytes(&bytes)).map_err(|bad| Error::BadModuleList { line: bad.line }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(Error::io(IoAction::Read, Path::new(MODULES), e)),
        }
    }

    /// Asks for this module alone: the list of all is long, and made anew by the kernel for each reader.
    fn is_present(&mut self, module: &str) -> Result<bool> {
        match initstate(Path::new(SYSFS), module) {
            Some(state) => Ok(state == "live"),
            None if Path::new(SYSFS).exists() => Ok(false),
            // sysfs is not mounted, as in an early initramfs.
            None => Ok(self.modules()?.iter().any(|loaded| name::from_word(&loaded.name) == module && loaded.state == "Live")),
        }
    }

    fn insert(&mut self, request: &Insert<'_>) -> Result<Vec<String>> {
        load::insert(request).map(|()| Vec::new())
    }

    fn delete(&mut self, module: &str, force: Force) -> Result<()> {
        // The kernel never waits for users to go: without O_NONBLOCK the answer is the same.
        let force = if force.vermagic || force.modversion { libc::O_TRUNC } else { 0 };
        let refused = |e: io::Error| match e.raw_os_error() {
            Some(libc::ENOENT) => Error::NotLoaded { module: module.to_owned() },
            errno => Error::Refused { module: module.to_owned(), errno: errno.unwrap_or(libc::EIO) },
        };
        sys::delete_module(&name::from_word(module), libc::O_NONBLOCK | force).map_err(refused)
    }

    fn errno(error: &Error) -> Option<uapi::Errno> {
        uapi::Errno::from_number(error.errno())
    }

    fn number(error: &Error) -> Option<i32> {
        Some(error.errno())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_initstate_is_not_loaded() {
        let sysfs = tempfile::tempdir().unwrap();
        for (module, state) in [("vfat", "live\n"), ("slow", "coming\n")] {
            fs::create_dir(sysfs.path().join(module)).unwrap();
            fs::write(sysfs.path().join(module).join("initstate"), state).unwrap();
        }
        fs::create_dir(sysfs.path().join("tcp_cubic")).unwrap();
        assert_eq!(initstate(sysfs.path(), "vfat").as_deref(), Some("live"));
        assert_eq!(initstate(sysfs.path(), "slow").as_deref(), Some("coming"));
        assert_eq!(initstate(sysfs.path(), "tcp_cubic"), None);
        assert_eq!(initstate(sysfs.path(), "absent"), None);
    }
}
