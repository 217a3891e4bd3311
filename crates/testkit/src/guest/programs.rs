//! Small C programs that guests need, as static programs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::workspace;

/// Held while a program is compiled.
static COMPILING: Mutex<()> = Mutex::new(());

/// Compiles `programs/NAME.c`, or all C files of the folder `programs/NAME`, without any library.
///
/// # Panics
/// Where it does not compile.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let sources = workspace().join("crates/testkit/src/guest/programs");
    let folder = workspace().join("target/static/programs");
    std::fs::create_dir_all(&folder).expect("a folder for programs");
    let single = sources.join(format!("{name}.c"));
    let files = if single.exists() {
        vec![single]
    } else {
        let entries = std::fs::read_dir(sources.join(name)).expect("the sources");
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
        files.sort();
        files
    };
    // Several tests may compile at once: each process writes a file of its own and renames it, one thread after the other.
    let _one = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let draft = folder.join(format!("{name}.{}", std::process::id()));
    let done = Command::new("cc").args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&draft).args(files).output();
    let done = done.expect("the C compiler runs");
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    let program = folder.join(name);
    std::fs::rename(draft, &program).expect("the program");
    program
}
