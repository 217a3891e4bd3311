//! A kernel in the test's own process, the tools beside it, and modules compiled on the spot.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use kernel::{Kernel, Modversions, Server};
use tempfile::TempDir;

/// The release of the test's kernels.
pub(crate) const RELEASE: &str = "2.0.40-test";

/// What modules noted, by key. Modules of all tests run in this process, so each test has a key of its own.
static NOTES: Mutex<Option<HashMap<i64, Vec<i64>>>> = Mutex::new(None);

/// The next key.
static KEYS: AtomicI64 = AtomicI64::new(1);

/// Exported to modules: notes a number under the test's key.
extern "C" fn note(key: i64, value: i64) {
    NOTES.lock().unwrap().get_or_insert_default().entry(key).or_default().push(value);
}

/// Exported to modules: answers once something was noted under the key's negative.
extern "C" fn wait_for(key: i64) {
    while !NOTES.lock().unwrap().get_or_insert_default().contains_key(&-key) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// What every module of these tests begins with.
const PRELUDE: &str = r#"
extern void note(long key, long value);
extern void wait_for(long key);
extern long mod_use_count_ __attribute__((visibility("hidden")));
#define PASTE(a, b) a##b
#define NAMED(a, b) PASTE(a, b)
#define MODINFO(text) static const char NAMED(info_, __COUNTER__)[] __attribute__((section(".modinfo"), used, aligned(1))) = text
#define EXPORT(name) static const char NAMED(export_, __COUNTER__)[] __attribute__((section("__ksymtab_strings"), used, aligned(1))) = #name
#ifdef RELEASE
MODINFO("kernel_version=" RELEASE);
#endif
#define PROTO(name, text) static const char NAMED(proto_, __COUNTER__)[] __attribute__((section("__kproto"), used, aligned(1))) = #name "\0" text
"#;

/// A module that notes 1 when it comes and 2 when it goes.
pub(crate) const HELLO: &str = "int init_module(void) { note(KEY, 1); return 0; }\nvoid cleanup_module(void) { note(KEY, 2); }\n";

/// How a tool ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        let done = command.stdin(Stdio::null()).output().expect("the tool runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: done.status.code(), stdout: text(&done.stdout), stderr: text(&done.stderr) }
    }

    /// It must have succeeded without a word of complaint; answers its output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// It must have succeeded; answers what it said on standard error.
    #[track_caller]
    pub(crate) fn warns(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        assert_ne!(self.stderr, "", "a warning was expected");
        self.stderr
    }

    /// It must have failed with status 1 and without output; answers its complaint.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        self.stderr
    }
}

/// A kernel, a directory, a key.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) kernel: Kernel,
    pub(crate) key: i64,
    _server: Server,
}

impl World {
    /// With a kernel whose symbols carry no versions.
    pub(crate) fn new() -> Self {
        Self::with(Modversions::Off)
    }

    pub(crate) fn with(modversions: Modversions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(Mutex::new(Vec::<String>::new()));
        let (sink, reader) = (Arc::clone(&log), Arc::clone(&log));
        let kernel = Kernel::builder()
            .sysname("test")
            .release(RELEASE)
            .export("note", note as *const () as usize as u64, "void note(long, long)")
            .export("wait_for", wait_for as *const () as usize as u64, "void wait_for(long)")
            .modversions(modversions)
            .log(move |_, line| sink.lock().unwrap().push(line.to_owned()))
            .kmsg(move || reader.lock().unwrap().join("\n"))
            .build()
            .expect("a kernel");
        let server = kernel.serve(dir.path().join("kernel")).expect("a server");
        Self { dir, kernel, key: KEYS.fetch_add(1, Ordering::Relaxed), _server: server }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("kernel")
    }

    /// A tool, not yet started: it finds the kernel and nothing else of the machine's.
    pub(crate) fn command(&self, tool: &str) -> Command {
        let mut command = bare(tool);
        command.env("MODUTILS_KERNEL", self.socket()).env("MODULES_ROOT", self.dir.path()).current_dir(self.dir.path());
        command
    }

    /// Runs a tool with arguments parted by blanks.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Outcome {
        let mut words = line.split_whitespace();
        Outcome::of(self.command(words.next().expect("a tool")).args(words))
    }

    /// Compiles `NAME.o` in the world's directory: a module for the kernel's release.
    #[track_caller]
    pub(crate) fn compile(&self, name: &str, source: &str) -> PathBuf {
        self.compile_with(name, source, &[&format!("-DRELEASE=\"{RELEASE}\"")])
    }

    /// Compiles `NAME.o` with further flags; it does not say for which release it is.
    #[track_caller]
    pub(crate) fn compile_with(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let (input, output) = (self.path(&format!("{name}.c")), self.path(&format!("{name}.o")));
        std::fs::write(&input, format!("{PRELUDE}{source}")).unwrap();
        let mut compiler = Command::new("gcc");
        compiler.args(["-O1", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-fno-builtin", &format!("-DKEY={}L", self.key)]);
        let done = compiler.args(flags).arg("-c").arg(&input).arg("-o").arg(&output).output().expect("gcc runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        output
    }

    /// What the world's modules noted since the last time.
    pub(crate) fn notes(&self) -> Vec<i64> {
        NOTES.lock().unwrap().get_or_insert_default().remove(&self.key).unwrap_or_default()
    }

    /// Lets modules that wait go on.
    pub(crate) fn release(&self) {
        note(-self.key, 0);
    }

    /// Names of the loaded modules, newest first.
    pub(crate) fn loaded(&self) -> Vec<String> {
        let text = uapi::Client::connect(&self.socket()).and_then(|mut client| client.read(uapi::ProcFile::Modules)).unwrap();
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }
}

/// A tool without any kernel, in an environment of its own.
pub(crate) fn bare(tool: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modutils"));
    std::os::unix::process::CommandExt::arg0(&mut command, tool);
    for name in ["MODUTILS_KERNEL", "MODULES_ROOT", "MODPATH", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 20, "waited in vain until {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A path as text.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}
