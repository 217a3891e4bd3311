//! Interrupt lines.

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;

/// Raise a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseInterrupt {
    /// Its number.
    pub line: u32,
}

/// List the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupts;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptInfo {
    /// Its number.
    pub line: u64,
    /// How often it was raised.
    pub raised: u64,
    /// Its handlers, as `device [module]`.
    pub handlers: Vec<String>,
}

impl Request for RaiseInterrupt {
    const NAME: &'static str = "irq-raise";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.raise(usize::try_from(self.line).map_err(|_| Errno::EINVAL)?)
    }
}

impl Request for Interrupts {
    const NAME: &'static str = "irqs";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Vec<InterruptInfo>;

    fn serve(self, host: &Host) -> Result<Vec<InterruptInfo>, Errno> {
        let lines = host.services().interrupts.list().into_iter().map(|record| InterruptInfo {
            line: u64::try_from(record.line).unwrap_or(u64::MAX),
            raised: record.raised,
            handlers: record.handlers.iter().map(|handler| format!("{} [{}]", handler.device, handler.owner.name)).collect(),
        });
        Ok(lines.collect())
    }
}
