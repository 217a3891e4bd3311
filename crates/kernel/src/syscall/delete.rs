//! `delete_module(2)`: cleanup of one module, or the autoclean pass.

use std::sync::atomic::Ordering;

use uapi::{AUTOCLEAN, VISITED};

use super::{may_change, module_name};
use crate::error::Error;
use crate::fault::Fault;
use crate::kernel::Kernel;
use crate::log::Level;
use crate::module::{Errand, Module, ModuleId, State};
use crate::peer::Peer;

/// What is to be done with an entry.
enum Removal {
    /// Its cleanup has to run.
    Cleanup(ModuleId),
    /// Nothing of it runs: it never did, or never will again.
    Entry(Box<Module>),
}

/// Removes a module, or with no name runs the autoclean pass.
pub(super) fn delete_module(kernel: &Kernel, peer: &Peer, name: Option<&str>) -> Result<(), Error> {
    may_change(kernel, peer)?;
    let Some(name) = name else {
        autoclean(kernel);
        return Ok(());
    };
    let name = module_name(name)?;
    match claim(kernel, name.as_str())? {
        Removal::Cleanup(id) => clean_up(kernel, id),
        Removal::Entry(module) => {
            kernel.release(vec![*module]);
            Ok(())
        }
    }
}

/// Decides about an entry, and takes it from everybody else.
fn claim(kernel: &Kernel, name: &str) -> Result<Removal, Error> {
    let mut list = kernel.list();
    let module = list.find(name).ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
    let id = module.id;
    match module.state {
        State::Running if module.in_use() => Err(Error::InUse {
            module: module.name.clone(),
            users: module.users(),
            calls: module.calls,
            referrers: list.names(&module.referrers),
        }),
        State::Running => {
            leave(&mut list, id);
            Ok(Removal::Cleanup(id))
        }
        State::Created | State::Failed | State::Dead(Errand::Init) => {
            list.remove(id).map(|module| Removal::Entry(Box::new(module))).ok_or_else(|| Error::NotFound { name: name.to_owned() })
        }
        state @ (State::Initializing | State::Leaving | State::Deleted | State::Dead(_)) => {
            Err(Error::State { module: module.name.clone(), state })
        }
    }
}

/// A module stops to be one that others can use; its flags are cleared.
fn leave(list: &mut crate::list::ModuleList, id: ModuleId) {
    if let Some(module) = list.get_mut(id) {
        module.state = State::Leaving;
        module.change_word(|word| word.fetch_and(!(AUTOCLEAN | VISITED), Ordering::SeqCst));
    }
}

/// Runs the cleanup of a module that was claimed, and the free pass.
fn clean_up(kernel: &Kernel, id: ModuleId) -> Result<(), Error> {
    let cleanup = kernel.list().get(id).and_then(|module| module.routines).map_or(0, |routines| routines.cleanup);
    let outcome = kernel.run(id, Errand::Cleanup, cleanup);
    let mut list = kernel.list();
    if let Some(module) = list.get_mut(id).filter(|module| module.state == State::Leaving) {
        // Without memory for the call nothing has run: the module is what it was.
        module.state = if matches!(outcome, Err(Fault::NoStack)) { State::Running } else { State::Deleted };
    }
    let free = list.take_free();
    // A call into it from elsewhere may have trapped while it was cleaning up.
    let dead = list.get(id).filter(|module| matches!(module.state, State::Dead(_))).map(|module| (module.name.clone(), module.state));
    let zombie = list.get(id).filter(|module| module.state == State::Deleted).map(|module| (module.name.clone(), module.users()));
    drop(list);
    if let Some((name, users)) = zombie {
        kernel.log(Level::Warning, &format!("delete_module: `{name}` stays as deleted: its cleanup left {users} users"));
    }
    kernel.release(free);
    outcome.map_err(|fault| Error::Trapped { fault })?;
    dead.map_or(Ok(()), |(module, state)| Err(Error::State { module, state }))
}

/// The autoclean pass of Linux 2.0: newest to oldest, each candidate loses its VISITED flag, or goes if it had none. Freeing at
/// once drops the references of what goes, so that a base may go in the same walk.
fn autoclean(kernel: &Kernel) {
    let ids = kernel.list().ids();
    for id in ids {
        let mut list = kernel.list();
        let Some(module) = list.get(id).filter(|module| module.autoclean_candidate()) else { continue };
        if module.visited() {
            module.change_word(|word| word.fetch_and(!VISITED, Ordering::SeqCst));
            continue;
        }
        leave(&mut list, id);
        drop(list);
        if let Err(error) = clean_up(kernel, id) {
            kernel.log(Level::Error, &format!("delete_module: {error}"));
        }
    }
}
