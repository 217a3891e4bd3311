//! What is timed: one loader with its input, which loads, runs and unloads.

use std::path::Path;

use crate::error::{Error, Result};
use crate::mapping::Place;
use crate::work::Flavour;

use super::{elf_loader, floor, kmod_loader, modlink, shared};

/// A loader with its input.
pub(super) trait Subject {
    /// What must be there before a load and is not its work; not timed.
    ///
    /// # Errors
    /// Whatever is missing.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Loads the work, ready to be called unless the subject says otherwise; timed.
    ///
    /// # Errors
    /// [`Error::Loader`] with the loader's words.
    fn load(&mut self) -> Result<()>;

    /// Calls `bench_entry(1)` of what is loaded; nothing if the subject makes no code that runs.
    ///
    /// # Errors
    /// [`Error::Loader`] when the entry is not found.
    fn call(&mut self) -> Result<Option<u32>>;

    /// Unloads; not timed.
    fn unload(&mut self);
}

/// The function that all loaded work is checked by: `bench_entry` of `work/entry.c`.
pub(super) type Entry = extern "C" fn(i32) -> u32;
/// A call that does nothing but arrive: `bench_ping` of `work/entry.c`.
pub(super) type Ping = extern "C" fn() -> i32;

/// Which file a subject takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The relocatable object of a flavour.
    Object(Flavour),
    /// The `-fPIC` object linked as a shared object by the linker of that name.
    Shared(&'static str),
}

/// A row of the table of subjects.
#[derive(Clone, Copy)]
pub(super) struct Spec {
    /// Names the subject on a command line.
    pub(super) key: &'static str,
    /// Names it in reports.
    pub(super) title: &'static str,
    pub(super) input: Input,
    make: fn(&Path) -> Result<Box<dyn Subject>>,
}

/// Every subject that loads in this process.
pub(super) const SUBJECTS: [Spec; 9] = [
    Spec {
        key: "floor",
        title: "floor: map, copy, write 8 bytes per relocation",
        input: Input::Object(Flavour::Pic),
        make: |path| floor::Floor::new(path).map(boxed),
    },
    Spec {
        key: "modlink-near",
        title: "modlink, core link near the host",
        input: Input::Object(Flavour::Pic),
        make: |path| modlink::Core::new(path, Place::Near).map(boxed),
    },
    Spec {
        key: "modlink-far",
        title: "modlink, core link far from the host",
        input: Input::Object(Flavour::Pic),
        make: |path| modlink::Core::new(path, Place::Far).map(boxed),
    },
    Spec {
        key: "modlink-file",
        title: "modlink, from the file with the export table",
        input: Input::Object(Flavour::Pic),
        make: |path| Ok(boxed(modlink::FromFile::new(path))),
    },
    Spec {
        key: "dlopen-lld",
        title: "dlopen(RTLD_NOW), linked by lld",
        input: Input::Shared("ld.lld"),
        make: |path| Ok(boxed(shared::Shared::new(path))),
    },
    Spec {
        key: "dlopen-mold",
        title: "dlopen(RTLD_NOW), linked by mold",
        input: Input::Shared("mold"),
        make: |path| Ok(boxed(shared::Shared::new(path))),
    },
    Spec {
        key: "kmod-loader-pie",
        title: "kmod-loader 0.3.1, -fPIE near the host",
        input: Input::Object(Flavour::Pie),
        make: |path| kmod_loader::KmodLoader::new(path).map(boxed),
    },
    Spec {
        key: "kmod-loader-large",
        title: "kmod-loader 0.3.1, -mcmodel=large",
        input: Input::Object(Flavour::Large),
        make: |path| kmod_loader::KmodLoader::new(path).map(boxed),
    },
    Spec {
        key: "elf_loader-large",
        title: "elf_loader 0.18.0, -mcmodel=large",
        input: Input::Object(Flavour::Large),
        make: |path| elf_loader::ElfLoader::new(path).map(boxed),
    },
];

impl Spec {
    /// The subject named `key`.
    pub(super) fn find(key: &str) -> Option<Self> {
        SUBJECTS.into_iter().find(|spec| spec.key == key)
    }

    /// The subject over the input file at `path`.
    pub(super) fn make(&self, path: &Path) -> Result<Box<dyn Subject>> {
        (self.make)(path)
    }
}

fn boxed<S: Subject + 'static>(subject: S) -> Box<dyn Subject> {
    Box::new(subject)
}

/// A refusal in a loader's own words.
pub(super) fn refused(loader: &str, reason: impl std::fmt::Display) -> Error {
    Error::Loader { loader: loader.to_owned(), reason: reason.to_string() }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::File { path: path.to_path_buf(), source })
}
