//! The program `khost` from outside: processes, arguments, output and exit status.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use uapi::kerneld::{Message, Request, ToKernel};
use uapi::{Client, Syscall, wire};

const KHOST: &str = env!("CARGO_BIN_EXE_khost");

/// A kernel in a folder of its own; it ends with this.
struct Kernel {
    folder: tempfile::TempDir,
    process: Child,
}

impl Kernel {
    fn started(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Other users of this machine must reach the socket, in the test that is one of them.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let socket = folder.path().join("kernel");
        let mut command = Command::new(KHOST);
        command.arg("run").arg("--socket").arg(&socket).args(arguments);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let kernel = Self { folder, process };
        eventually("the kernel serves", || Client::connect(&kernel.socket()).is_ok());
        kernel
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("kernel")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KHOST);
        command.args(arguments).env(uapi::KERNEL_VARIABLE, self.socket()).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that must fail, with status 1.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _killed = self.process.kill();
            let _ended = self.process.wait();
        }
    }
}

#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A kerneld that answers each request by what `answer` makes of it, until the kernel is gone.
fn daemon(kernel: &Kernel, answer: impl Fn(&Message) -> (i64, String) + Send + 'static) {
    let mut client = Client::connect(&kernel.socket()).unwrap();
    let (_, channel) = client.call_with_descriptor(&Syscall::KerneldOpen).unwrap();
    let channel = channel.unwrap();
    std::thread::spawn(move || {
        loop {
            if wire::send_packet(&channel, &ToKernel::Receive { msgtyp: 0 }).is_err() {
                return;
            }
            let Ok(message) = wire::receive_packet::<Message>(&channel) else { return };
            let (status, text) = answer(&message);
            if message.id != 0 {
                let reply = Message { mtype: u32::try_from(message.id).unwrap(), id: status, pid: 0, text };
                wire::send_packet(&channel, &ToKernel::Send(reply)).unwrap();
            }
        }
    });
}

#[test]
fn it_says_that_it_serves_and_ends_cleanly() {
    for end in ["-TERM", "-INT", "shutdown"] {
        let mut kernel = Kernel::started(&[]);
        let status: serde_json::Value = serde_json::from_str(&kernel.ok(&["status", "--json"])).unwrap();
        assert_eq!(status["pid"], kernel.process.id());
        assert_eq!(status["release"], khost::options::DEFAULT_RELEASE);
        if end == "shutdown" {
            kernel.ok(&["shutdown"]);
        } else {
            assert!(Command::new("kill").arg(end).arg(kernel.process.id().to_string()).status().unwrap().success());
        }
        assert!(kernel.process.wait().unwrap().success(), "{end}");
        assert!(!kernel.socket().exists(), "{end}: the socket stays");
        assert!(kernel.fails(&["status"]).contains("no kernel answers at"));
    }
}

#[test]
fn a_daemon_is_started_once_and_the_second_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kernel");
    let start = || Command::new(KHOST).args(["run", "--daemon", "--release", "9.9", "--socket"]).arg(&socket).output().unwrap();
    let first = start();
    assert!(first.status.success(), "{first:?}");
    assert!(String::from_utf8_lossy(&first.stdout).contains("khost 9.9: serving at"), "{first:?}");
    let second = start();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("already"), "{second:?}");
    let mut client = Client::connect(&socket).unwrap();
    assert_eq!(client.uname().unwrap().release, "9.9");
    drop(client);
    let ended = Command::new(KHOST).arg("--kernel").arg(&socket).arg("shutdown").output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn wrong_arguments_end_with_status_1_and_help_with_0() {
    let run = |arguments: &[&str]| Command::new(KHOST).args(arguments).env_remove(uapi::KERNEL_VARIABLE).output().unwrap();
    for arguments in [&["nonsense"][..], &["mount"], &["run"], &["status"], &["--symvers", "status"]] {
        assert_eq!(run(arguments).status.code(), Some(1), "{arguments:?}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Examples:"));
    assert!(String::from_utf8_lossy(&run(&["run", "--help"]).stdout).contains("--modversions"));
}

#[test]
fn a_lookup_without_a_route_fails_asks_and_the_next_one_succeeds() {
    let kernel = Kernel::started(&[]);
    assert!(kernel.fails(&["route", "lookup", "10.1.2.3"]).contains("Network is unreachable"), "nobody to ask");
    let socket = kernel.socket();
    daemon(&kernel, move |message| {
        assert_eq!(message.mtype, Request::RequestRoute.code());
        let added = Command::new(KHOST).arg("--kernel").arg(&socket).args(["route", "add", &message.text, "ppp0"]).status().unwrap();
        (i64::from(!added.success()), String::new())
    });
    assert!(kernel.fails(&["route", "lookup", "10.1.2.3"]).contains("Network is unreachable"), "this look-up fails all the same");
    assert_eq!(kernel.ok(&["route", "lookup", "10.1.2.3"]), "10.1.2.3 dev ppp0\n");
    assert_eq!(kernel.ok(&["route", "idle", "ppp0"]), "0\n");
    let routes: serde_json::Value = serde_json::from_str(&kernel.ok(&["route", "show", "--json"])).unwrap();
    assert_eq!((&routes[0]["network"], &routes[0]["uses"]), (&"10.1.2.3/32".into(), &1.into()));
    assert!(kernel.fails(&["route", "add", "10.1.2.3", "ppp1"]).contains("File exists"));
    assert!(kernel.fails(&["route", "add", "10.1.2.999", "ppp1"]).contains("Invalid argument"));
    kernel.ok(&["route", "del", "10.1.2.3"]);
    let _no_route = kernel.fails(&["route", "idle", "ppp0"]);
    assert!(kernel.fails(&["route", "lookup", "224.0.0.1"]).contains("unreachable"), "multicast is not asked for");
}

#[test]
fn what_kerneld_is_asked_for_and_how_it_ends() {
    let kernel = Kernel::started(&[]);
    assert!(kernel.fails(&["request", "vfat"]).contains("status -19 (No such device)"));
    let (told, heard) = std::sync::mpsc::channel();
    daemon(&kernel, move |message| {
        told.send((message.mtype, message.text.clone(), message.id != 0)).unwrap();
        match message.text.as_str() {
            "bad" => (7, String::new()),
            "echo hi" => (0, "hi\n".into()),
            _ => (0, String::new()),
        }
    });
    let expect = |arguments: &[&str], mtype: Request, text: &str, waits: bool| {
        kernel.ok(arguments);
        let heard = heard.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(heard, (mtype.code(), text.to_owned(), waits), "{arguments:?}");
    };
    expect(&["request", "vfat"], Request::RequestModule, "vfat", true);
    expect(&["open", "block-major-7"], Request::RequestModule, "block-major-7", true);
    expect(&["release", "vfat"], Request::ReleaseModule, "vfat", true);
    expect(&["release", "vfat", "--delayed"], Request::DelayedReleaseModule, "vfat", false);
    expect(&["release", "vfat", "--cancel"], Request::CancelReleaseModule, "vfat", true);
    expect(&["blank", "on"], Request::Blanker, "on", false);
    expect(&["blank", "off"], Request::Blanker, "off", true);
    expect(&["system", "true", "-x"], Request::System, "true -x", true);
    assert_eq!(kernel.ok(&["system", "echo", "hi"]), "hi\n");
    assert!(kernel.fails(&["request", "bad"]).contains("status 7"));
}

#[test]
fn refusals_are_explained() {
    let kernel = Kernel::started(&[]);
    std::fs::write(kernel.folder.path().join("disk.img"), [0; 4096]).unwrap();
    let refused = kernel.fails(&["mount", "-t", "vfat", "disk.img", "/mnt"]);
    assert!(refused.contains("there is no file system type `vfat`") && refused.contains("No such device"), "{refused}");
    assert!(kernel.fails(&["umount", "/mnt"]).contains("nothing is mounted there"));
    assert!(kernel.fails(&["ls", "/mnt"]).contains("`/mnt`: No such file or directory"));
    assert!(kernel.fails(&["irq", "raise", "16"]).contains("Invalid argument"));
    assert_eq!(kernel.ok(&["mounts", "--json"]), "[]\n");
    assert!(kernel.ok(&["dmesg"]).contains("mount: `"), "the log has the reason");
    for line in kernel.ok(&["dmesg", "--json"]).lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["text"].is_string() && line["level"].as_u64().unwrap() < 8);
    }
    kernel.ok(&["irq", "raise", "5"]);
    let lines: serde_json::Value = serde_json::from_str(&kernel.ok(&["irq", "show", "--json"])).unwrap();
    assert!(lines.as_array().unwrap().iter().any(|line| line["line"] == 5 && line["raised"] == 1), "{lines}");
}

#[test]
fn other_users_may_look_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else; the rule itself is tested by the `kernel` library too.
        return;
    }
    let kernel = Kernel::started(&[]);
    // The program where anybody can run it.
    let program = kernel.folder.path().join("khost");
    // Copied by another process: a child that a thread of this one is starting could still hold the file open for writing.
    assert!(Command::new("cp").arg(KHOST).arg(&program).status().unwrap().success());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).env(uapi::KERNEL_VARIABLE, kernel.socket()).current_dir("/").uid(65_534).gid(65_534);
        command.output().unwrap()
    };
    for arguments in [&["status"][..], &["mounts"], &["dmesg"], &["mem"], &["irq", "show"], &["route", "show"]] {
        let done = run(arguments);
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    let refused: &[&[&str]] = &[
        &["mount", "-t", "vfat", "/etc/hostname", "/mnt"],
        &["umount", "/mnt"],
        &["route", "add", "10.0.0.1", "ppp0"],
        &["route", "del", "10.0.0.1"],
        &["request", "vfat"],
        &["release", "vfat"],
        &["blank", "on"],
        &["system", "id"],
        &["irq", "raise", "5"],
        &["console", "1"],
        &["shutdown"],
    ];
    for arguments in refused {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("Operation not permitted"), "{arguments:?}: {done:?}");
    }
    kernel.ok(&["status"]);
}

#[test]
fn the_sample_request_route_brings_a_link_up_and_takes_it_down_when_idle() {
    let kernel = Kernel::started(&[]);
    let log = kernel.folder.path().join("route.log");
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/request-route");
    let run = {
        let (socket, log) = (kernel.socket(), log.clone());
        move |address: &str| {
            let mut command = Command::new(&sample);
            command.arg(address).env(uapi::KERNEL_VARIABLE, &socket).env("KHOST", KHOST).env("REQUEST_ROUTE_IDLE", "2");
            command.env("REQUEST_ROUTE_LOG", &log).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap().code().unwrap()
        }
    };
    for bad in ["", "10.1.2", "10.1.2.3.4", "-x", "10.1.2.3;id", "10..2.3"] {
        assert_eq!(run(bad), 1, "{bad}");
    }
    daemon(&kernel, move |message| (i64::from(run(&message.text)), String::new()));
    let _asks = kernel.fails(&["route", "lookup", "10.1.2.3"]);
    let found = kernel.ok(&["route", "lookup", "10.1.2.3"]);
    assert!(found.starts_with("10.1.2.3 dev ppp"), "{found}");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains(" is up for 10.1.2.3"), "{said}");
    // As long as it is used, it stays.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        kernel.ok(&["route", "lookup", "10.1.2.3"]);
        std::thread::sleep(Duration::from_millis(300));
    }
    eventually("the idle link is taken down", || kernel.ok(&["route", "show", "--json"]) == "[]\n");
    eventually("the log says so", || std::fs::read_to_string(&log).unwrap().contains(" is down: idle for "));
}
