//! The hosted kernel as a [`Kernel`]: modules are linked in this process, into memory that the kernel shares.

mod error;
mod insert;
mod load_map;
mod map;
mod name;

use std::path::Path;

use uapi::{Client, ClientError, Errno, KernelSym, ProcFile};

use crate::kernel::{Force, Insert, Kernel, Loaded};
use crate::proc_modules;

pub use self::error::{Error, InUse};
pub use self::insert::{Detail, Inserted, PRETENDED_BASE};
pub use self::load_map::{LoadMap, MapSection, MapSymbol};
pub use self::name::module_name;

/// A connection to a hosted kernel.
#[derive(Debug)]
pub struct Hosted {
    client: Client,
}

impl Hosted {
    /// Connects to the kernel that listens at `path`.
    ///
    /// # Errors
    /// [`Error::Client`] where nobody does.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        Ok(Self { client: Client::connect(path)? })
    }

    /// Inserts one module as [`Kernel::insert`] does, and answers everything that is known of it then.
    ///
    /// # Errors
    /// With all facts about the refusal; nothing of the module stays in the kernel.
    pub fn load(&mut self, request: &Insert<'_>, detail: Detail) -> Result<Inserted, Error> {
        insert::insert(&mut self.client, request, detail)
    }

    /// Runs the autoclean pass (`delete_module(NULL)`).
    ///
    /// # Errors
    /// [`Error::Client`]: `EPERM`, or the kernel is gone.
    pub fn autoclean(&mut self) -> Result<(), Error> {
        Ok(self.client.delete_module(None)?)
    }

    /// What the kernel and its modules export (`get_kernel_syms(2)`), newest module first, with `#name` markers.
    ///
    /// # Errors
    /// [`Error::Client`].
    pub fn symbols(&mut self) -> Result<Vec<KernelSym>, Error> {
        Ok(self.client.kernel_syms()?)
    }

    /// Who keeps a module from going.
    fn users(&mut self, name: &str) -> InUse {
        let found = self.modules().ok().and_then(|list| list.into_iter().find(|module| module.name == name));
        let Some(module) = found else { return InUse::default() };
        let referrers = u64::try_from(module.holders.len()).unwrap_or(u64::MAX);
        InUse { users: module.refcnt.unwrap_or(0).saturating_sub(referrers), holders: module.holders, state: module.state }
    }
}

impl Kernel for Hosted {
    type Error = Error;

    fn release(&mut self) -> Result<String, Error> {
        Ok(self.client.uname()?.release)
    }

    fn modules(&mut self) -> Result<Vec<Loaded>, Error> {
        Ok(proc_modules::parse(&self.client.read(ProcFile::Modules)?)?)
    }

    fn insert(&mut self, request: &Insert<'_>) -> Result<Vec<String>, Error> {
        self.load(request, Detail::Brief).map(|inserted| inserted.warnings)
    }

    /// `force` means nothing here: a module in use is never removed.
    fn delete(&mut self, name: &str, _force: Force) -> Result<(), Error> {
        match self.client.delete_module(Some(name)) {
            Ok(()) => Ok(()),
            Err(ClientError::Errno(errno)) => {
                let in_use = if errno == Errno::EBUSY { self.users(name) } else { InUse::default() };
                Err(Error::Delete { module: name.to_owned(), errno, in_use })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn errno(error: &Error) -> Option<Errno> {
        error.errno()
    }
}
