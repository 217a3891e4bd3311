//! Why a hosted kernel refused something, with all facts that are known here.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::os_text;
use uapi::{ClientError, Errno, NameError};

use crate::proc_modules::BadLine;

/// A refusal, or a kernel that cannot be talked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel cannot be reached, or refused a call that has no story of its own.
    Client(ClientError),
    /// The kernel's module list makes no sense.
    List(BadLine),
    /// The file cannot be read.
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<crate::Error>,
    },
    /// The file is a module for another machine.
    Machine {
        /// The file.
        path: PathBuf,
        /// The module's machine.
        module: modlink::Machine,
        /// The kernel's.
        kernel: String,
    },
    /// The module cannot have this name.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// A parameter has bytes that are not UTF-8: the linker of hosted kernels takes texts.
    NoText {
        /// The word, as [`crate::text`] holds it.
        parameter: String,
    },
    /// The file is no object, or no module, or not one for this kernel.
    Object {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<modlink::Error>,
    },
    /// `create_module` refused.
    Create {
        /// The module.
        module: String,
        /// Bytes that it needs.
        needed: u64,
        /// The answer.
        errno: Errno,
    },
    /// The memory that the kernel gave cannot be mapped.
    Map {
        /// The module.
        module: String,
        /// Why.
        error: io::Error,
    },
    /// `init_module` refused, or the module's own initialization failed (`EBUSY`).
    Init {
        /// The module.
        module: String,
        /// The answer.
        errno: Errno,
        /// What the kernel's log says about it, where it says something.
        log: Option<String>,
    },
    /// `delete_module` refused.
    Delete {
        /// The module.
        module: String,
        /// The answer.
        errno: Errno,
        /// Who uses it.
        in_use: InUse,
    },
}

/// Who keeps a module from being removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Modules that refer to it.
    pub holders: Vec<String>,
    /// Its use count, referrers aside.
    pub users: u64,
    /// Its state, as the list shows it.
    pub state: String,
}

impl Error {
    /// The error number, where the kernel answered with one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Client(error) => error.errno(),
            Self::Create { errno, .. } | Self::Init { errno, .. } | Self::Delete { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// The symbols that nobody defines, where that is the matter.
    #[must_use]
    pub fn undefined(&self) -> &[String] {
        match self {
            Self::Object { error, .. } => match &**error {
                modlink::Error::Undefined { symbols } => symbols,
                _ => &[],
            },
            _ => &[],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "{error}"),
            Self::List(error) => write!(f, "{error}"),
            Self::Open { path, error } => match &**error {
                crate::Error::Io { source, .. } => write!(f, "Cannot open {}: {}", path.display(), os_text(source)),
                error => write!(f, "{}: {error}", path.display()),
            },
            Self::Machine { path, module, kernel } => {
                write!(f, "{}: object file for {module}, not for this architecture: the kernel runs on {kernel}", path.display())
            }
            Self::Name { name, error } => write!(f, "`{name}` cannot be the name of a module: {error}"),
            Self::NoText { parameter } => write!(f, "the parameter `{parameter}` is not UTF-8, which a hosted kernel needs"),
            Self::Object { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Create { module, errno: Errno::EEXIST, .. } => write!(f, "A module named {module} already exists"),
            Self::Create { module, needed, errno: Errno::ENOMEM } => {
                write!(f, "Cannot allocate space for module {module}; needed {needed} bytes: {}", Errno::ENOMEM)
            }
            Self::Create { module, errno, .. } => {
                write!(f, "could not insert module {module}: create_module: {errno}{}", hint(*errno))
            }
            Self::Map { module, error } => write!(f, "cannot map the memory of module {module}: {error}"),
            Self::Init { module, errno: Errno::EBUSY, log } => {
                write!(f, "Initialization of {module} failed")?;
                log.as_ref().map_or(Ok(()), |line| write!(f, ": {line}"))
            }
            Self::Init { module, errno, log } => {
                write!(f, "could not insert module {module}: init_module: {errno}{}", hint(*errno))?;
                log.as_ref().map_or(Ok(()), |line| write!(f, ": {line}"))
            }
            Self::Delete { module, errno: Errno::ENOENT, .. } => write!(f, "Module {module} is not currently loaded"),
            Self::Delete { module, errno: Errno::EBUSY, in_use } => write!(f, "Module {module} is in use{in_use} ({})", Errno::EBUSY),
            Self::Delete { module, errno, .. } => write!(f, "could not remove module {module}: {errno}{}", hint(*errno)),
        }
    }
}

/// What an error number means here, where it is not plain.
fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => " (only root and the kernel's own user may, and nobody on a locked kernel)",
        _ => "",
    }
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.holders.is_empty() {
            write!(f, " by: {}", self.holders.join(" "))?;
        }
        match self.users {
            0 => Ok(()),
            1 => f.write_str(" by 1 user"),
            users => write!(f, " by {users} users"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::List(error) => Some(error),
            Self::Open { error, .. } => Some(error),
            Self::Map { error, .. } => Some(error),
            Self::Machine { .. } | Self::NoText { .. } => None,
            Self::Name { error, .. } => Some(error),
            Self::Object { error, .. } => Some(error),
            Self::Create { errno, .. } | Self::Init { errno, .. } | Self::Delete { errno, .. } => Some(errno),
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<BadLine> for Error {
    fn from(error: BadLine) -> Self {
        Self::List(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, InUse};
    use uapi::Errno;

    #[test]
    fn messages_keep_the_classic_facts_and_say_more() {
        let create = |errno| Error::Create { module: "fat".into(), needed: 8192, errno }.to_string();
        assert_eq!(create(Errno::EEXIST), "A module named fat already exists");
        assert!(create(Errno::ENOMEM).starts_with("Cannot allocate space for module fat; needed 8192 bytes"));
        assert!(create(Errno::EPERM).contains("Operation not permitted (only root"));
        let init = |errno, log: Option<&str>| Error::Init { module: "fat".into(), errno, log: log.map(str::to_owned) }.to_string();
        assert_eq!(init(Errno::EBUSY, None), "Initialization of fat failed");
        assert_eq!(init(Errno::EBUSY, Some("fat: init answered -5")), "Initialization of fat failed: fat: init answered -5");
        let delete = |errno, holders: &[&str], users| {
            let in_use = InUse { holders: holders.iter().map(|name| (*name).to_owned()).collect(), users, state: "Live".into() };
            Error::Delete { module: "fat".into(), errno, in_use }.to_string()
        };
        assert_eq!(delete(Errno::EBUSY, &["vfat", "msdos"], 0), "Module fat is in use by: vfat msdos (Device or resource busy)");
        assert_eq!(delete(Errno::EBUSY, &[], 2), "Module fat is in use by 2 users (Device or resource busy)");
        assert_eq!(delete(Errno::ENOENT, &[], 0), "Module fat is not currently loaded");
    }
}
