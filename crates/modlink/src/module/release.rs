//! Whether a module was compiled for the kernel release that runs.

use alloc::string::String;
use core::fmt;

use super::{Checksums, ModInfo};
use crate::{Error, Object, Result, SymbolPlace, addr::index};

/// Whether a difference of releases stops the load (insmod `-f`). A different checksum always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// It does.
    #[default]
    No,
    /// It becomes a [`Warning`].
    Yes,
}

/// Something that should be said and did not stop the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The module was compiled for another release.
    VersionMismatch {
        /// The release in the module.
        module: String,
        /// The release of the kernel.
        kernel: String,
    },
    /// The module does not say which release it was compiled for.
    NoVersion,
}

impl Warning {
    /// Whether the load went on only because it was forced: the kernel is tainted then.
    #[must_use]
    pub fn is_override(&self) -> bool {
        matches!(self, Self::VersionMismatch { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionMismatch { module, kernel } => {
                let (module, kernel) = (module.clone(), kernel.clone());
                fmt::Display::fmt(&Error::VersionMismatch { module, kernel }, f)
            }
            Self::NoVersion => f.write_str("couldn't find the kernel version the module was compiled for"),
        }
    }
}

/// The release that an object was compiled for: `kernel_version=` or the first word of `vermagic=` in `.modinfo`, or
/// the text of the symbol `kernel_version`.
pub(super) fn compiled_for<'a>(object: &Object<'a>, info: ModInfo<'a>) -> Option<&'a str> {
    let vermagic = || info.get("vermagic").and_then(|vermagic| vermagic.split_whitespace().next());
    info.get("kernel_version").or_else(vermagic).or_else(|| text_of(object, "kernel_version"))
}

/// The text that a symbol of the object names.
fn text_of<'a>(object: &Object<'a>, name: &str) -> Option<&'a str> {
    let symbol = object.find(name)?;
    let SymbolPlace::Section(section) = symbol.place else { return None };
    let data = object.sections.get(index(section))?.data;
    let text = data.get(usize::try_from(symbol.value).ok()?..)?.split(|&byte| byte == 0).next()?;
    core::str::from_utf8(text).ok()
}

/// Compares the releases, unless checksums on both sides say more (Linux 2.0).
pub(super) fn check(compiled_for: Option<&str>, running: &str, force: Force, checksums: [Checksums; 2]) -> Result<Option<Warning>> {
    if checksums == [Checksums::With; 2] {
        return Ok(None);
    }
    match (compiled_for, force) {
        (Some(module), _) if module == running => Ok(None),
        (Some(module), Force::No) => Err(Error::VersionMismatch { module: module.into(), kernel: running.into() }),
        (Some(module), Force::Yes) => Ok(Some(Warning::VersionMismatch { module: module.into(), kernel: running.into() })),
        // A module that names no release claims nothing that could be wrong: it loads, with a warning.
        (None, _) => Ok(Some(Warning::NoVersion)),
    }
}
