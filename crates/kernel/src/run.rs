//! Running module code: by whom, with which consequences when it traps. No lock is held meanwhile.

use crate::fault::{Fault, Stop, report};
use crate::kernel::Kernel;
use crate::list::ModuleList;
use crate::log::Level;
use crate::module::{Errand, ModuleId, State};

/// Nothing is ever called in the first page: it is what a null pointer and a small offset make.
const FIRST_PAGE: u64 = uapi::PAGE_SIZE;

/// Takes a call off its module when it is over, however it ends; a deleted module that waited for it goes then.
struct Call<'a> {
    kernel: &'a Kernel,
    id: ModuleId,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut list = self.kernel.list();
        if let Some(module) = list.get_mut(self.id) {
            module.calls = module.calls.saturating_sub(1);
        }
        let free = list.take_free();
        drop(list);
        self.kernel.release(free);
    }
}

impl Kernel {
    /// Calls a function of a module with up to six integer or pointer arguments. The module cannot be unloaded meanwhile. An
    /// address outside of all module memory is taken for a function of the embedder's own, as modules may hand those back.
    ///
    /// # Errors
    /// [`Fault`]: there is no such code, or its module is dead; with [`Oops::Diagnose`](crate::Oops::Diagnose) also that it
    /// trapped, and then the module called and the one in which it trapped are dead from here on.
    pub fn call(&self, address: u64, arguments: [u64; 6]) -> Result<u64, Fault> {
        let called = self.enter(address)?;
        let guard = called.map(|id| Call { kernel: self, id });
        let result = self.inner.config.guard.call(address, arguments);
        let result = result.map_err(|stop| self.stopped(called, Errand::Call, stop));
        drop(guard);
        result
    }

    /// Finds the module of a function and counts the call.
    fn enter(&self, address: u64) -> Result<Option<ModuleId>, Fault> {
        if address < FIRST_PAGE {
            return Err(Fault::NoCode { address });
        }
        if !crate::memory::is_module_address(address) {
            return Ok(None);
        }
        let mut list = self.list();
        let module = list.at(address).ok_or(Fault::NoCode { address })?;
        match (module.state, module.part_at(address)) {
            (State::Dead(_), _) => return Err(Fault::Dead { module: module.name.clone() }),
            (State::Running | State::Leaving | State::Deleted, Some(uapi::Part::Text)) => {}
            (State::Initializing, Some(uapi::Part::Text | uapi::Part::InitText)) => {}
            _ => return Err(Fault::NoCode { address }),
        }
        let id = module.id;
        if let Some(module) = list.get_mut(id) {
            module.calls = module.calls.saturating_add(1);
        }
        Ok(Some(id))
    }

    /// Runs an entry point of a module whose state keeps everybody else away.
    pub(crate) fn run(&self, id: ModuleId, errand: Errand, address: u64) -> Result<u64, Fault> {
        let result = self.inner.config.guard.call(address, [0; 6]);
        result.map_err(|stop| self.stopped(Some(id), errand, stop))
    }

    /// A call did not return: marks the modules that were in it as dead, and reports.
    fn stopped(&self, called: Option<ModuleId>, errand: Errand, stop: Stop) -> Fault {
        let mut list = self.list();
        let module = called.and_then(|id| list.get(id)).map(|module| module.name.clone());
        let trap = match stop {
            Stop::Trapped(trap) => Some(trap),
            Stop::Panicked => None,
            Stop::NoStack => return Fault::NoStack,
        };
        let instruction = trap.as_ref().map(|trap| trap.registers.instruction_pointer());
        let place = instruction.and_then(|at| list.at(at).map(|module| (module.id, at.saturating_sub(module.base))));
        let blamed = called.map(|id| (id, errand)).into_iter().chain(place.map(|(id, _)| (id, Errand::Call)));
        let dead = blamed.filter_map(|(id, errand)| mark_dead(&mut list, id, errand)).collect::<Vec<_>>();
        self.taint_died();
        let doing = doing(errand, module.as_ref().map(uapi::ModuleName::as_str));
        let mut lines =
            trap.as_ref().map_or_else(|| vec![format!("Oops: a panic while {doing}")], |trap| report(&list, trap, &doing, &self.taint()));
        lines.extend(dead.into_iter().map(|name| format!("`{name}` is dead: it is never run again and stays in memory")));
        let place = place.and_then(|(id, offset)| list.get(id).map(|module| (module.name.clone(), offset)));
        drop(list);
        for line in lines {
            self.log(Level::Alert, &line);
        }
        match trap {
            Some(trap) => Fault::Trapped { called: module, place, trap },
            None => Fault::Panicked { module },
        }
    }
}

/// Marks a module as dead, unless it is; answers its name.
fn mark_dead(list: &mut ModuleList, id: ModuleId, errand: Errand) -> Option<String> {
    let module = list.get_mut(id)?;
    if matches!(module.state, State::Dead(_)) {
        return None;
    }
    module.state = State::Dead(errand);
    Some(module.name.as_str().to_owned())
}

/// What was going on, in words.
fn doing(errand: Errand, module: Option<&str>) -> String {
    let what = match errand {
        Errand::Init => "initializing",
        Errand::Cleanup => "cleaning up",
        Errand::Call => "in a call to",
    };
    module.map_or_else(|| format!("{what} code of the host"), |module| format!("{what} `{module}`"))
}
