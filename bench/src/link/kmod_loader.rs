//! The crate `kmod-loader`. It knows no GOT in objects of today's compilers, so it gets `-fPIE` near the host, or
//! `-mcmodel=large`; both carry the frame of a Linux 6.6 module that it asks for.

use std::ffi::CString;
use std::path::Path;

use kmod_loader::{KernelModuleHelper, ModuleLoader, ModuleOwner, SectionMemOps, SectionPerm};

use crate::error::Result;
use crate::host;
use crate::mapping::{Mapping, Place};

use super::subject::{Subject, read, refused};

const NAME: &str = "kmod-loader";

/// One object and what the crate made of it.
pub(super) struct KmodLoader {
    object: Vec<u8>,
    loaded: Option<ModuleOwner<Helper>>,
}

struct Helper;
struct Pages(Option<Mapping>, usize);

impl KernelModuleHelper for Helper {
    fn vmalloc(size: usize) -> Box<dyn SectionMemOps> {
        Box::new(Pages(Mapping::new(Place::Near, size).ok(), size))
    }

    fn resolve_symbol(name: &str) -> Option<usize> {
        host::resolve(name).and_then(|address| usize::try_from(address).ok())
    }
}

impl SectionMemOps for Pages {
    fn as_ptr(&self) -> *const u8 {
        self.0.as_ref().map_or(std::ptr::null(), |mapping| mapping.pointer().cast_const())
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_ref().map_or(std::ptr::null_mut(), Mapping::pointer)
    }

    fn change_perms(&mut self, perms: SectionPerm) -> bool {
        let bits = [(SectionPerm::READ, libc::PROT_READ), (SectionPerm::WRITE, libc::PROT_WRITE), (SectionPerm::EXECUTE, libc::PROT_EXEC)];
        let access = bits.iter().filter(|(perm, _)| perms.contains(*perm)).fold(0, |all, (_, bit)| all | bit);
        self.0.as_ref().is_some_and(|mapping| mapping.protect(0..self.1, access).is_ok())
    }
}

impl KmodLoader {
    pub(super) fn new(path: &Path) -> Result<Self> {
        Ok(Self { object: read(path)?, loaded: None })
    }
}

impl Subject for KmodLoader {
    fn load(&mut self) -> Result<()> {
        let loader = ModuleLoader::<Helper>::new(&self.object).map_err(|errno| refused(NAME, format!("{errno:?}")))?;
        let owner = loader.load_module(CString::default()).map_err(|errno| refused(NAME, format!("{errno:?}")))?;
        self.loaded = Some(owner);
        Ok(())
    }

    fn call(&mut self) -> Result<Option<u32>> {
        let owner = self.loaded.as_mut().ok_or_else(|| refused(NAME, "nothing is loaded"))?;
        // Its one way into the code is `init_module`, which returns `bench_entry(1)`.
        let value = owner.call_init().map_err(|errno| refused(NAME, format!("{errno:?}")))?;
        Ok(Some(value.cast_unsigned()))
    }

    fn unload(&mut self) {
        self.loaded = None;
    }
}
