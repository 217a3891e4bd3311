//! Fewer rights than root has: what serving requests takes, and nothing else. Given up for good, also for programs that are started
//! (`install` commands of modprobe.d), before the first thread is.

use std::io;

use demand::policy::LeaseMode;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// What every daemon needs (capabilities(7)): `SYS_MODULE` for loading and unloading, `SYS_PTRACE` for what `/proc` says of other
/// users' processes (program, namespaces, where they wait), `SYS_ADMIN` and `DAC_READ_SEARCH` for `/proc/PID/stack`: only that tells
/// who waits for a module from who waits for another helper, where a request cannot be traced or was made before the daemon started.
const SERVING: CapabilitySet =
    CapabilitySet::SYS_MODULE.union(CapabilitySet::SYS_PTRACE).union(CapabilitySet::SYS_ADMIN).union(CapabilitySet::DAC_READ_SEARCH);

/// What the evidence against unloading needs besides: lists of rules and states in network namespaces.
const LEASES: CapabilitySet = CapabilitySet::NET_ADMIN;

/// Whether the daemon has the rights that its policy takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    Rights,
    /// It was started with fewer: what cannot be read is in the way of every unloading.
    ButForLeases,
}

/// Whether this process may load modules at all. One that may not would have every request fail that a helper could have served.
pub(super) fn may_load() -> io::Result<bool> {
    Ok(capabilities(None)?.effective.contains(CapabilitySet::SYS_MODULE))
}

/// Gives up all other capabilities, and the way to get new ones. Answers whether what is left is enough for leases, where there are any.
pub(super) fn confine(leases: LeaseMode) -> io::Result<Enough> {
    let wanted = if leases == LeaseMode::Off { SERVING } else { SERVING.union(LEASES) };
    let had = capabilities(None)?;
    let kept = had.permitted.intersection(wanted);
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(kept).iter() {
            // One that this kernel does not know is not in the set either.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    set_no_new_privs(true)?;
    Ok(if leases == LeaseMode::Off || kept.contains(LEASES) { Enough::Rights } else { Enough::ButForLeases })
}
