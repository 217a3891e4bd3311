//! The kernel as a whole.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;

/// How is it?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status;

/// What it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusInfo {
    /// Name and release.
    pub release: String,
    /// Process id.
    pub pid: u32,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Taint letters.
    pub taint: String,
    /// Modules, newest first.
    pub modules: Vec<String>,
    /// Types of file systems, each with its module.
    pub file_systems: Vec<(String, String)>,
    /// Mounts.
    pub mounts: u64,
    /// Routes.
    pub routes: u64,
    /// Bytes that modules have allocated.
    pub module_bytes: u64,
}

/// End the kernel: everything is unmounted, and unloaded as far as that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown;

impl Request for Status {
    const NAME: &'static str = "status";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = StatusInfo;

    fn serve(self, host: &Host) -> Result<StatusInfo, Errno> {
        let (kernel, services) = (host.kernel(), host.services());
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let owner = |owner: Option<crate::owner::Owner>| owner.map_or_else(String::new, |owner| owner.name.to_string());
        Ok(StatusInfo {
            release: kernel.uname().release,
            pid: std::process::id(),
            uptime_ms: u64::try_from(services.log.uptime().as_millis()).unwrap_or(u64::MAX),
            taint: kernel.taint(),
            modules: kernel.module_names().iter().map(ToString::to_string).collect(),
            file_systems: services.file_systems.names().into_iter().map(|(name, module)| (name, owner(module))).collect(),
            mounts: number(services.mounts.list().len()),
            routes: number(services.routes.list().len()),
            module_bytes: number(services.memory.usage().iter().map(|(_, usage)| usage.bytes).sum()),
        })
    }
}

impl Request for Shutdown {
    const NAME: &'static str = "shutdown";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.services().ending.ask();
        Ok(())
    }
}
