//! Modules that are loaded by name at every boot, and those that are in the kernel now.

use std::collections::BTreeSet;
use std::fs;

use demand::journal::Reader;
use demand::resolve::Resolver;
use demand::stamp::Stamp;
use demand::{Origin, Paths, RequestName};
use kmod::config::dirs;

use super::need::{Needs, because};
use crate::linux::policy::plan_of;

/// Adds what `modules-load.d` and `/proc/modules` name, and what these need.
pub(super) fn learn(paths: &Paths, modules: &Resolver, needs: &mut Needs) {
    let mut files = dirs::files(&dirs::standard(paths.root(), "modules-load.d"), &[".conf"]);
    files.push(paths.file("/etc/modules"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let shown = file.strip_prefix(paths.root()).unwrap_or(&file);
        for (line, number) in text.lines().zip(1..) {
            // The first word is the module; options behind it are an old custom of /etc/modules.
            let Some(name) = line.split_whitespace().next().filter(|word| !word.starts_with(['#', ';'])) else { continue };
            module(name, &format!("/{}:{number}", shown.display()), modules, needs);
        }
    }
    let loaded = fs::read_to_string(paths.file("/proc/modules")).unwrap_or_default();
    let on_demand = on_demand(paths);
    for name in loaded.lines().filter_map(|line| line.split(' ').next()).filter(|name| !on_demand.contains(*name)) {
        because(&mut needs.modules, name, "in the kernel now".to_owned());
    }
}

/// The modules that came on demand in this boot. They are in the kernel because somebody asked, and whether what they asked for counts as
/// needed is said about the request, not about the module.
fn on_demand(paths: &Paths) -> BTreeSet<String> {
    let boot = Stamp::of(paths, "").boot;
    // Without a journal, as before kerneld, nothing did; `seen` has said what is wrong with one that cannot be read.
    let records = Reader::open(&paths.journal()).into_iter().flatten().flatten();
    let loaded = records.filter(|record| record.boot == boot).flat_map(|record| record.plan).filter(|step| step.loaded);
    loaded.map(|step| step.module).collect()
}

fn module(name: &str, reason: &str, modules: &Resolver, needs: &mut Needs) {
    let Ok(request) = RequestName::new(name.as_bytes(), Origin::Helper) else { return };
    for step in plan_of(modules, &request) {
        let reason = if step.why.starts_with("asked for") { reason.to_owned() } else { step.why };
        because(&mut needs.modules, &step.module, reason);
    }
}
