//! The hosted kernel as a whole: the `kernel` library and the services that khost offers to its modules.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use kernel::{InterruptContext, Kernel, Level as KernelLevel, Unloaded, Wait};
use uapi::Errno;
use uapi::kerneld::Request;

use crate::block::{DeviceNumber, Devices};
use crate::ending::Ending;
use crate::error::Error;
use crate::irq::{Handler, Interrupts, Outcome};
use crate::log::{Level, Log};
use crate::memory::Accounts;
use crate::options::Options;
use crate::owner::{Owner, UseCount};
use crate::route::{Routes, is_unicast};
use crate::vfs::{Complaints, FileSystemType, FileSystems, MountSpec, Mounts, Source, SuperBlock};

/// What khost adds to the `kernel` library.
#[derive(Debug)]
pub struct Services {
    /// The kernel log.
    pub log: Log,
    /// `kmalloc`, by module.
    pub memory: Accounts<UseCount>,
    /// Block buffers, by device.
    pub buffers: Accounts<DeviceNumber>,
    /// Block devices.
    pub devices: Devices,
    /// Types of file systems.
    pub file_systems: FileSystems,
    /// Mounts.
    pub mounts: Mounts,
    /// Interrupt lines.
    pub interrupts: Interrupts,
    /// Routing table.
    pub routes: Routes,
    /// Whether the kernel is to end.
    pub ending: Ending,
}

/// The kernel of this process.
#[derive(Debug)]
pub struct Host {
    kernel: Kernel,
    services: Arc<Services>,
}

/// Functions that modules call carry no context, so there is one host in a process.
static HOST: OnceLock<Host> = OnceLock::new();

/// The host of this process, once it is up.
#[must_use]
pub fn current() -> Option<&'static Host> {
    HOST.get()
}

impl Host {
    /// Brings the kernel of this process up. It answers nobody yet: see [`Kernel::serve`].
    ///
    /// # Errors
    /// [`Error::Twice`], [`Error::Kernel`].
    pub fn start(options: Options) -> Result<&'static Self, Error> {
        let services = Arc::new(Services {
            log: Log::new(options.log_capacity, options.console_level, options.console),
            memory: Accounts::default(),
            buffers: Accounts::default(),
            devices: Devices::default(),
            file_systems: FileSystems::default(),
            mounts: Mounts::default(),
            interrupts: Interrupts::default(),
            routes: Routes::default(),
            ending: Ending::default(),
        });
        let (log, kmsg, unload) = (Arc::clone(&services), Arc::clone(&services), Arc::clone(&services));
        let mut builder = Kernel::builder()
            .sysname("khost")
            .release(options.release)
            .modversions(options.modversions)
            .lockdown(options.lockdown)
            .oops(options.oops)
            .gdb(options.gdb)
            .perf_map(options.perf_map)
            .log(move |level, text| log.log.line(shown(level), text))
            .kmsg(move || kmsg.log.text())
            .on_unload(move |_, module| unload.clean_up_after(module));
        for export in crate::exports::table() {
            builder = builder.export(export.name, export.address, export.prototype);
        }
        let kernel = crate::request::register(builder).build().map_err(|error| Error::Kernel { error })?;
        HOST.set(Self { kernel, services }).map_err(|_| Error::Twice)?;
        current().ok_or(Error::Twice)
    }

    /// The kernel library's handle.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The services.
    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The module that code or data at one of the addresses belongs to.
    #[must_use]
    pub fn owner_at(&self, addresses: &[u64]) -> Option<Owner> {
        let name = addresses.iter().find_map(|address| self.kernel.module_at(*address))?;
        let use_count = UseCount(self.kernel.use_count_of(name.as_str())?);
        Some(Owner { name, use_count })
    }

    /// Mounts a file system; a type that is not there is asked for (`get_fs_type` of Linux 2.0). The type `auto` tries those
    /// that are there.
    ///
    /// # Errors
    /// `ENODEV` for an unknown type, `EBUSY` for a taken mount point, `EINVAL` where the device does not carry the file system,
    /// and what the device and the file system answer. The log has the reason.
    pub fn mount(&self, spec: &MountSpec) -> Result<(), Errno> {
        self.mount_quietly(spec).inspect_err(|error| {
            let text = format!("mount: `{}` of type `{}` at `{}`: {error}", spec.source, spec.kind, spec.point);
            self.services.log.line(Level::WARNING, &text);
        })
    }

    fn mount_quietly(&self, spec: &MountSpec) -> Result<(), Errno> {
        let reservation = self.services.mounts.reserve(&spec.point)?;
        let candidates = match spec.kind.as_str() {
            "auto" => self.services.file_systems.on_devices(),
            kind => vec![self.services.file_systems.get(kind, &|name| self.kernel.request_module(name))?],
        };
        let (device, size) = if candidates.iter().any(|candidate| candidate.needs_device()) {
            let number = self.services.devices.open(Path::new(&spec.source))?;
            (Some(number), self.services.devices.get(number).map_or(0, |device| device.size()))
        } else {
            (None, 0)
        };
        let complaints = if candidates.len() == 1 { Complaints::Loud } else { Complaints::Silent };
        let source = Source { device, size, options: spec.options.clone(), complaints };
        match first_that_mounts(&candidates, &source) {
            Ok((file_system, super_block)) => {
                let spec = MountSpec { kind: file_system.name().to_owned(), ..spec.clone() };
                self.services.mounts.insert(&reservation, spec, super_block, device, file_system.owner().cloned());
                Ok(())
            }
            Err(error) => {
                self.services.close_device(device);
                Err(error)
            }
        }
    }

    /// Unmounts.
    ///
    /// # Errors
    /// `EINVAL` where nothing is mounted, `EBUSY` while it is used.
    pub fn unmount(&self, point: &str) -> Result<(), Errno> {
        let device = self.services.mounts.remove(point)?;
        self.services.close_device(device);
        Ok(())
    }

    /// Raises an interrupt line: its handlers run on this thread, in interrupt context.
    ///
    /// # Errors
    /// `EINVAL` where there is no such line.
    pub fn raise(&self, line: usize) -> Result<(), Errno> {
        let run = |line: usize, handler: &Handler| {
            let _context = InterruptContext::enter();
            let number = u64::try_from(line).unwrap_or(u64::MAX);
            match self.kernel.call(handler.address, [number, handler.cookie, 0, 0, 0, 0]) {
                Ok(_) => Outcome::Returned,
                Err(_) => Outcome::Trapped,
            }
        };
        for handler in self.services.interrupts.raise(line, &run)? {
            let text = format!("irq {line}: the handler of `{}` (`{}`) failed and is off the line", handler.device, handler.owner.name);
            self.services.log.line(Level::ERR, &text);
        }
        Ok(())
    }

    /// Which link leads to an address. Where none does, kerneld is asked for a route and this look-up fails all the same, as in
    /// Linux 2.0: the next one uses what has been added.
    ///
    /// # Errors
    /// `ENETUNREACH`.
    pub fn route(&self, address: Ipv4Addr) -> Result<String, Errno> {
        if let Some(link) = self.services.routes.lookup(address) {
            return Ok(link);
        }
        let pending = self.services.routes.pending();
        if is_unicast(address) && pending.is_some() {
            let status = self.kernel.kerneld_send(Request::RequestRoute, &address.to_string(), Wait::Reply).status;
            self.services.log.line(Level::INFO, &format!("route: none to {address}; asked for one: {status}"));
        }
        Err(Errno::ENETUNREACH)
    }

    /// Comes to an end: unmounts everything, and unloads what can be unloaded, newest first.
    pub fn shut_down(&self) {
        for mount in self.services.mounts.list() {
            if let Err(error) = self.unmount(&mount.spec.point) {
                self.services.log.line(Level::WARNING, &format!("shutdown: `{}` stays mounted: {error}", mount.spec.point));
            }
        }
        for name in self.kernel.module_names() {
            // The log has the reason where one stays.
            let _ = self.kernel.unload(name.as_str());
        }
    }
}

/// A type of file system, and what it has mounted.
type Mounted = (Arc<dyn FileSystemType>, Arc<dyn SuperBlock>);

/// The first candidate that takes the device.
fn first_that_mounts(candidates: &[Arc<dyn FileSystemType>], source: &Source) -> Result<Mounted, Errno> {
    let mut last = Errno::ENODEV;
    for candidate in candidates {
        match candidate.read_super(source) {
            Ok(super_block) => return Ok((Arc::clone(candidate), super_block)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Services {
    /// Closes a device, and gives back the buffers that the file system has forgotten.
    fn close_device(&self, device: Option<DeviceNumber>) {
        let Some(device) = device else { return };
        let (blocks, bytes) = crate::exports::release_buffers(self, device);
        if blocks > 0 {
            self.log.line(Level::WARNING, &format!("VFS: {blocks} buffers ({bytes} bytes) of device {:#x} were not released", device.0));
        }
        self.devices.close(device);
    }

    /// A module has gone: what it has left behind is taken away, each with a line in the log.
    fn clean_up_after(&self, module: &Unloaded) {
        let (name, use_count) = (&module.name, UseCount(module.use_count));
        for (line, device) in self.interrupts.forget(use_count) {
            self.log.line(Level::WARNING, &format!("`{name}` went without free_irq: line {line} (`{device}`) taken from it"));
        }
        for kind in self.file_systems.forget(use_count) {
            self.log.line(Level::WARNING, &format!("`{name}` went without unregister_filesystem: `{kind}` taken from it"));
        }
        for point in self.mounts.kill(use_count) {
            self.log.line(Level::ERR, &format!("`{name}` went with `{point}` mounted: the mount is dead"));
        }
        let (blocks, bytes) = crate::exports::release_memory(self, use_count, module.fate);
        if blocks > 0 {
            self.log.line(Level::WARNING, &format!("`{name}` leaked memory: {bytes} bytes in {blocks} blocks"));
        }
    }
}

/// The library's level as the log has it.
fn shown(level: KernelLevel) -> Level {
    Level::new(match level {
        KernelLevel::Emergency => 0,
        KernelLevel::Alert => 1,
        KernelLevel::Critical => 2,
        KernelLevel::Error => 3,
        KernelLevel::Warning => 4,
        KernelLevel::Notice => 5,
        KernelLevel::Info => 6,
        KernelLevel::Debug => 7,
    })
}
