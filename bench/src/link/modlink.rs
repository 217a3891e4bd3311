//! The linker that this is about: in memory alone, and from the file with everything around it.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use ::modlink::{Addr, Buffer, Image, LayoutOptions, Object, Parts};

use crate::error::{Error, Result};
use crate::host;
use crate::mapping::{FileMapping, Mapping, Pages, Place};

use super::subject::{Entry, Ping, Subject, read, refused};

const NAME: &str = "modlink";

/// Code that is linked into its mapping.
struct Loaded {
    mapping: Mapping,
    parts: Parts,
}

/// Parses and links `bytes` into fresh memory; `look` sees the image before the object is let go.
fn link<T>(bytes: &[u8], place: Place, pages: Pages, look: impl FnOnce(&Image<'_>) -> T) -> Result<(Loaded, T)> {
    let refuse = |error: ::modlink::Error| refused(NAME, error);
    let object = Object::parse(bytes).map_err(refuse)?;
    let options = LayoutOptions { buffer: Buffer::Zeroed, ..LayoutOptions::default() };
    let layout = object.layout(&options).map_err(refuse)?;
    let size = usize::try_from(layout.size()).map_err(|error| refused(NAME, error))?;
    let mut mapping = Mapping::with_pages(place, size, pages)?;
    let base = Addr(mapping.address());
    let out = mapping.bytes().get_mut(..size).unwrap_or_default();
    let image = layout.link(base, |name| host::resolve(name).map(Addr), out).map_err(refuse)?;
    let seen = look(&image);
    Ok((Loaded { mapping, parts: layout.parts().clone() }, seen))
}

impl Loaded {
    /// Gives each part the access that it runs with (W^X).
    fn seal(&self) -> Result<()> {
        let code = libc::PROT_READ | libc::PROT_EXEC;
        let parts = [(&self.parts.text, code), (&self.parts.rodata, libc::PROT_READ), (&self.parts.init_text, code)];
        parts.into_iter().try_for_each(|(range, access)| {
            let byte = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            self.mapping.protect(byte(range.start)..byte(range.end), access)
        })
    }
}

/// Calls `bench_entry`, which the sealed image has at `at`.
fn call(at: Addr) -> u32 {
    let entry = std::ptr::with_exposed_provenance::<()>(at.0 as usize);
    // SAFETY: the linked work has `bench_entry` of `work/entry.c` there, which has this type.
    let entry: Entry = unsafe { std::mem::transmute(entry) };
    entry(1)
}

/// Calls `bench_ping`, which the sealed image has at `at`.
fn arrive(at: Addr) -> Result<()> {
    let ping = std::ptr::with_exposed_provenance::<()>(at.0 as usize);
    // SAFETY: the linked work has `bench_ping` of `work/entry.c` there, which has this type.
    let ping: Ping = unsafe { std::mem::transmute(ping) };
    if ping() > 0 { Ok(()) } else { Err(refused(NAME, "the call did not arrive")) }
}

/// The linker alone: object and image are in memory.
pub(super) struct Core {
    object: Vec<u8>,
    place: Place,
    loaded: Option<Loaded>,
}

impl Core {
    pub(super) fn new(path: &Path, place: Place) -> Result<Self> {
        Ok(Self { object: read(path)?, place, loaded: None })
    }

    /// Where `bench_entry` lies in an image, which is not part of linking it.
    fn entry(&self) -> Option<u64> {
        let object = Object::parse(&self.object).ok()?;
        let layout = object.layout(&LayoutOptions::default()).ok()?;
        layout.offset_of(object.find("bench_entry")?.index)
    }
}

impl Subject for Core {
    fn load(&mut self) -> Result<()> {
        self.loaded = Some(link(&self.object, self.place, Pages::Later, |_| ())?.0);
        Ok(())
    }

    fn call(&mut self) -> Result<Option<u32>> {
        let loaded = self.loaded.as_ref().ok_or_else(|| refused(NAME, "nothing is loaded"))?;
        let entry = self.entry().ok_or_else(|| refused(NAME, "no `bench_entry`"))?;
        // The floor does not seal either, so this is outside of the time.
        loaded.seal()?;
        Ok(Some(call(Addr(loaded.mapping.address()).offset(entry))))
    }

    fn unload(&mut self) {
        self.loaded = None;
    }
}

/// All that a loader does: open, map, link near the host, keep the export table, seal, call.
pub(super) struct FromFile {
    path: PathBuf,
    loaded: Option<(Loaded, Exports)>,
}

/// Every global name of a module with its address: what stays when the file is let go.
struct Exports {
    names: String,
    /// Where each name ends in `names`, and its address.
    entries: Vec<(u32, Addr)>,
}

impl Exports {
    fn collect(image: &Image<'_>) -> Self {
        let exports = image.exports();
        let most = exports.size_hint().1.unwrap_or(0);
        // Names of so many bytes on average need no second piece of memory.
        const NAME: usize = 16;
        let mut table = Self { names: String::with_capacity(most * NAME), entries: Vec::with_capacity(most) };
        for (name, addr) in exports {
            table.names.push_str(name);
            table.entries.push((u32::try_from(table.names.len()).unwrap_or(u32::MAX), addr));
        }
        table
    }

    fn find(&self, name: &str) -> Option<Addr> {
        let mut start = 0;
        self.entries.iter().find_map(|&(end, addr)| {
            let found = self.names.get(std::mem::replace(&mut start, end as usize)..end as usize);
            (found == Some(name)).then_some(addr)
        })
    }
}

impl FromFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), loaded: None }
    }
}

impl Subject for FromFile {
    fn load(&mut self) -> Result<()> {
        let file = File::open(&self.path).map_err(|source| Error::File { path: self.path.clone(), source })?;
        let bytes = FileMapping::new(file.as_raw_fd())?;
        let (loaded, exports) = link(bytes.bytes(), Place::Near, Pages::Present, Exports::collect)?;
        loaded.seal()?;
        arrive(exports.find("bench_ping").ok_or_else(|| refused(NAME, "no `bench_ping`"))?)?;
        self.loaded = Some((loaded, exports));
        Ok(())
    }

    fn call(&mut self) -> Result<Option<u32>> {
        let (_, exports) = self.loaded.as_ref().ok_or_else(|| refused(NAME, "nothing is loaded"))?;
        let entry = exports.find("bench_entry").ok_or_else(|| refused(NAME, "no `bench_entry` in the export table"))?;
        Ok(Some(call(entry)))
    }

    fn unload(&mut self) {
        self.loaded = None;
    }
}
