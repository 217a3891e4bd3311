//! The thread that takes idle modules away, if the policy wants that.

use std::time::Duration;

use super::engine::Shared;
use super::kernels::Kernels;
use crate::Level;
use crate::linux::leases::Event;

/// How often it is looked whether the policy wants it now.
const OFF: Duration = Duration::from_secs(1);

/// Starts it. It ends with the process: what it does is one system call for each module.
pub(super) fn start<K: Kernels>(engine: Shared<K>) -> std::io::Result<()> {
    // The thread has the name of the process: what it reads is told from what others use by that.
    let work = move || {
        loop {
            std::thread::sleep(engine.leases().rest().unwrap_or(OFF));
            for event in engine.leases().tick(&mut engine.kernel()) {
                let (level, text) = told(&event);
                engine.teller().say(level, &text);
            }
        }
    };
    std::thread::Builder::new().spawn(work).map(|_| ())
}

fn told(event: &Event) -> (Level, String) {
    match event {
        Event::Removed { module, request, idle } => {
            (Level::Info, format!("unloaded {module}, idle for {} s; it came as `{request}`", idle.as_secs()))
        }
        Event::WouldRemove { module } => (Level::Info, format!("would unload {module}: nothing holds it")),
        Event::Refused { module, error } => (Level::Warning, format!("{module} was not unloaded: {error}")),
        Event::NoTracing { why } => (Level::Warning, format!("uses of modules between two looks are not seen: {why}")),
    }
}
