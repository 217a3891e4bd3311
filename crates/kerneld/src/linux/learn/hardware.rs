//! What the devices that are there ask for.

use std::collections::BTreeMap;

use demand::resolve::Resolver;
use demand::{Paths, RequestName};

use super::need::{Needs, because};
use crate::linux::cli::Failure;
use crate::linux::policy::plan_of;
use crate::linux::uevents::walk;

/// Adds the drivers of all devices, and what these need.
pub(super) fn learn(paths: &Paths, modules: &Resolver, needs: &mut Needs) -> Result<(), Failure> {
    // The first device of each modalias stands for all.
    let mut aliases: BTreeMap<RequestName, String> = BTreeMap::new();
    for request in walk(paths) {
        let path = request.requester.device.map(|device| device.path).unwrap_or_default();
        aliases.entry(request.name).or_insert_with(|| path.trim_start_matches("/devices/").to_owned());
    }
    if aliases.is_empty() {
        needs.gaps.insert("no device with a modalias was found in /sys".to_owned());
    }
    for (name, device) in aliases {
        for step in plan_of(modules, &name) {
            let reason = if step.why.starts_with("asked for") { device.clone() } else { step.why };
            because(&mut needs.hardware, &step.module, reason);
        }
    }
    Ok(())
}
