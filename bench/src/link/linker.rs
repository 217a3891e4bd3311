//! Linking the work as a shared object: the step that a loader of relocatable objects saves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::command;
use crate::error::{Error, Result};
use crate::measure::{self, Samples};
use crate::work::{self, Flavour};

/// The linkers that are tried; those that are missing are left out of the report.
pub(super) const LINKERS: [&str; 4] = ["wild", "mold", "ld.lld", "ld.bfd"];

/// Those that fork and let the parent end before their output is torn down.
const FORKING: [&str; 2] = ["wild", "mold"];

/// A linker that is here, and what it calls itself.
#[derive(Debug, Clone)]
pub(super) struct Linker {
    pub(super) name: &'static str,
    pub(super) version: String,
    program: String,
}

impl Linker {
    /// The linker `name` from the search path, or from where `cargo install --root` of the benchmarks puts it.
    pub(super) fn find(name: &'static str) -> Option<Self> {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/target/rivals/bin/").to_owned() + name;
        let found = [name.to_owned(), own].into_iter().find_map(|program| Some((command::version(&program)?, program)));
        found.map(|(version, program)| Self { name, version, program })
    }

    /// Links once and returns nanoseconds: the wall clock, because linkers use several threads, or the processor's time
    /// if that is less, because then other work on the machine kept the linker waiting.
    fn link(&self, object: &Path, shared: &Path) -> Result<u64> {
        let _ = std::fs::remove_file(shared);
        let (start, before) = (Instant::now(), measure::children_time()?);
        let mut link = Command::new(&self.program);
        if FORKING.contains(&self.name) {
            // Otherwise the work is done by a process that outlives the one that is waited for.
            link.arg("--no-fork");
        }
        command::run(link.args(["-shared", "--eh-frame-hdr", "-o"]).arg(shared).arg(object))?;
        let processor = measure::children_time()?.saturating_sub(before);
        Ok(u64::try_from(start.elapsed().min(processor).as_nanos()).unwrap_or(u64::MAX))
    }

    /// Links the work `times` times.
    pub(super) fn measure(&self, functions: u32, times: usize) -> Result<Samples> {
        let (object, shared) = (work::object(Flavour::Pic, functions)?, path(self.name, functions));
        let times: Result<Vec<u64>> = (0..times).map(|_| self.link(&object, &shared)).collect();
        Ok(Samples::new(times?))
    }
}

/// Where the shared object of the linker `name` lies.
fn path(name: &str, functions: u32) -> PathBuf {
    work::folder().join(format!("{name}-{functions}.so"))
}

/// The shared object of the linker `name`, linked now if it is not there.
pub(super) fn shared_object(name: &'static str, functions: u32) -> Result<PathBuf> {
    let shared = path(name, functions);
    let object = work::object(Flavour::Pic, functions)?;
    let age = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if age(&shared).is_none_or(|made| age(&object).is_some_and(|object| object > made)) {
        let missing = || Error::Loader { loader: name.to_owned(), reason: "there is no such linker here".to_owned() };
        Linker::find(name).ok_or_else(missing)?.link(&object, &shared)?;
    }
    Ok(shared)
}
