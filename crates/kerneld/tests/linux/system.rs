//! A folder that stands for `/`, with a small tree, and a daemon that rehearses in it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use demand::ask::{NoAnswer, ask};
use demand::policy::compiled::Waits;
use demand::{Outcome, Paths};
use serde_json::Value;

/// The release of its kernel.
pub(crate) const RELEASE: &str = "6.1.0-test";

/// Denies users' sockets, allows the rest.
pub(crate) const ENFORCE: &str =
    "mode = \"enforce\"\n[[rule]]\nname = \"no sockets\"\nclass = [\"net-pf\"]\nverdict = \"deny\"\n[default]\nverdict = \"allow\"\n";

/// The system.
pub(crate) struct System {
    root: tempfile::TempDir,
    daemon: Option<Child>,
    environment: Vec<(String, String)>,
}

impl System {
    /// A system with this policy, and no daemon yet.
    pub(crate) fn new(policy: &str) -> Self {
        let system = Self { root: tempfile::tempdir().expect("a folder"), daemon: None, environment: Vec::new() };
        let tree = format!("lib/modules/{RELEASE}");
        for module in ["fat", "vfat", "af_key", "af_alg", "soft"] {
            system.write(&format!("{tree}/kernel/{module}.ko"), "not read by a rehearsal\n");
        }
        system.write(
            &format!("{tree}/modules.dep"),
            "kernel/fat.ko:\nkernel/vfat.ko: kernel/fat.ko\nkernel/af_key.ko:\nkernel/af_alg.ko:\nkernel/soft.ko:\n",
        );
        system.write(&format!("{tree}/modules.alias"), "alias fs-vfat vfat\nalias net-pf-15 af_key\nalias net-pf-38 af_alg\n");
        system.write("proc/modules", "");
        system.write("proc/sys/kernel/modprobe", "/sbin/modprobe\n");
        system.write("proc/sys/kernel/random/boot_id", "one\n");
        system.write("etc/group", "root:x:0:\n");
        system.write("etc/kerneld/policy.toml", policy);
        system
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn paths(&self) -> Paths {
        Paths::under(self.root())
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    /// Variables that a service manager gives to the daemon.
    pub(crate) fn managed(&mut self, variables: &[(&str, &str)]) {
        self.environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    /// Starts the daemon, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let run = self.command("run");
        self.start_as(run);
    }

    /// The same from a shell that lets everything be written to by everybody.
    pub(crate) fn start_carelessly(&mut self) {
        let own = self.command("run");
        let mut run = Command::new("sh");
        run.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
        self.start_as(run);
    }

    fn start_as(&mut self, mut run: Command) {
        run.args(["--rehearse", "--release", RELEASE, "--syslog", "/nonexistent"]);
        run.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.daemon = Some(run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a daemon"));
        // 2: it answers, and something is wrong.
        let code = self.kerneld(&["status", "--wait", "20s"]).status.code();
        assert!(matches!(code, Some(0 | 2)), "the daemon does not answer");
    }

    /// A system with a daemon.
    pub(crate) fn served(policy: &str) -> Self {
        let mut system = Self::new(policy);
        system.start();
        system
    }

    /// Ends the daemon without a warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("a signal");
            daemon.wait().expect("its end");
        }
    }

    /// Asks the daemon to end.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.daemon.as_ref().expect("a daemon"));
        rustix::process::kill_process(pid, signal).expect("a signal");
    }

    /// Ends the daemon in good order.
    pub(crate) fn end(&mut self) {
        if self.daemon.is_some() {
            self.terminate();
        }
        if let Some(mut daemon) = self.daemon.take() {
            assert!(daemon.wait().expect("its end").success());
        }
    }

    /// Threads of the daemon whose names begin so.
    pub(crate) fn threads(&self, name: &str) -> usize {
        let tasks = format!("/proc/{}/task", self.daemon.as_ref().expect("a daemon").id());
        let tasks = std::fs::read_dir(tasks).expect("its threads").flatten();
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).filter(|comm| comm.starts_with(name)).count()
    }

    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerneld"));
        command.arg(word).arg("--root").arg(self.root());
        command
    }

    /// Runs a command of kerneld on this system.
    pub(crate) fn kerneld(&self, words: &[&str]) -> Output {
        let (first, rest) = words.split_first().expect("a command");
        self.command(first).args(rest).output().expect("kerneld runs")
    }

    /// Runs a command that has to fail without the right to load modules, also where these tests have it: what it complains of.
    #[track_caller]
    pub(crate) fn without_rights(&self, words: &[&str]) -> String {
        let (first, rest) = words.split_first().expect("a command");
        let own = self.command(first);
        // Whatever it does instead of failing has an end.
        let mut command = Command::new("timeout");
        command.args(["10", "setpriv", "--bounding-set", "-sys_module"]);
        if !rustix::process::geteuid().is_root() {
            // Who is not root has none to give up, and may not try.
            command = Command::new("timeout");
            command.arg("10");
        }
        let output = command.arg(own.get_program()).args(own.get_args()).args(rest).output().expect("setpriv of util-linux");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The same, where it has to succeed: its output.
    #[track_caller]
    pub(crate) fn say(&self, words: &[&str]) -> String {
        let output = self.kerneld(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let output = self.kerneld(&[words, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
    }

    /// Asks as the helper does.
    pub(crate) fn ask(&self, name: &str) -> Result<Outcome, NoAnswer> {
        let waits = Waits { answer: Duration::from_secs(10), load: Duration::from_secs(10) };
        ask(&self.paths().request_socket(), name.as_bytes(), waits)
    }

    /// The journal, as far as its lines are records; everything is written first.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = self.say(&["log", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    pub(crate) fn control(&self) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(self.control_socket()).expect("the control socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
        BufReader::new(stream)
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.paths().control_socket()
    }
}

/// Sends a line to the control socket, and answers what comes back; empty if the daemon hung up.
pub(crate) fn converse(stream: &mut BufReader<UnixStream>, line: &[u8]) -> String {
    // The daemon may hang up while a long line is being sent.
    let _ = stream.get_mut().write_all(line).and_then(|()| stream.get_mut().write_all(b"\n"));
    let mut answer = String::new();
    let _ = stream.read_line(&mut answer);
    answer
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
