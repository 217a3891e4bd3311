//! How an embedder puts a kernel together.

use std::collections::HashMap;
use std::sync::Arc;

use uapi::{Arena, Errno, KernelSym, check_symbol_name};

use crate::call::Guard;
use crate::error::{Error, shown};
use crate::kernel::{Config, Handler, Kernel, UnloadHook, Unloaded};
use crate::list::ModuleList;
use crate::log::{Level, Reader, Sink};
use crate::options::{Gdb, Limits, Lockdown, Modversions, Oops, PerfMap, Unwind};
use crate::peer::{Peer, Privilege};

/// A symbol that the embedder offers to modules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Export {
    name: String,
    address: u64,
    prototype: Option<String>,
}

/// The parts of a kernel to be.
#[must_use = "a builder does nothing until `build`"]
pub struct KernelBuilder {
    sysname: String,
    release: String,
    exports: Vec<Export>,
    modversions: Modversions,
    oops: Oops,
    gdb: Gdb,
    perf_map: PerfMap,
    unwind: Unwind,
    lockdown: Lockdown,
    limits: Limits,
    log: Option<Sink>,
    kmsg: Option<Reader>,
    on_unload: Option<UnloadHook>,
    requests: HashMap<String, (Privilege, Handler)>,
}

impl std::fmt::Debug for KernelBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelBuilder").field("release", &self.release).field("exports", &self.exports.len()).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Starts to build a kernel.
    pub fn builder() -> KernelBuilder {
        KernelBuilder {
            sysname: "hosted".to_owned(),
            release: "2.0.40-hosted".to_owned(),
            exports: Vec::new(),
            modversions: Modversions::default(),
            oops: Oops::default(),
            gdb: Gdb::default(),
            perf_map: PerfMap::default(),
            unwind: Unwind::default(),
            lockdown: Lockdown::default(),
            limits: Limits::default(),
            log: None,
            kmsg: None,
            on_unload: None,
            requests: HashMap::new(),
        }
    }
}

impl KernelBuilder {
    /// The name of the kernel (`uname -s`).
    pub fn sysname(mut self, sysname: impl Into<String>) -> Self {
        self.sysname = sysname.into();
        self
    }

    /// Its release (`uname -r`): what versions of modules are compared with, and the directory of their files.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = release.into();
        self
    }

    /// Enters a symbol into the kernel's table. Only what is entered is visible to modules. The checksum of the C prototype
    /// becomes part of the name with [`Modversions::On`].
    pub fn export(mut self, name: impl Into<String>, address: u64, prototype: impl Into<String>) -> Self {
        self.exports.push(Export { name: name.into(), address, prototype: Some(prototype.into()) });
        self
    }

    /// Enters a symbol whose name stays plain even with [`Modversions::On`] (`XNOVERS` of Linux 2.0).
    pub fn export_unversioned(mut self, name: impl Into<String>, address: u64) -> Self {
        self.exports.push(Export { name: name.into(), address, prototype: None });
        self
    }

    /// Whether exports carry checksums.
    pub fn modversions(mut self, modversions: Modversions) -> Self {
        self.modversions = modversions;
        self
    }

    /// What happens when module code traps.
    pub fn oops(mut self, oops: Oops) -> Self {
        self.oops = oops;
        self
    }

    /// Whether debuggers are told of loaded code.
    pub fn gdb(mut self, gdb: Gdb) -> Self {
        self.gdb = gdb;
        self
    }

    /// Whether `/tmp/perf-PID.map` is written.
    pub fn perf_map(mut self, perf_map: PerfMap) -> Self {
        self.perf_map = perf_map;
        self
    }

    /// Whether frame information of modules is registered with the unwinder.
    pub fn unwind(mut self, unwind: Unwind) -> Self {
        self.unwind = unwind;
        self
    }

    /// Whether every load and unload is refused.
    pub fn lockdown(mut self, lockdown: Lockdown) -> Self {
        self.lockdown = lockdown;
        self
    }

    /// Bounds on what peers can make the kernel hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the lines of the kernel log go. No lock is held when it is called; it may be called from any thread.
    pub fn log(mut self, sink: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        self.log = Some(Arc::new(sink));
        self
    }

    /// Where [`ProcFile::Kmsg`](uapi::ProcFile::Kmsg) is read from.
    pub fn kmsg(mut self, reader: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.kmsg = Some(Arc::new(reader));
        self
    }

    /// What is called when a module has left the list after its code ran, just before its memory is unmapped.
    pub fn on_unload(mut self, hook: impl Fn(&Kernel, &Unloaded) + Send + Sync + 'static) -> Self {
        self.on_unload = Some(Arc::new(hook));
        self
    }

    /// A request of the embedder's own ([`Syscall::Embedder`](uapi::Syscall::Embedder)), and who may make it.
    pub fn request(
        mut self,
        name: impl Into<String>,
        privilege: Privilege,
        handler: impl Fn(&Kernel, &Peer, &[u8]) -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
    ) -> Self {
        self.requests.insert(name.into(), (privilege, Arc::new(handler)));
        self
    }

    /// The symbols of the kernel's table, with the names that modules see.
    ///
    /// # Errors
    /// [`Error::Export`] names the first that cannot be one.
    pub fn symbols(&self) -> Result<Vec<KernelSym>, Error> {
        let mut symbols = Vec::new();
        if self.modversions == Modversions::On {
            symbols.push(KernelSym { value: 1, name: "Using_Versions".to_owned() });
        }
        for export in &self.exports {
            check_symbol_name(&export.name).map_err(|error| Error::Export { name: shown(&export.name), error })?;
            let name = match (&export.prototype, self.modversions) {
                (Some(prototype), Modversions::On) => format!("{}_R{:08x}", export.name, crate::load::prototype_crc(prototype)),
                _ => export.name.clone(),
            };
            symbols.push(KernelSym { value: export.address, name });
        }
        Ok(symbols)
    }

    /// Builds the kernel: reserves address space for modules within reach of the host's own code.
    ///
    /// # Errors
    /// [`Error::Export`] for a name that cannot be one, [`Error::OopsUnsupported`], [`Error::ArenaFull`] or [`Error::System`]
    /// where the operating system does not play along.
    pub fn build(self) -> Result<Kernel, Error> {
        let list = ModuleList::new(self.symbols()?);
        let guard = Guard::new(self.oops)?;
        crate::memory::prepare(Arena::Near)?;
        let config = Config {
            sysname: self.sysname,
            release: self.release,
            gdb: self.gdb,
            perf_map: self.perf_map,
            unwind: self.unwind,
            lockdown: self.lockdown,
            limits: self.limits,
            guard,
            log: self.log,
            kmsg: self.kmsg,
            on_unload: self.on_unload,
            requests: self.requests,
        };
        Ok(Kernel::new(config, list))
    }
}
