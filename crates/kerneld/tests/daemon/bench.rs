//! A place with a kernel, stub programs that write down how they were called, and daemons.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::fake_kernel::{FakeKernel, PATIENCE};

pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) kernel: FakeKernel,
}

impl Bench {
    /// A kernel, and stubs of all programs that succeed at once.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kernel = FakeKernel::listen(&directory.path().join("kernel"));
        let bench = Self { directory, kernel };
        bench.stub("modprobe", "");
        bench.stub("request-route", "");
        bench.stub("blanker", "trap 'exit 0' QUIT\nwhile [ -e \"$0\" ]; do sleep 0.05; done");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program that writes down its arguments and environment, and then does `body`.
    pub(crate) fn stub(&self, name: &str, body: &str) {
        let (path, calls) = (self.path(name), self.path(&format!("{name}.calls")));
        let script =
            format!("#!/bin/sh\necho \"$* trigger=$KERNELD_TRIGGER kernel=${{MODUTILS_KERNEL##*/}}\" >> '{}'\n{body}\n", calls.display());
        // Another name first: a program that is being written cannot be run.
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, script).unwrap();
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// How a stub has been called, one call a line.
    pub(crate) fn calls(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(&format!("{name}.calls"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for that many calls.
    pub(crate) fn wait_for_calls(&self, name: &str, count: usize) -> Vec<String> {
        wait_until(&format!("{count} calls of {name}"), || self.calls(name).len() >= count);
        self.calls(name)
    }

    /// The options that every daemon here gets.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerneld"));
        command.arg("--kernel").arg(&self.kernel.socket).arg("--syslog").arg(self.path("syslog"));
        for program in ["modprobe", "request-route", "blanker"] {
            command.arg(format!("--{program}")).arg(self.path(program));
        }
        command.args(words).env_remove("MODUTILS_KERNEL").stdin(Stdio::null());
        command
    }

    /// A daemon in the foreground, attached.
    pub(crate) fn daemon(&self, words: &[&str]) -> Daemon {
        let daemon = self.daemon_unattached(words);
        daemon.wait_for("started, pid=");
        daemon
    }

    /// A daemon in the foreground that may fail to attach.
    pub(crate) fn daemon_unattached(&self, words: &[&str]) -> Daemon {
        let mut command = self.command(words);
        Daemon::start(command.arg("--foreground"), self.directory.path())
    }
}

/// A daemon, killed at the end of the test.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(command: &mut Command, directory: &Path) -> Self {
        let log = tempfile::Builder::new().prefix("log").tempfile_in(directory).unwrap();
        let (log, path) = log.keep().unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, log: path }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line that holds `text`.
    pub(crate) fn wait_for(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "no `{text}` in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the daemon does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Has it not ended?
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
