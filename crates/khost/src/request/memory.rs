//! What modules have allocated.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;

/// List the memory of the modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory;

/// What a module holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryInfo {
    /// The module.
    pub module: String,
    /// Blocks now.
    pub blocks: u64,
    /// Bytes now.
    pub bytes: u64,
    /// Most bytes at any time.
    pub peak: u64,
    /// Blocks ever.
    pub allocations: u64,
}

impl Request for Memory {
    const NAME: &'static str = "mem";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Vec<MemoryInfo>;

    fn serve(self, host: &Host) -> Result<Vec<MemoryInfo>, Errno> {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let usage = host.services().memory.usage().into_iter().map(|(owner, usage)| MemoryInfo {
            module: host.kernel().module_of_use_count(owner.0).map_or_else(|| "?".to_owned(), |name| name.to_string()),
            blocks: number(usage.blocks),
            bytes: number(usage.bytes),
            peak: number(usage.peak),
            allocations: usage.allocations,
        });
        Ok(usage.collect())
    }
}
