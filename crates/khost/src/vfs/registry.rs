//! The types of file systems that there are (`fs/filesystems.c` and `get_fs_type` of Linux 2.0).

use std::sync::{Arc, Mutex, PoisonError};

use uapi::Errno;

use super::FileSystemType;
use crate::owner::{Owner, UseCount};

/// How a missing type is asked for: `request_module`, which answers 0 where kerneld's helper succeeded.
pub type Demand<'a> = &'a dyn Fn(&str) -> i32;

/// Longest name of a type in bytes.
const MAX_TYPE_NAME: usize = 32;

/// The registered types.
#[derive(Default)]
pub struct FileSystems {
    types: Mutex<Vec<Arc<dyn FileSystemType>>>,
}

impl FileSystems {
    /// Adds a type.
    ///
    /// # Errors
    /// `EINVAL` for a name that is empty, too long or not of `[A-Za-z0-9_.-]`; `EBUSY` where it is taken.
    pub fn register(&self, file_system: Arc<dyn FileSystemType>) -> Result<(), Errno> {
        if !is_type_name(file_system.name()) {
            return Err(Errno::EINVAL);
        }
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if types.iter().any(|known| known.name() == file_system.name()) {
            return Err(Errno::EBUSY);
        }
        types.push(file_system);
        Ok(())
    }

    /// Takes a type away.
    ///
    /// # Errors
    /// `EINVAL` where it is not registered.
    pub fn unregister(&self, name: &str) -> Result<(), Errno> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let at = types.iter().position(|known| known.name() == name).ok_or(Errno::EINVAL)?;
        types.remove(at);
        Ok(())
    }

    /// Takes away all that a module has left registered, and answers their names.
    pub fn forget(&self, module: UseCount) -> Vec<String> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let (gone, kept): (Vec<_>, Vec<_>) =
            types.drain(..).partition(|known| known.owner().is_some_and(|owner| owner.use_count == module));
        *types = kept;
        gone.iter().map(|known| known.name().to_owned()).collect()
    }

    /// The type with this name; where there is none, it is asked for once and looked for again.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn get(&self, name: &str, demand: Demand<'_>) -> Result<Arc<dyn FileSystemType>, Errno> {
        if let Some(found) = self.find(name) {
            return Ok(found);
        }
        if is_type_name(name) && demand(name) == 0 { self.find(name).ok_or(Errno::ENODEV) } else { Err(Errno::ENODEV) }
    }

    /// The names and their modules, in the order of registration.
    #[must_use]
    pub fn names(&self) -> Vec<(String, Option<Owner>)> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().map(|known| (known.name().to_owned(), known.owner().cloned())).collect()
    }

    /// The types that live on a device: what `mount -t auto` tries.
    #[must_use]
    pub fn on_devices(&self) -> Vec<Arc<dyn FileSystemType>> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().filter(|known| known.needs_device()).cloned().collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn FileSystemType>> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().find(|known| known.name() == name).cloned()
    }
}

impl std::fmt::Debug for FileSystems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Whether a name may be one of a type; it travels to modprobe, so it must not look like an option either.
fn is_type_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !name.is_empty() && name.len() <= MAX_TYPE_NAME && !name.starts_with('-') && name.bytes().all(allowed)
}
