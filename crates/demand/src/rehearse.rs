//! A kernel that nothing is loaded into: for trying out, for measuring, and wherever another folder stands for `/`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kmod::kernel::{Force, Insert, Kernel, Loaded};
use kmod::{Error, name, proc_modules};
use uapi::Errno;

use crate::lock;

/// A rehearsal: everything is decided and answered as it would be, and nothing is loaded. What would have been loaded counts as
/// present from then on.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    release: String,
    modules: PathBuf,
    pretended: Arc<Mutex<HashSet<String>>>,
}

impl Rehearsal {
    /// A rehearsal on this release, over what a list such as `/proc/modules` says is there.
    #[must_use]
    pub fn new(release: String, modules: PathBuf) -> Self {
        Self { release, modules, pretended: Arc::default() }
    }
}

impl Kernel for Rehearsal {
    type Error = Error;

    fn release(&mut self) -> Result<String, Error> {
        Ok(self.release.clone())
    }

    fn modules(&mut self) -> Result<Vec<Loaded>, Error> {
        // A list that is not there, or not one, is a kernel without modules.
        let text = std::fs::read_to_string(&self.modules).unwrap_or_default();
        let mut modules = proc_modules::parse(&text).unwrap_or_default();
        let pretended = lock(&self.pretended);
        modules.extend(pretended.iter().map(|name| Loaded {
            name: name.clone(),
            size: 0,
            refcnt: Some(0),
            holders: Vec::new(),
            state: "Live".to_owned(),
            flags: String::new(),
        }));
        Ok(modules)
    }

    fn insert(&mut self, request: &Insert<'_>) -> Result<Vec<String>, Error> {
        std::fs::metadata(request.path).map_err(|error| Error::io(kmod::error::IoAction::Open, request.path, error))?;
        lock(&self.pretended).insert(name::from_file(request.path));
        Ok(Vec::new())
    }

    fn delete(&mut self, module: &str, _force: Force) -> Result<(), Error> {
        let gone = lock(&self.pretended).remove(&name::from_word(module));
        if gone { Ok(()) } else { Err(Error::NotLoaded { module: module.to_owned() }) }
    }

    fn errno(error: &Error) -> Option<Errno> {
        Errno::from_number(error.errno())
    }

    fn number(error: &Error) -> Option<i32> {
        Some(error.errno())
    }
}
