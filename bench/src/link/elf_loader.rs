//! The crate `elf_loader`. Objects of `-fPIC` need `GOTPCRELX`, which it does not know, so it gets other flavours.

use std::path::Path;

use ::elf_loader::image::{LoadedObject, ModuleHandle, SyntheticModule, SyntheticSymbol};
use ::elf_loader::{AddressSpaceId, Domain, Loader, Relocator};

use crate::error::Result;
use crate::host;

use super::subject::{Entry, Subject, read, refused};

const NAME: &str = "elf_loader";

/// One object, the host's symbols in the crate's form, and what the crate made of the object.
pub(super) struct ElfLoader {
    object: Vec<u8>,
    host: Option<ModuleHandle>,
    loaded: Option<LoadedObject<()>>,
}

impl ElfLoader {
    pub(super) fn new(path: &Path) -> Result<Self> {
        Ok(Self { object: read(path)?, host: None, loaded: None })
    }
}

fn host_module() -> ModuleHandle {
    let symbols = host::symbols().iter().map(|(name, address)| {
        let address = std::ptr::without_provenance(*address as usize);
        if name.to_bytes().starts_with(b"host_fn") {
            SyntheticSymbol::function(*name, address)
        } else {
            SyntheticSymbol::object(*name, address, size_of::<i32>())
        }
    });
    SyntheticModule::new(&Domain::native(AddressSpaceId::PROCESS), "host", symbols).into()
}

impl Subject for ElfLoader {
    fn prepare(&mut self) -> Result<()> {
        self.host = Some(host_module());
        Ok(())
    }

    fn load(&mut self) -> Result<()> {
        let object = Loader::new()
            .run(Domain::native(AddressSpaceId::PROCESS))
            .load_object(self.object.as_slice())
            .map_err(|error| refused(NAME, error))?;
        let relocator = Relocator::new();
        let run = relocator.run(object).with_modules(self.host.take()).map_err(|error| refused(NAME, error))?;
        self.loaded = Some(run.relocate().map_err(|error| refused(NAME, error))?);
        Ok(())
    }

    fn call(&mut self) -> Result<Option<u32>> {
        let loaded = self.loaded.as_ref().ok_or_else(|| refused(NAME, "nothing is loaded"))?;
        // SAFETY: `bench_entry` of `work/entry.c` has this type.
        let entry = unsafe { loaded.get::<Entry>("bench_entry") };
        let entry = entry.map_err(|error| refused(NAME, error))?;
        let entry = entry.ok_or_else(|| refused(NAME, "no `bench_entry`"))?;
        Ok(Some(entry(1)))
    }

    fn unload(&mut self) {
        self.loaded = None;
    }
}
