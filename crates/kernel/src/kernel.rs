//! The handle of a kernel, and what all its parts share.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use uapi::{Errno, ModuleName, QueryAnswer, Uname};

use crate::call::Guard;
use crate::channel::Channel;
use crate::error::Error;
use crate::list::ModuleList;
use crate::log::{Level, Reader, Sink};
use crate::module::{Module, State};
use crate::options::{Gdb, Limits, Lockdown, PerfMap, Unwind};
use crate::peer::{Peer, Privilege};
use crate::ratelimit::{RateLimit, Verdict};

/// A request of the embedder's own.
pub(crate) type Handler = Arc<dyn Fn(&Kernel, &Peer, &[u8]) -> Result<Vec<u8>, Errno> + Send + Sync>;

/// What is called when a module has gone.
pub(crate) type UnloadHook = Arc<dyn Fn(&Kernel, &Unloaded) + Send + Sync>;

/// What became of the memory of a module that left the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is unmapped when the hook returns.
    Freed,
    /// Its code trapped: it stays mapped for ever.
    Abandoned,
}

/// A module that left the list after its code ran: its cleanup is over, or its initialization failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unloaded {
    /// Its name.
    pub name: ModuleName,
    /// The address of its `mod_use_count_`, by which an embedder may have recorded what the module holds.
    pub use_count: u64,
    /// Where its image lies.
    pub image: Range<u64>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What the embedder chose.
pub(crate) struct Config {
    pub(crate) sysname: String,
    pub(crate) release: String,
    pub(crate) gdb: Gdb,
    pub(crate) perf_map: PerfMap,
    pub(crate) unwind: Unwind,
    pub(crate) lockdown: Lockdown,
    pub(crate) limits: Limits,
    pub(crate) guard: Guard,
    pub(crate) log: Option<Sink>,
    pub(crate) kmsg: Option<Reader>,
    pub(crate) on_unload: Option<UnloadHook>,
    pub(crate) requests: HashMap<String, (Privilege, Handler)>,
}

/// Everything behind a handle.
pub(crate) struct Inner {
    pub(crate) config: Config,
    list: Mutex<ModuleList>,
    pub(crate) channel: Channel,
    died: AtomicBool,
    strangers: Mutex<RateLimit>,
    forced: AtomicBool,
}

/// A kernel: a handle that can be cloned. Modules stay loaded when the last handle goes, as other code may point into them;
/// unload them before.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("release", &self.inner.config.release).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Puts a kernel together.
    pub(crate) fn new(config: Config, list: ModuleList) -> Self {
        let inner = Inner {
            config,
            list: Mutex::new(list),
            channel: Channel::default(),
            died: AtomicBool::new(false),
            strangers: Mutex::new(RateLimit::default()),
            forced: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The module list. Never held while module code, a hook or the log runs.
    pub(crate) fn list(&self) -> MutexGuard<'_, ModuleList> {
        self.inner.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line for the kernel log.
    pub(crate) fn log(&self, level: Level, text: &str) {
        if let Some(log) = &self.inner.config.log {
            log(level, text);
        }
    }

    /// The result, its reason logged as `call: reason` where it is an error.
    pub(crate) fn reported<T>(&self, level: Level, call: &str, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.log(level, &format!("{call}: {error}"));
        }
        result
    }

    /// The same for a caller who may only read, and so must not be able to push other lines out of the log.
    pub(crate) fn reported_to_stranger<T>(&self, call: &str, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_ok() {
            return result;
        }
        let verdict = self.inner.strangers.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        match verdict {
            Verdict::KeepBack => result,
            Verdict::Say { kept_back } => {
                if kept_back > 0 {
                    self.log(Level::Info, &format!("{kept_back} refusals of callers without privilege are not shown"));
                }
                self.reported(Level::Info, call, result)
            }
        }
    }

    /// The kernel log as the embedder keeps it.
    pub(crate) fn kmsg(&self) -> String {
        self.inner.config.kmsg.as_ref().map_or_else(String::new, |read| read())
    }

    /// Remembers that module code trapped (taint `D`).
    pub(crate) fn taint_died(&self) {
        self.inner.died.store(true, Ordering::Relaxed);
    }

    /// Remembers that a module was forced (taint `F`).
    pub(crate) fn taint_forced(&self) {
        self.inner.forced.store(true, Ordering::Relaxed);
    }

    /// Taint flags: `F` a module was forced, `D` module code trapped.
    #[must_use]
    pub fn taint(&self) -> String {
        let flags = [(&self.inner.forced, 'F'), (&self.inner.died, 'D')];
        flags.into_iter().filter(|(flag, _)| flag.load(Ordering::Relaxed)).map(|(_, letter)| letter).collect()
    }

    /// What the kernel says of itself.
    #[must_use]
    pub fn uname(&self) -> Uname {
        Uname {
            sysname: self.inner.config.sysname.clone(),
            release: self.inner.config.release.clone(),
            machine: std::env::consts::ARCH.to_owned(),
            pid: std::process::id(),
            debugger: self.wants_debug_objects(),
            taint: self.taint(),
        }
    }

    /// Whether somebody reads the debug objects of modules: gdb, or the writer of perf's map.
    pub(crate) fn wants_debug_objects(&self) -> bool {
        self.inner.config.gdb == Gdb::Register || self.inner.config.perf_map == crate::PerfMap::Write
    }

    /// The module whose memory holds an address.
    #[must_use]
    pub fn module_at(&self, address: u64) -> Option<ModuleName> {
        self.list().at(address).map(|module| module.name.clone())
    }

    /// The module whose `mod_use_count_` lies at an address: how an export knows which module called it.
    #[must_use]
    pub fn module_of_use_count(&self, address: u64) -> Option<ModuleName> {
        let list = self.list();
        let found = list.newest_first().find(|module| module.use_count_address() == address && module.state != State::Deleted);
        found.map(|module| module.name.clone())
    }

    /// The address of a module's `mod_use_count_`, for an embedder that counts uses on a module's behalf.
    #[must_use]
    pub fn use_count_of(&self, name: &str) -> Option<u64> {
        self.list().find(name).map(super::module::Module::use_count_address)
    }

    /// Names of all modules, newest first.
    #[must_use]
    pub fn module_names(&self) -> Vec<ModuleName> {
        self.list().newest_first().map(|module| module.name.clone()).collect()
    }

    /// `query_module(2)`; `None` is the kernel itself.
    ///
    /// # Errors
    /// As the system call: [`Error::NotFound`], [`Error::QueryKernel`].
    pub fn query(&self, name: Option<&str>, which: uapi::Query) -> Result<QueryAnswer, Error> {
        crate::syscall::query::query(self, name, which, u64::MAX)
    }

    /// Lets go of modules that left the list: the hook is told, registrations are undone, memory is unmapped.
    pub(crate) fn release(&self, modules: Vec<Module>) {
        for mut module in modules {
            let ran = module.image.as_ref().is_some_and(crate::memory::Image::runs);
            let fate = if matches!(module.state, State::Dead(_)) { Fate::Abandoned } else { Fate::Freed };
            if let Some(hook) = self.inner.config.on_unload.as_ref().filter(|_| ran) {
                let image = module.base..module.base.saturating_add(module.layout.size());
                hook(self, &Unloaded { name: module.name.clone(), use_count: module.use_count_address(), image, fate });
            }
            let (image, mut registration) = (module.image.take(), std::mem::take(&mut module.registration));
            match fate {
                Fate::Freed => registration.undo(),
                Fate::Abandoned => {
                    std::mem::forget(registration);
                    image.into_iter().for_each(crate::memory::Image::abandon);
                }
            }
        }
    }

    /// Deletes the modules that a peer created and did not initialize. A server calls it when the connection closes.
    pub fn disconnect(&self, peer: &Peer) {
        let left = self.list().take_half_made(peer.connection());
        for module in &left {
            self.log(Level::Notice, &format!("`{}` deleted: its creator went before it was initialized", module.name));
        }
        self.release(left);
    }
}

impl Drop for Inner {
    /// Memory of modules that ran stays mapped: their code may be pointed to from anywhere.
    fn drop(&mut self) {
        let list = self.list.get_mut().unwrap_or_else(PoisonError::into_inner);
        for id in list.ids() {
            if let Some(image) = list.remove(id).and_then(|module| module.image)
                && image.runs()
            {
                image.abandon();
            }
        }
    }
}
