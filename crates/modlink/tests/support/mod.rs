//! Compiling test objects, and asking other linkers what the bytes should be.
#![allow(dead_code, reason = "every test program uses a part of it")]

pub(crate) mod builder;
pub(crate) mod exercise;
pub(crate) mod oracle;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use modlink::{Addr, Layout, Object};
use tempfile::TempDir;

/// A directory for one test's files.
pub(crate) struct Work(TempDir);

impl Work {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("modlink-").expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Compiles a file of the corpus.
    pub(crate) fn corpus(&self, compiler: &str, flags: &str, file: &str) -> PathBuf {
        self.compile(compiler, flags, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(file))
    }

    /// Compiles source text.
    pub(crate) fn source(&self, compiler: &str, flags: &str, name: &str, text: &str) -> PathBuf {
        let source = self.path(name);
        fs::write(&source, text).expect("source");
        self.compile(compiler, flags, &source)
    }

    fn compile(&self, compiler: &str, flags: &str, source: &Path) -> PathBuf {
        let object = self.path("object.o");
        let mut command = Command::new(compiler);
        command.args(flags.split_whitespace());
        if compiler != "rustc" {
            command.arg("-c");
        }
        run(command.arg("-o").arg(&object).arg(source));
        object
    }
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The address of each import: 64 bytes apart from `first` on, in their order. Weak ones stay undefined where other
/// linkers can store that zero: in low memory.
pub(crate) fn addresses(layout: &Layout<'_>, first: u64) -> Vec<(String, Addr)> {
    let strong = layout.imports().filter(|import| !import.weak || first >> 31 != 0);
    strong.zip(0..).map(|(import, number)| (import.name.to_owned(), Addr(first + number * 64))).collect()
}

/// Looks a name up in [`addresses`].
pub(crate) fn find(addresses: &[(String, Addr)], name: &str) -> Option<Addr> {
    addresses.iter().find(|(known, _)| known == name).map(|&(_, addr)| addr)
}

/// Links `bytes` at `base` with imports from `imports` on.
pub(crate) fn link(bytes: &[u8], options: &modlink::LayoutOptions, base: u64, imports: u64) -> modlink::Result<Vec<u8>> {
    let object = Object::parse(bytes)?;
    let layout = object.layout(options)?;
    let addresses = addresses(&layout, imports);
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    layout.link(Addr(base), |name| find(&addresses, name), &mut out)?;
    Ok(out)
}
