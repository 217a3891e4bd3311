//! Loading an object inside the process: the road of insmod, for embedders.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use modlink::module::{Exports, Force, KernelSymbol, Linked, Options, Prepared, Warning};
use modlink::{Addr, Buffer, Format, LayoutOptions, Object};
use uapi::{Arena, InitModule, KernelSym, MAX_IMAGE_SIZE, MemoryLayout, PAGE_SIZE, Part, PartRange, Reply, Routines, SymbolTable, Syscall};

use crate::error::{Error, Step};
use crate::kernel::Kernel;
use crate::log::Level;
use crate::peer::Peer;

/// Who may remove a module again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// It stays until somebody removes it.
    #[default]
    Manual,
    /// The autoclean pass may remove it (insmod's `-k`).
    Autoclean,
}

/// How an object is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load<'a> {
    /// The name that the module gets.
    pub name: &'a str,
    /// Parameters: `symbol=value[,value…]` each.
    pub parameters: &'a [&'a str],
    /// Whether a module for another release is loaded all the same (insmod's `-f`).
    pub force: Force,
    /// Whether its symbols are visible to other modules (insmod's `-x`).
    pub exports: Exports,
    /// Who may remove it.
    pub lifetime: Lifetime,
}

impl<'a> Load<'a> {
    /// A module of this name, with no parameters, that stays until somebody removes it.
    #[must_use]
    pub fn named(name: &'a str) -> Self {
        Self { name, ..Self::default() }
    }
}

/// The checksum of an export: that of its C prototype.
pub(crate) fn prototype_crc(prototype: &str) -> u32 {
    modlink::module::prototype_crc(prototype)
}

/// The linker's reason.
fn refused(error: &modlink::Error) -> Error {
    Error::Link { reason: error.to_string() }
}

impl Kernel {
    /// Loads a module from the bytes of its object file: link, create, write, initialize.
    ///
    /// # Errors
    /// [`Error::Link`] with all facts about what the linker refused; those of `create_module` and `init_module`. The reason goes
    /// to the log too, and nothing is left of the module.
    pub fn load(&self, bytes: &[u8], how: &Load<'_>) -> Result<(), Error> {
        self.reported(Level::Warning, "load", self.try_load(bytes, how))
    }

    fn try_load(&self, bytes: &[u8], how: &Load<'_>) -> Result<(), Error> {
        let object = Object::parse(bytes).map_err(|error| refused(&error))?;
        let offered = self.kernel_syms();
        let symbols: Vec<KernelSymbol<'_>> = offered.iter().map(|each| KernelSymbol { name: &each.name, value: each.value }).collect();
        let layout = LayoutOptions { page_size: PAGE_SIZE, buffer: Buffer::Zeroed, max_size: MAX_IMAGE_SIZE, ..LayoutOptions::default() };
        let release = &self.inner.config.release;
        let options = Options { release, force: how.force, exports: how.exports, parameters: how.parameters, layout };
        let prepared = modlink::module::prepare(&object, &options, &symbols[..]).map_err(|error| refused(&error))?;
        for warning in prepared.warnings() {
            self.log(Level::Warning, &format!("load: `{}`: {warning}", how.name));
        }
        let peer = Peer::kernel();
        let outcome = self.create_and_init(&peer, &prepared, &object, how);
        // What was created and not initialized goes, as it does when insmod closes its connection.
        self.disconnect(&peer);
        outcome
    }

    /// The system calls, in the order in which insmod makes them.
    fn create_and_init(&self, peer: &Peer, prepared: &Prepared<'_>, object: &Object<'_>, how: &Load<'_>) -> Result<(), Error> {
        let arena = match object.format() {
            Format::Aout => Arena::Low,
            _ => Arena::Near,
        };
        let layout = memory_layout(prepared);
        let create = Syscall::CreateModule { name: how.name.to_owned(), layout, arena };
        let (Reply::Created { base }, Some(memory)) = self.serve_call(peer, create)? else {
            return Err(Error::NotFound { name: how.name.to_owned() });
        };
        let mut image = vec![0; usize::try_from(prepared.layout().size()).unwrap_or(0)];
        let linked = prepared.link(Addr(base), &mut image).map_err(|error| refused(&error))?;
        let init = self.init_request(prepared, &linked, base, how);
        write(memory, &image)?;
        drop(image);
        self.serve_call(peer, Syscall::InitModule(init)).map(drop)
    }

    /// What `init_module` is told of a linked image.
    fn init_request(&self, prepared: &Prepared<'_>, linked: &Linked<'_>, base: u64, how: &Load<'_>) -> InitModule {
        let symbols = linked.exports.iter().map(|export| KernelSym { value: export.addr.0, name: export.name.to_string() }).collect();
        let references = linked.references.iter().map(|reference| reference.value).collect();
        let frames = linked.image.layout().eh_frame();
        let debug_object = self.wants_debug_objects().then(|| linked.image.layout().debug_object(Addr(base)));
        InitModule {
            name: how.name.to_owned(),
            routines: Routines { init: linked.init.0, cleanup: linked.cleanup.0 },
            autoclean: how.lifetime == Lifetime::Autoclean,
            forced: prepared.warnings().iter().any(Warning::is_override),
            table: Some(SymbolTable { symbols, references }),
            // The linker guarantees four zero bytes behind the records: the terminator.
            eh_frame: (!frames.is_empty()).then(|| (frames.start, frames.end.saturating_sub(frames.start).saturating_add(4))),
            debug_object: debug_object.flatten().unwrap_or_default(),
        }
    }
}

/// The parts of an image as `create_module` wants them.
fn memory_layout(prepared: &Prepared<'_>) -> MemoryLayout {
    let parts = prepared.layout().parts();
    let range = |part: Part| match part {
        Part::Text => &parts.text,
        Part::Rodata => &parts.rodata,
        Part::Data => &parts.data,
        Part::InitText => &parts.init_text,
        Part::InitData => &parts.init_data,
    };
    let part = |range: &std::ops::Range<u64>| PartRange { offset: range.start, size: range.end.saturating_sub(range.start) };
    MemoryLayout { parts: Part::ALL.map(|each| part(range(each))) }
}

/// Writes an image into the module's memory; pages of zeros are left as they are, so they cost nothing.
fn write(memory: OwnedFd, image: &[u8]) -> Result<(), Error> {
    let file = File::from(memory);
    let page = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    let mut offset = 0_u64;
    for bytes in image.chunks(page) {
        if bytes.iter().any(|byte| *byte != 0) {
            file.write_all_at(bytes, offset).map_err(|error| Error::System { step: Step::Copy, error })?;
        }
        offset = offset.saturating_add(PAGE_SIZE);
    }
    Ok(())
}
