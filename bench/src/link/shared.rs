//! glibc's dlopen(3) of the same code, linked as a shared object beforehand.

use std::ffi::{CStr, CString, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::error::{Error, Result};

use super::subject::{Entry, Ping, Subject, refused};

const NAME: &str = "dlopen";

/// One shared object, which gets a fresh copy for each load: the dynamic linker knows a file by its inode.
pub(super) struct Shared {
    original: PathBuf,
    copy: PathBuf,
    copy_c: CString,
    handle: Option<NonNull<c_void>>,
}

impl Shared {
    pub(super) fn new(path: &Path) -> Self {
        let copy = path.with_extension(format!("copy-{}.so", std::process::id()));
        let copy_c = CString::new(copy.as_os_str().as_bytes()).unwrap_or_default();
        Self { original: path.to_path_buf(), copy, copy_c, handle: None }
    }

    fn symbol(&self, name: &CStr) -> Result<NonNull<c_void>> {
        let handle = self.handle.ok_or_else(|| refused(NAME, "nothing is loaded"))?;
        // SAFETY: the handle is open and the name ends with a NUL.
        let address = unsafe { libc::dlsym(handle.as_ptr(), name.as_ptr()) };
        NonNull::new(address).ok_or_else(complaint)
    }
}

fn complaint() -> Error {
    // SAFETY: takes nothing; gives a string of this thread or nothing.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return refused(NAME, "no reason given");
    }
    // SAFETY: a string that ends with a NUL and lives until the next call.
    let text = unsafe { CStr::from_ptr(text) };
    refused(NAME, text.to_string_lossy())
}

impl Subject for Shared {
    fn prepare(&mut self) -> Result<()> {
        let _ = fs::remove_file(&self.copy);
        let copied = fs::copy(&self.original, &self.copy);
        copied.map(drop).map_err(|source| Error::File { path: self.copy.clone(), source })
    }

    fn load(&mut self) -> Result<()> {
        // SAFETY: the generator's code has no constructors, and its imports are the host's own functions.
        let handle = unsafe { libc::dlopen(self.copy_c.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        self.handle = Some(NonNull::new(handle).ok_or_else(complaint)?);
        let ping = self.symbol(c"bench_ping")?;
        // SAFETY: `bench_ping` of `work/entry.c` has this type.
        let ping: Ping = unsafe { std::mem::transmute(ping.as_ptr()) };
        if ping() > 0 { Ok(()) } else { Err(refused(NAME, "the call did not arrive")) }
    }

    fn call(&mut self) -> Result<Option<u32>> {
        let entry = self.symbol(c"bench_entry")?;
        // SAFETY: `bench_entry` of `work/entry.c` has this type.
        let entry: Entry = unsafe { std::mem::transmute(entry.as_ptr()) };
        Ok(Some(entry(1)))
    }

    fn unload(&mut self) {
        if let Some(handle) = self.handle.take() {
            // SAFETY: the handle is open, and no code of it runs.
            unsafe { libc::dlclose(handle.as_ptr()) };
        }
        let _ = fs::remove_file(&self.copy);
    }
}
