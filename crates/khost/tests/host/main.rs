//! The host with real modules: C code compiled here, loaded into this process, called through the VFS, the interrupt lines and
//! the exports. One process is one kernel, so all tests share it, each with modules and mount points of its own.

mod devices;
mod file_systems;
mod modules;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use kernel::Load;
use khost::vfs::MountSpec;
use khost::{Host, Options};
use uapi::Errno;

/// The kernel of this process.
fn host() -> &'static Host {
    static HOST: OnceLock<&'static Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let host = Host::start(Options::default()).expect("a host");
        khost::timer::start(host).expect("a timer");
        host
    })
}

/// The object of a module in `tests/modules`, compiled once.
fn object(name: &str) -> Vec<u8> {
    static OBJECTS: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let mut objects = OBJECTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    objects.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| compile(name)).clone()
}

fn compile(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/modules/{name}.c"));
    compile_source(&std::fs::read_to_string(path).unwrap())
}

/// Compiles C source as module authors are told to.
fn compile_source(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("module.c"), folder.path().join("module.o"));
    std::fs::write(&input, source).unwrap();
    let flags = ["-std=gnu11", "-O2", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-I"];
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/include");
    let mut compiler = Command::new("cc");
    compiler.args(flags).arg(include).arg("-c").arg(&input).arg("-o").arg(&output);
    let done = compiler.output().expect("the C compiler `cc` (package gcc) runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(output).unwrap()
}

/// Loads a module under a name, with parameters.
fn load(source: &str, name: &str, parameters: &[&str]) -> Result<(), kernel::Error> {
    let how = Load { name, parameters, force: kernel::Force::Yes, ..Load::default() };
    host().kernel().load(&object(source), &how)
}

/// The lines of the log that hold a word.
fn log(word: &str) -> Vec<String> {
    host().services().log.lines(0).into_iter().map(|line| line.text).filter(|text| text.contains(word)).collect()
}

fn mount(source: &Path, kind: &str, point: &str, options: &str) -> Result<(), Errno> {
    host().mount(&MountSpec {
        source: source.to_string_lossy().into_owned(),
        kind: kind.to_owned(),
        point: point.to_owned(),
        options: options.to_owned(),
    })
}

/// A device with recognizable contents, not a whole number of blocks.
fn device() -> (tempfile::NamedTempFile, Vec<u8>) {
    let bytes: Vec<u8> = (0..100_123_u32).flat_map(|number| number.to_le_bytes()).take(100_123).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    (file, bytes)
}
