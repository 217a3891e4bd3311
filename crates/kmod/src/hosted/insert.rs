//! The road of a module into a hosted kernel, in the order of classic insmod: everything that can be refused is refused before
//! the kernel is asked for memory; what goes wrong after that is undone.

use std::path::Path;

use modlink::module::{self, Exports, KernelSymbol, Options, Prepared};
use modlink::{Addr, Buffer, Format, Layout, LayoutOptions, Machine, Object, Part};
use uapi::{
    Arena, Client, ClientError, InitModule, KernelSym, MemoryLayout, ModuleName, PAGE_SIZE, PartRange, ProcFile, Reply, Routines,
    SymbolTable, Syscall,
};

use super::load_map::LoadMap;
use super::{Error, map, module_name};
use crate::file::ModuleFile;
use crate::kernel::{Depth, Globals, Insert, Lifetime};
use crate::text;

/// The base that [`Depth::Pretend`] links at (that of modutils' `insmod -n`).
pub const PRETENDED_BASE: u64 = 0x1234_0000;

/// How much is told of an inserted module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What is known anyway.
    #[default]
    Brief,
    /// The load map as well.
    LoadMap,
}

/// A module that went in, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its name in the kernel.
    pub name: String,
    /// Bytes of its image.
    pub size: u64,
    /// Where it runs; nothing with [`Depth::Poll`].
    pub base: Option<u64>,
    /// The modules that it uses, newest first.
    pub references: Vec<String>,
    /// What should be said about it.
    pub warnings: Vec<String>,
    /// Sections and symbols, where that was asked for.
    pub map: Option<LoadMap>,
}

/// Inserts a module.
pub(super) fn insert(client: &mut Client, request: &Insert<'_>, detail: Detail) -> Result<Inserted, Error> {
    let wrong = |error| Error::Object { path: request.path.to_owned(), error };
    let bytes = read(request.path)?;
    let name = checked_name(request)?;
    if let Some(parameter) = request.parameters.iter().find(|word| text::readable(word) != **word) {
        return Err(Error::NoText { parameter: parameter.clone() });
    }
    let kernel = client.uname()?;
    let symbols = client.kernel_syms()?;
    let object = Object::parse(&bytes).map_err(Box::new).map_err(wrong)?;
    if object.machine() != Machine::X86_64 {
        return Err(Error::Machine { path: request.path.to_owned(), module: object.machine(), kernel: kernel.machine });
    }
    let prepared = prepare(&object, request, &kernel.release, &symbols).map_err(wrong)?;
    let mut inserted = Inserted {
        name,
        size: prepared.layout().size(),
        base: None,
        references: prepared.references().iter().map(|reference| reference.name.clone()).collect(),
        warnings: prepared.warnings().iter().map(|warning| format!("{}: {warning}", request.path.display())).collect(),
        map: None,
    };
    match request.depth {
        Depth::Poll => {}
        Depth::Pretend => {
            let size = usize::try_from(inserted.size).map_err(|_| wrong(too_large(inserted.size)))?;
            let linked = link(&prepared, PRETENDED_BASE, &mut vec![0; size], detail).map_err(wrong)?;
            (inserted.base, inserted.map) = (Some(PRETENDED_BASE), linked.map);
        }
        Depth::Load => {
            let debugger = if kernel.debugger { Debugger::Attached } else { Debugger::Absent };
            let arena = if object.format() == Format::Aout { Arena::Low } else { Arena::Near };
            let module = Module { request, name: &inserted.name, prepared: &prepared, arena, debugger };
            let (base, map) = module.load(client, detail)?;
            (inserted.base, inserted.map) = (Some(base), map);
        }
    }
    Ok(inserted)
}

/// The name that the module will have.
fn checked_name(request: &Insert<'_>) -> Result<String, Error> {
    let name = request.name.map_or_else(|| module_name(request.path), str::to_owned);
    match ModuleName::new(&name) {
        Ok(_) => Ok(name),
        Err(error) => Err(Error::Name { name, error }),
    }
}

/// The bytes of the file, decompressed. They are read and not mapped: nobody changes or shortens them under the linker.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    ModuleFile::open(path).and_then(|file| file.bytes()).map_err(|error| Error::Open { path: path.to_owned(), error: Box::new(error) })
}

/// All checks and the plan.
fn prepare<'o>(
    object: &'o Object<'o>,
    request: &Insert<'_>,
    release: &str,
    symbols: &[KernelSym],
) -> Result<Prepared<'o>, Box<modlink::Error>> {
    let parameters: Vec<&str> = request.parameters.iter().map(String::as_str).collect();
    let symbols: Vec<KernelSymbol<'_>> = symbols.iter().map(|symbol| KernelSymbol { name: &symbol.name, value: symbol.value }).collect();
    let force = if request.force.vermagic { module::Force::Yes } else { module::Force::No };
    let options = Options {
        release,
        force,
        exports: if request.globals == Globals::Hide { Exports::None } else { Exports::Offered },
        parameters: &parameters,
        layout: LayoutOptions { page_size: PAGE_SIZE, buffer: Buffer::Zeroed, ..LayoutOptions::default() },
    };
    module::prepare(object, &options, symbols.as_slice()).map_err(Box::new)
}

/// The error for an image that this process cannot address.
fn too_large(size: u64) -> Box<modlink::Error> {
    Box::new(modlink::Error::TooLarge { size, limit: usize::MAX as u64 })
}

/// What stays of a linked module when its memory is unmapped.
struct Linked {
    routines: Routines,
    table: Option<SymbolTable>,
    map: Option<LoadMap>,
}

/// Writes the image for `base` into `out`, and draws up the table for the kernel: nothing where it would be empty.
fn link(prepared: &Prepared<'_>, base: u64, out: &mut [u8], detail: Detail) -> Result<Linked, Box<modlink::Error>> {
    let linked = prepared.link(Addr(base), out).map_err(Box::new)?;
    let symbols = linked.exports.iter().map(|export| KernelSym { value: export.addr.0, name: export.name.clone().into_owned() });
    let references = linked.references.iter().map(|reference| reference.value);
    let table = SymbolTable { symbols: symbols.collect(), references: references.collect() };
    Ok(Linked {
        routines: Routines { init: linked.init.0, cleanup: linked.cleanup.0 },
        table: Some(table).filter(|table| !table.symbols.is_empty() || !table.references.is_empty()),
        map: (detail == Detail::LoadMap).then(|| LoadMap::of(&linked.image)),
    })
}

/// Whether the kernel shows loaded code to a debugger.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Debugger {
    Attached,
    Absent,
}

/// A module that passed all checks, on its way in.
struct Module<'a> {
    request: &'a Insert<'a>,
    name: &'a str,
    prepared: &'a Prepared<'a>,
    arena: Arena,
    debugger: Debugger,
}

impl Module<'_> {
    /// `create_module`, the image, `init_module`. Where one of the last two fails, the entry is deleted again.
    fn load(&self, client: &mut Client, detail: Detail) -> Result<(u64, Option<LoadMap>), Error> {
        let (base, descriptor) = self.create(client)?;
        let done = self.write(base, descriptor, detail).and_then(|linked| {
            self.init(client, base, linked.routines, linked.table)?;
            Ok((base, linked.map))
        });
        if done.is_err() {
            // If this fails too, the kernel deletes the entry when the connection ends; the first error is the one to tell.
            drop(client.delete_module(Some(self.name)));
        }
        done
    }

    /// Asks for memory.
    fn create(&self, client: &mut Client) -> Result<(u64, std::os::fd::OwnedFd), Error> {
        let layout = memory_layout(self.prepared.layout());
        let call = Syscall::CreateModule { name: self.name.to_owned(), layout, arena: self.arena };
        match client.call_with_descriptor(&call) {
            Ok((Reply::Created { base }, Some(descriptor))) => Ok((base, descriptor)),
            Ok((reply, _)) => Err(ClientError::Unexpected { reply: format!("{reply:?}") }.into()),
            Err(ClientError::Errno(errno)) => Err(Error::Create { module: self.name.to_owned(), needed: layout.size(), errno }),
            Err(error) => Err(error.into()),
        }
    }

    /// Links into the kernel's memory, which is unmapped again before this returns.
    fn write(&self, base: u64, descriptor: std::os::fd::OwnedFd, detail: Detail) -> Result<Linked, Error> {
        let wrong = |error| Error::Object { path: self.request.path.to_owned(), error };
        let size = self.prepared.layout().size();
        let size = usize::try_from(size).map_err(|_| wrong(too_large(size)))?;
        let memory = map::shared(descriptor, size);
        let mut memory = memory.map_err(|error| Error::Map { module: self.name.to_owned(), error })?;
        link(self.prepared, base, &mut memory, detail).map_err(wrong)
    }

    /// Lets the kernel seal the memory and run the module's initialization.
    fn init(&self, client: &mut Client, base: u64, routines: Routines, table: Option<SymbolTable>) -> Result<(), Error> {
        let layout = self.prepared.layout();
        let debug_object = match self.debugger {
            Debugger::Attached => layout.debug_object(Addr(base)).unwrap_or_default(),
            Debugger::Absent => Vec::new(),
        };
        let call = InitModule {
            name: self.name.to_owned(),
            routines,
            autoclean: self.request.lifetime == Lifetime::Autoclean,
            forced: self.prepared.warnings().iter().any(module::Warning::is_override),
            table,
            eh_frame: eh_frame(layout),
            debug_object,
        };
        match client.call(&Syscall::InitModule(call)) {
            Ok(Reply::Done) => Ok(()),
            Ok(reply) => Err(ClientError::Unexpected { reply: format!("{reply:?}") }.into()),
            Err(ClientError::Errno(errno)) => {
                let log = last_word(client, self.name);
                Err(Error::Init { module: self.name.to_owned(), errno, log })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The parts of a layout, as the kernel is told of them.
fn memory_layout(layout: &Layout<'_>) -> MemoryLayout {
    let part = |part| {
        let range = layout.parts().get(part);
        PartRange { offset: range.start, size: range.end.saturating_sub(range.start) }
    };
    MemoryLayout { parts: [Part::Text, Part::Rodata, Part::Data, Part::InitText, Part::InitData].map(part) }
}

/// Where the frame information lies: offset and size, with the 4 zero bytes that end it.
fn eh_frame(layout: &Layout<'_>) -> Option<(u64, u64)> {
    let range = layout.eh_frame();
    let size = range.end.checked_sub(range.start).filter(|size| *size > 0)?;
    Some((range.start, size.checked_add(4)?))
}

/// The last line of the kernel's log, if it is about this module: the reply carries a number only, the reason is in the log.
fn last_word(client: &mut Client, name: &str) -> Option<String> {
    let log = client.read(ProcFile::Kmsg).ok()?;
    let line = log.lines().rev().take(8).find(|line| line.contains(name))?;
    // Without the time that kernel logs put in front: `[    1.167473] `.
    let text = line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, text)| text);
    Some(text.trim().to_owned())
}
