//! The daemon against the kernel library: the channel, its limits, and the idle timer that removes real modules.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::{Kernel, Lifetime, Load, Server, Wait};
use tempfile::TempDir;
use uapi::ProcFile;
use uapi::kerneld::{MAX_DAEMONS, Request};

const PATIENCE: Duration = Duration::from_secs(20);
const RELEASE: &str = "2.0.40-test";
const ENODEV: i32 = -19;

struct Bench {
    directory: TempDir,
    kernel: Kernel,
    server: Server,
    log: Arc<Mutex<String>>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // For the daemon of an ordinary user.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        let kernel = Kernel::builder()
            .release(RELEASE)
            .log(move |_, line| {
                let mut log = sink.lock().unwrap();
                log.push_str(line);
                log.push('\n');
            })
            .build()
            .unwrap();
        let server = kernel.serve(directory.path().join("kernel")).unwrap();
        let bench = Self { directory, kernel, server, log };
        bench.modprobe("exit 0");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A modprobe that writes down its arguments, and then does `body`.
    fn modprobe(&self, body: &str) {
        let new = self.path("modprobe.new");
        std::fs::write(&new, format!("#!/bin/sh\necho \"$*\" >> '{}'\n{body}\n", self.path("calls").display())).unwrap();
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(new, self.path("modprobe")).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        if program != env!("CARGO_BIN_EXE_kerneld") {
            command.args(words).arg(env!("CARGO_BIN_EXE_kerneld"));
        }
        command.arg("--kernel").arg(self.server.path()).arg("--modprobe").arg(self.path("modprobe"));
        command.args(["--syslog", "/nonexistent/log"]).stdin(Stdio::null()).env_remove("MODUTILS_KERNEL");
        if program == env!("CARGO_BIN_EXE_kerneld") {
            command.args(words);
        }
        command
    }

    /// A daemon, attached.
    fn daemon(&self, words: &[&str]) -> Daemon {
        let before = self.attached();
        let mut command = self.command(env!("CARGO_BIN_EXE_kerneld"), words);
        let child = command.arg("--foreground").stderr(Stdio::null()).spawn().unwrap();
        let daemon = Daemon(child);
        wait_until("the daemon to attach", || self.attached() > before);
        daemon
    }

    fn attached(&self) -> usize {
        self.log().matches(" attached\n").count()
    }

    /// A daemon that cannot attach.
    fn refused(&self, program: &str, words: &[&str]) -> String {
        let Output { status, stderr, .. } = self.command(program, words).output().unwrap();
        assert_eq!(status.code(), Some(1));
        String::from_utf8(stderr).unwrap()
    }

    fn modules(&self) -> String {
        let mut client = uapi::Client::connect(self.server.path()).unwrap();
        client.read(ProcFile::Modules).unwrap()
    }

    /// Loads a module that does nothing, as `modprobe -k` would.
    fn load(&self, name: &str, lifetime: Lifetime) {
        let (source, object) = (self.path("module.c"), self.path("module.o"));
        let text = format!(
            "static const char version[] __attribute__((section(\".modinfo\"), used)) = \"kernel_version={RELEASE}\";\n\
             int init_module(void) {{ return 0; }}\nvoid cleanup_module(void) {{}}\n"
        );
        std::fs::write(&source, text).unwrap();
        let mut gcc = Command::new("cc");
        assert!(gcc.args(["-c", "-O2", "-fPIC", "-o"]).arg(&object).arg(&source).status().unwrap().success());
        let how = Load { lifetime, ..Load::named(name) };
        self.kernel.load(&std::fs::read(object).unwrap(), &how).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Killed at the end of the test.
struct Daemon(Child);

impl Daemon {
    /// `kill -9`.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn request_module_runs_modprobe_and_returns_its_status() {
    let bench = Bench::new();
    assert_eq!(bench.kernel.request_module("vfat"), ENODEV, "no daemon");
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.request_module("vfat"), 0);
    bench.modprobe("exit 7");
    assert_eq!(bench.kernel.request_module("minix"), 7);
    assert_eq!(bench.calls(), ["-k -s -- vfat", "-k -s -- minix"]);
}

#[test]
fn parallel_requests_for_a_module_share_one_modprobe() {
    let bench = Bench::new();
    bench.modprobe("sleep 1; exit 3");
    let _daemon = bench.daemon(&[]);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let kernel = bench.kernel.clone();
            std::thread::spawn(move || kernel.request_module("vfat"))
        })
        .collect();
    for request in requests {
        assert_eq!(request.join().unwrap(), 3);
    }
    assert_eq!(bench.calls().len(), 1);
}

#[test]
fn parallel_requests_for_a_route_share_one_request_route() {
    let bench = Bench::new();
    bench.modprobe("sleep 1");
    // The same program for both: what it is called with tells them apart.
    let route = bench.path("modprobe");
    let _daemon = bench.daemon(&["--request-route", route.to_str().unwrap()]);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let kernel = bench.kernel.clone();
            std::thread::spawn(move || kernel.kerneld_send(Request::RequestRoute, "192.168.9.1", Wait::Reply).status)
        })
        .collect();
    for request in requests {
        assert_eq!(request.join().unwrap(), 0);
    }
    assert_eq!(bench.calls(), ["192.168.9.1"]);
}

#[test]
fn output_and_conversation_cross_the_channel() {
    let bench = Bench::new();
    let daemon = bench.daemon(&["delay=180", "keep"]);
    let reply = bench.kernel.kerneld_send(Request::System, "echo hello; exit 5", Wait::Reply);
    assert_eq!((reply.status, reply.text.as_str()), (5, "hello\n"));
    let reply = bench.kernel.kerneld_send(Request::Debug, "", Wait::Reply);
    let expected = format!("Version {}, pid={}, delay=180, keep, nodebug\n", env!("CARGO_PKG_VERSION"), daemon.0.id());
    assert!(reply.status == 0 && reply.text.starts_with(&expected), "{reply:?}");
}

#[test]
fn a_daemon_that_dies_is_noticed_at_once_and_the_next_serves() {
    let bench = Bench::new();
    bench.modprobe("sleep 60");
    let mut daemon = bench.daemon(&[]);
    let kernel = bench.kernel.clone();
    let request = std::thread::spawn(move || kernel.request_module("vfat"));
    wait_until("modprobe", || bench.calls().len() == 1);
    let begin = Instant::now();
    daemon.kill();
    assert_eq!(request.join().unwrap(), ENODEV);
    assert_eq!(bench.kernel.request_module("vfat"), ENODEV);
    assert!(begin.elapsed() < Duration::from_secs(5));
    bench.modprobe("exit 0");
    let _next = bench.daemon(&[]);
    assert_eq!(bench.kernel.request_module("vfat"), 0);
}

#[test]
fn two_daemons_share_the_work_by_type() {
    let bench = Bench::new();
    let mut modules = bench.daemon(&["type=2"]);
    let _shell = bench.daemon(&["type=1"]);
    assert_eq!(bench.kernel.request_module("vfat"), 0);
    assert_eq!(bench.kernel.kerneld_send(Request::System, "exit 2", Wait::Reply).status, 2);
    modules.kill();
    assert_eq!(bench.kernel.request_module("vfat"), ENODEV, "nobody takes it within a second");
    wait_until("the line in the log", || bench.log().contains("Ouch, no kerneld for message"));
}

#[test]
fn twenty_daemons_attach_and_the_next_is_refused() {
    let bench = Bench::new();
    let mut daemons: Vec<_> = (0..MAX_DAEMONS).map(|_| bench.daemon(&["keep"])).collect();
    let refusal = bench.refused(env!("CARGO_BIN_EXE_kerneld"), &[]);
    assert!(refusal.contains("No space left on device"), "{refusal}");
    for number in 0..100 {
        assert_eq!(bench.kernel.request_module(&format!("module{number}")), 0);
    }
    assert_eq!(bench.calls().len(), 100, "each request goes to one daemon");
    daemons.pop();
    wait_until("its place to be free", || bench.log().contains(" detached"));
    let _again = bench.daemon(&[]);
}

#[test]
fn an_ordinary_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can be somebody else, and a kernel's own user is welcome.
        return;
    }
    let bench = Bench::new();
    let refusal = bench.refused("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups"]);
    assert!(refusal.contains("Operation not permitted"), "{refusal}");
    assert_eq!(bench.attached(), 0);
}

#[test]
fn an_unused_module_goes_between_one_and_two_delays_later() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1"]);
    bench.load("stays", Lifetime::Manual);
    bench.load("goes", Lifetime::Autoclean);
    // The request is what sets the timer anew.
    assert_eq!(bench.kernel.request_module("goes"), 0);
    let begin = Instant::now();
    assert!(bench.modules().contains("goes "));
    wait_until("it to be removed", || !bench.modules().contains("goes "));
    let lived = begin.elapsed();
    assert!(lived > Duration::from_millis(1800) && lived < Duration::from_millis(4500), "{lived:?}");
    assert!(bench.modules().contains("stays "));
}

#[test]
fn with_keep_nothing_goes() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1", "keep"]);
    bench.load("stays", Lifetime::Autoclean);
    std::thread::sleep(Duration::from_secs(4));
    assert!(bench.modules().contains("stays "));
    assert_eq!(bench.kernel.kerneld_send(Request::Debug, "nokeep", Wait::Reply).status, 0);
    wait_until("it to be removed", || bench.modules().is_empty());
}

#[test]
fn the_daemon_ends_with_its_kernel() {
    let mut bench = Bench::new();
    let mut daemon = bench.daemon(&[]);
    let Bench { kernel, server, .. } = &mut bench;
    // Another kernel takes the place of this one, so that both of its handles can be dropped.
    let directory = tempfile::tempdir().unwrap();
    let other = Kernel::builder().build().unwrap();
    *server = other.serve(directory.path().join("kernel")).unwrap();
    *kernel = other;
    wait_until("its end", || daemon.0.try_wait().unwrap().is_some_and(|status| status.code() == Some(1)));
}
