//! `init_module(2)`: seal, map, run `init_module`, and undo all of it where that says no.

use std::sync::atomic::Ordering;

use uapi::{AUTOCLEAN, InitModule, Part, Routines, VISITED};

use super::{may_change, module_name};
use crate::error::{Error, Routine, TableError};
use crate::fault::Fault;
use crate::gdb::Registration;
use crate::kernel::Kernel;
use crate::ksyms::{Exports, MAX_SYMBOLS, check_symbols};
use crate::list::ModuleList;
use crate::log::Level;
use crate::memory::{Image, Sealing};
use crate::module::{Errand, Module, ModuleId, State};
use crate::options::{Gdb, PerfMap, Unwind};
use crate::peer::Peer;

/// Initializes a module that was created. All tests come before anything is changed.
pub(super) fn init_module(kernel: &Kernel, peer: &Peer, init: InitModule) -> Result<(), Error> {
    may_change(kernel, peer)?;
    let name = module_name(&init.name)?;
    let (id, mut image) = claim(kernel, peer, name.as_str(), &init)?;
    let sealing = match kernel.inner.config.gdb {
        Gdb::Off => Sealing::Complete,
        Gdb::Register => Sealing::ButForDebuggers,
    };
    if let Err(error) = map(&mut image, &name, sealing, &init) {
        let state = if image.runs() || image.share().is_ok_and(|shared| shared.is_none()) { State::Failed } else { State::Created };
        give_up(kernel, id, Some(image), state);
        return Err(error);
    }
    let word = if init.autoclean { AUTOCLEAN | VISITED } else { 0 };
    if init.forced {
        kernel.taint_forced();
    }
    let routines = init.routines;
    publish(kernel, id, image, word, init);
    kernel.log(Level::Debug, &format!("init_module: `{name}`: memory is sealed and mapped, init runs"));
    finish(kernel, id, kernel.run(id, Errand::Init, routines.init))?;
    kernel.log(Level::Debug, &format!("init_module: `{name}` is running"));
    Ok(())
}

/// Tests everything that can be tested before the memory is touched, and takes the entry from everybody else.
fn claim(kernel: &Kernel, peer: &Peer, name: &str, init: &InitModule) -> Result<(ModuleId, Image), Error> {
    let mut list = kernel.list();
    let module = list.find(name).ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
    if module.state != State::Created {
        return Err(Error::State { module: module.name.clone(), state: module.state });
    }
    check_routines(module, init.routines)?;
    let references = check_table(&list, module, init)?;
    let id = module.id;
    let state_error = Error::State { module: module.name.clone(), state: module.state };
    let module = list.get_mut(id).ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
    let image = module.image.take().ok_or(state_error)?;
    module.state = State::Initializing;
    module.creator = Some(peer.connection());
    module.routines = Some(init.routines);
    list.link(id, references);
    Ok((id, image))
}

/// The entry points must lie in the code of the module: `init_module` in any of it, `cleanup_module` in what stays.
fn check_routines(module: &Module, routines: Routines) -> Result<(), Error> {
    let outside = |routine, address| {
        let (module, text) = (module.name.clone(), module.addresses(Part::Text));
        Error::Routine { module, routine, address, text }
    };
    if !matches!(module.part_at(routines.init), Some(Part::Text | Part::InitText)) {
        return Err(outside(Routine::Init, routines.init));
    }
    if module.part_at(routines.cleanup) != Some(Part::Text) {
        return Err(outside(Routine::Cleanup, routines.cleanup));
    }
    Ok(())
}

/// The table must be well formed, and each reference the identity of a running module. Answers the modules referred to, each
/// once; a reference to the kernel is accepted and means nothing.
fn check_table(list: &ModuleList, module: &Module, init: &InitModule) -> Result<Vec<ModuleId>, Error> {
    let Some(table) = &init.table else { return Ok(Vec::new()) };
    let wrong = |error| Error::Table { module: module.name.clone(), error };
    let (symbols, references) = (table.symbols.len(), table.references.len());
    if symbols > MAX_SYMBOLS || references > list.len().saturating_add(list.tables().len()) {
        return Err(wrong(TableError::TooMany { symbols, references }));
    }
    check_symbols(&table.symbols).map_err(wrong)?;
    let mut targets = Vec::new();
    for value in &table.references {
        let id = ModuleId(*value);
        if list.is_kernel(id) {
            continue;
        }
        if list.get(id).is_none_or(|target| target.state != State::Running) {
            return Err(wrong(TableError::Reference { value: *value }));
        }
        if !targets.contains(&id) {
            targets.push(id);
        }
    }
    Ok(targets)
}

/// Seals and maps the memory, and tests what can only be read then.
fn map(image: &mut Image, name: &uapi::ModuleName, sealing: Sealing, init: &InitModule) -> Result<(), Error> {
    image.seal_and_map(name, sealing)?;
    match init.eh_frame {
        Some((offset, size)) if image.sealed_bytes(offset, size).is_none_or(|bytes| !crate::eh_frame::is_well_formed(bytes)) => {
            Err(Error::EhFrame { module: name.clone(), offset, size })
        }
        _ => Ok(()),
    }
}

/// Puts the mapped image in place: from here on module code may run.
fn publish(kernel: &Kernel, id: ModuleId, image: Image, word: u64, mut init: InitModule) {
    if let Some(count) = image.use_count() {
        count.store(word.wrapping_add(1), Ordering::SeqCst);
    }
    let config = &kernel.inner.config;
    let mut registration = Registration::default();
    if config.unwind == Unwind::Register
        && let Some(frames) = init.eh_frame.and_then(|(offset, size)| image.sealed_bytes(offset, size))
    {
        registration.add_frames(frames);
    }
    let symbols = Exports::new(init.table.take().map(|table| table.symbols).unwrap_or_default());
    let mut perf = Ok(());
    if config.perf_map == PerfMap::Write {
        perf = crate::perf::append(kernel.list().get(id), &init, &symbols);
    }
    if config.gdb == Gdb::Register {
        registration.add_object(init.debug_object);
    }
    let mut list = kernel.list();
    if let Some(module) = list.get_mut(id) {
        module.image = Some(image);
        module.symbols = symbols;
        module.registration = registration;
    }
    drop(list);
    drop(kernel.reported(Level::Warning, "perf map", perf));
}

/// Settles the state after `init_module` returned `value`, or trapped.
fn finish(kernel: &Kernel, id: ModuleId, outcome: Result<u64, Fault>) -> Result<(), Error> {
    // The C function returns `int`: the lower half of the register (psABI 3.2.3).
    let value = match outcome {
        Ok(value) => value.to_le_bytes().first_chunk().copied().map_or(0, i32::from_le_bytes),
        Err(fault) => {
            let state = if fault == Fault::NoStack { State::Failed } else { State::Dead(Errand::Init) };
            give_up(kernel, id, None, state);
            return Err(Error::Trapped { fault });
        }
    };
    if value != 0 {
        let module = give_up(kernel, id, None, State::Failed);
        return Err(module.map_or(Error::NotFound { name: String::new() }, |module| Error::InitFailed { module, value }));
    }
    let mut list = kernel.list();
    // A call into it from elsewhere may have trapped while it was initializing itself.
    if let Some(State::Dead(_)) = list.get(id).map(|module| module.state) {
        drop(list);
        let module = give_up(kernel, id, None, State::Dead(Errand::Init));
        return Err(module.map_or(Error::NotFound { name: String::new() }, |module| Error::Trapped { fault: Fault::Dead { module } }));
    }
    if let Some(module) = list.get_mut(id) {
        module.change_word(|word| word.fetch_sub(1, Ordering::SeqCst));
        module.state = State::Running;
        module.creator = None;
        if let Some(image) = &mut module.image {
            image.free_init();
        }
    }
    Ok(())
}

/// Undoes what initialization did to the list: references, symbols, use count. The entry stays until `delete_module`.
fn give_up(kernel: &Kernel, id: ModuleId, image: Option<Image>, state: State) -> Option<uapi::ModuleName> {
    let mut list = kernel.list();
    list.unlink(id);
    let module = list.get_mut(id)?;
    module.state = state;
    module.symbols = Exports::default();
    if image.is_some() {
        module.image = image;
    }
    module.change_word(|word| word.swap(0, Ordering::SeqCst));
    Some(module.name.clone())
}
