//! `create_module(2)`: memory and an entry for a module that is not there yet.

use uapi::{Arena, MemoryLayout, ModuleName, Reply};

use super::{Answer, may_change, module_name};
use crate::error::Error;
use crate::gdb::Registration;
use crate::kernel::Kernel;
use crate::ksyms::Exports;
use crate::list::ModuleList;
use crate::log::Level;
use crate::memory::Image;
use crate::module::{Module, State};
use crate::options::Limits;
use crate::peer::Peer;

/// Makes the entry, at the head of the list. The order of the tests is that of Linux 2.0, so that a request that is wrong in
/// several ways gets the error that it always got.
pub(super) fn create_module(kernel: &Kernel, peer: &Peer, name: &str, layout: MemoryLayout, arena: Arena) -> Answer {
    may_change(kernel, peer)?;
    if name.is_empty() {
        return Err(Error::Exists { name: String::new() });
    }
    let name = module_name(name)?;
    layout.check().map_err(|errno| Error::Layout { module: name.clone(), errno })?;
    room_for(&kernel.list(), &name, layout, peer, kernel.inner.config.limits)?;
    let image = Image::create(&name, layout, arena)?;
    let descriptor = image.share()?;
    let base = image.base();
    let created = format!("create_module: `{name}`: {} bytes at {base:#x}", layout.size());
    // The lock was not held while memory was made: ask again.
    let mut list = kernel.list();
    room_for(&list, &name, layout, peer, kernel.inner.config.limits)?;
    let id = list.new_id();
    list.insert(Module {
        id,
        name,
        state: State::Created,
        layout,
        base,
        image: Some(image),
        routines: None,
        symbols: Exports::default(),
        uses: Vec::new(),
        referrers: Vec::new(),
        calls: 0,
        creator: Some(peer.connection()),
        registration: Registration::default(),
    });
    drop(list);
    kernel.log(Level::Debug, &created);
    Ok((Reply::Created { base }, descriptor))
}

/// Is the name free, and is there room within the limits?
fn room_for(list: &ModuleList, name: &ModuleName, layout: MemoryLayout, peer: &Peer, limits: Limits) -> Result<(), Error> {
    if list.has(name) {
        return Err(Error::Exists { name: name.to_string() });
    }
    if list.len() >= limits.modules {
        return Err(Error::ModuleLimit { limit: limits.modules });
    }
    if list.half_made(peer.connection()) >= limits.half_made {
        return Err(Error::HalfMadeLimit { limit: limits.half_made });
    }
    let (wanted, used) = (layout.size(), list.memory());
    if used.saturating_add(wanted) > limits.memory {
        return Err(Error::MemoryLimit { wanted, used, limit: limits.memory });
    }
    Ok(())
}
