//! A world: a small root file system, a hosted kernel, its daemon, and the tools on a path.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use uapi::{Client, KERNEL_VARIABLE, ProcFile};

use crate::programs::TOOLS;
use crate::{Outcome, Programs};

/// The release of the kernels that worlds boot.
pub const RELEASE: &str = "2.0.40-world";

/// Waits until a condition holds.
///
/// # Panics
/// Where it does not hold within 20 seconds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A root, a kernel, and tools. All processes that it started end with it.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    programs: Programs,
    kernel: Option<Child>,
    daemons: Vec<Child>,
}

impl World {
    /// A root with an empty module tree and a folder of tools; no kernel yet.
    ///
    /// # Panics
    /// Where the programs do not build or the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let programs = Programs::built();
        let folder = tempfile::Builder::new().prefix("world").tempdir().expect("a temporary folder");
        let world = Self { folder, programs, kernel: None, daemons: Vec::new() };
        std::fs::create_dir_all(world.tree()).expect("a module tree");
        for list in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            std::fs::write(world.tree().join(list), "").expect("a list of the tree, as an installation of a kernel leaves it");
        }
        std::fs::create_dir_all(world.path("etc/modprobe.d")).expect("a configuration folder");
        std::fs::create_dir_all(world.path("bin")).expect("a tool folder");
        for name in TOOLS {
            symlink(world.programs.path("modutils"), world.path("bin").join(name)).expect("a link to the tools");
        }
        for name in ["khost", "kerneld"] {
            symlink(world.programs.path(name), world.path("bin").join(name)).expect("a link to a program");
        }
        world
    }

    /// A world whose kernel runs.
    #[must_use]
    pub fn booted(arguments: &[&str]) -> Self {
        let mut world = Self::new();
        world.boot(arguments);
        world
    }

    /// A path below the root.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The module tree of the kernel's release.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.path("lib/modules").join(RELEASE)
    }

    /// The kernel's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("khost.sock")
    }

    /// Starts the kernel with further arguments of `khost run`, and waits until it answers.
    ///
    /// # Panics
    /// Where it does not come up.
    #[track_caller]
    pub fn boot(&mut self, arguments: &[&str]) {
        let log = std::fs::File::create(self.path("khost.log")).expect("a log file");
        let mut command = self.command("khost");
        command.args(["run", "--release", RELEASE, "--socket"]).arg(self.socket()).args(arguments);
        command.stdout(log.try_clone().expect("a log file")).stderr(log).stdin(Stdio::null());
        self.kernel = Some(command.spawn().expect("khost starts"));
        let socket = self.socket();
        eventually("the kernel answers", || Client::connect(&socket).is_ok_and(|mut client| client.uname().is_ok()));
    }

    /// Starts a kerneld with further arguments, and waits until it is attached. Answers its process id.
    ///
    /// # Panics
    /// Where it does not come up.
    #[track_caller]
    pub fn kerneld(&mut self, arguments: &[&str]) -> u32 {
        let log = std::fs::File::create(self.path(format!("kerneld{}.log", self.daemons.len()))).expect("a log file");
        let mut command = self.command("kerneld");
        command.arg("--foreground").arg("--root").arg(self.folder.path()).args(arguments);
        if !arguments.contains(&"--modprobe") {
            command.arg("--modprobe").arg(self.path("bin/modprobe"));
        }
        command.stdout(log.try_clone().expect("a log file")).stderr(log).stdin(Stdio::null());
        let child = command.spawn().expect("kerneld starts");
        let pid = child.id();
        let number = self.daemons.len();
        self.daemons.push(child);
        eventually("kerneld is attached", || self.kerneld_log(number).contains("started, pid="));
        pid
    }

    /// What the daemon with this number (in order of start) logged.
    #[must_use]
    pub fn kerneld_log(&self, number: usize) -> String {
        std::fs::read_to_string(self.path(format!("kerneld{number}.log"))).unwrap_or_default()
    }

    /// Ends the daemon with this number at once (`kill -9`), and waits for its end.
    ///
    /// # Panics
    /// Where there is no such daemon.
    pub fn kill_kerneld(&mut self, number: usize) {
        let child = self.daemons.get_mut(number).expect("a daemon with this number");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// A command with the world's path and kernel.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.path("bin").join(program));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env(KERNEL_VARIABLE, self.socket())
            .env("MODULES_ROOT", self.folder.path());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a tool to its end.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(program).args(arguments))
    }

    /// A connection to the kernel.
    ///
    /// # Panics
    /// Where it does not answer.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(&self.socket()).expect("the kernel answers")
    }

    /// One of the kernel's texts.
    ///
    /// # Panics
    /// Where it does not answer.
    #[must_use]
    pub fn read(&self, file: ProcFile) -> String {
        self.client().read(file).expect("the kernel's text")
    }

    /// The names of the loaded modules, newest first.
    #[must_use]
    pub fn loaded(&self) -> Vec<String> {
        self.read(ProcFile::Modules).lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    /// The kernel's process id.
    ///
    /// # Panics
    /// Where no kernel was booted.
    #[must_use]
    pub fn kernel_pid(&self) -> u32 {
        self.kernel.as_ref().expect("a booted kernel").id()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.daemons.iter_mut().chain(&mut self.kernel) {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            if !ended && child.kill().is_ok() {
                let _status = child.wait();
            }
        }
    }
}
