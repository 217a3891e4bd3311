//! Modules in Rust: a static library with its own copy of what it uses of `core`, joined to one object by GNU ld.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use super::cache::{Key, run};
use super::recipe::files_of;
use crate::workspace;

/// `rustc`'s part; the recipe is explained in `modules/rust/module.rs`.
const RUSTC: &[&str] =
    &["--edition", "2024", "--crate-type", "staticlib", "-O", "-C", "panic=abort", "-C", "lto=fat", "-C", "codegen-units=1"];

/// `ld`'s part: drop what `init_module`, `cleanup_module` and the exports do not reach.
const LD: &[&str] = &["-r", "--gc-sections", "-e", "init_module", "-u", "cleanup_module"];

/// Builds the module with this `lib.rs`.
pub(super) fn build(name: &str, root: &Path) -> Result<PathBuf, Error> {
    let shared = workspace().join("modules/rust");
    let script = shared.join("module.lds");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let mut key = Key::default();
    key.word((name, RUSTC, LD)).program(&rustc)?.program("ld")?.file(&script)?;
    for folder in [root.parent().unwrap_or(root), &shared] {
        for file in files_of(folder, "rs").map_err(Error::file(folder))? {
            key.file(&file)?;
        }
    }
    let object = format!("{name}.o");
    key.cached(&object, |folder| {
        let library = folder.join(format!("lib{name}.a"));
        run(Command::new(&rustc).args(RUSTC).args(["--crate-name", name]).arg(root).arg("-o").arg(&library))?;
        run(Command::new("ld").args(LD).arg("-T").arg(&script).arg(&library).arg("-o").arg(folder.join(&object)))?;
        std::fs::remove_file(&library).map_err(Error::file(&library))
    })
}
