//! Start, end, and what happens when one side goes away.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use uapi::Errno;
use uapi::kerneld::Request;

use crate::bench::{Bench, wait_until};
use crate::fake_kernel::FakeKernel;

fn kerneld() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerneld"));
    command.env_remove("MODUTILS_KERNEL");
    command
}

#[test]
fn it_goes_to_the_background_and_says_so() {
    let bench = Bench::new();
    let syslog = UnixDatagram::bind(bench.path("syslog")).unwrap();
    let pid_file = bench.path("pid");
    let output = bench.command(&["delay=30"]).arg("--pid-file").arg(&pid_file).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let pid = pid.trim();
    assert_eq!(stdout, format!("Starting kerneld, version {} (pid {pid})\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(stderr, "");
    bench.kernel.wait_for_daemons(1);
    let mut packet = [0; 500];
    let length = syslog.recv(&mut packet).unwrap();
    let line = String::from_utf8_lossy(&packet[..length]).into_owned();
    assert!(line.starts_with(&format!("<30>kerneld[{pid}]: started, pid={pid}, qid=")), "{line}");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!(fields.get(3), Some(&pid), "the session is its own");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), std::path::Path::new("/"));
    for descriptor in 0..3 {
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap(), std::path::Path::new("/dev/null"));
    }
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    rustix::process::kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    wait_until("its end", || !pid_file.exists());
    bench.kernel.wait_for_daemons(0);
}

#[test]
fn a_failure_to_attach_is_told_where_it_was_started() {
    let bench = Bench::new();
    bench.kernel.refuse_daemons(Errno::EPERM);
    for words in [&["--foreground"][..], &[]] {
        let output = bench.command(words).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.matches("does not accept a daemon: Operation not permitted").count(), 1, "{stderr}");
    }
    let output = kerneld().args(["--kernel", "/nonexistent/kernel"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no kernel answers at `/nonexistent/kernel`"));
    let output = kerneld().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("MODUTILS_KERNEL"));
}

#[test]
fn usage_errors_and_help_have_the_usual_statuses() {
    let output = kerneld().arg("nosysv").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`nosysv` is none of"));
    let output = kerneld().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("delay=SECONDS") && help.contains("Examples:"));
}

#[test]
fn the_environment_names_the_kernel() {
    let bench = Bench::new();
    let mut child = kerneld()
        .args(["--foreground", "--syslog", "/nonexistent", "--modprobe"])
        .arg(bench.path("modprobe"))
        .env("MODUTILS_KERNEL", &bench.kernel.socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sighup_reads_the_configuration_again() {
    let bench = Bench::new();
    let (conf, other) = (bench.path("conf"), bench.path("other"));
    std::fs::write(&conf, "delay=50\n").unwrap();
    std::fs::remove_file(bench.path("request-route")).unwrap();
    let daemon = bench.daemon(&["--config", conf.to_str().unwrap()]);
    assert!(bench.kernel.call(Request::Debug, "").1.contains("delay=50, nokeep"));
    bench.stub("request-route", "exit 6");
    bench.stub("other", "");
    std::fs::write(&conf, format!("delay=40\nkeep\nmodprobe={}\n", other.display())).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for("configuration read again: delay=40, keep");
    assert!(bench.kernel.call(Request::Debug, "").1.contains("delay=40, keep"));
    assert_eq!(bench.kernel.call(Request::RequestRoute, "10.0.0.1").0, 6, "the program is there now");
    bench.kernel.call(Request::RequestModule, "vfat");
    assert_eq!((bench.calls("modprobe").len(), bench.calls("other").len()), (1, 0), "the command line wins over the file");
    std::fs::write(&conf, "delay=nonsense\n").unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for("configuration not read again");
    assert!(bench.kernel.call(Request::Debug, "").1.contains("delay=40, keep"), "what makes no sense changes nothing");
}

#[test]
fn sigterm_lets_a_helper_answer_and_ends() {
    let bench = Bench::new();
    bench.stub("modprobe", "sleep 0.4; exit 3");
    let mut daemon = bench.daemon(&[]);
    let ticket = bench.kernel.ask(Request::RequestModule, "vfat");
    bench.wait_for_calls("modprobe", 1);
    daemon.signal(Signal::TERM);
    assert_eq!(bench.kernel.reply(ticket).0, 3);
    assert_eq!(daemon.wait().code(), Some(0));
    daemon.wait_for("stopped");
    bench.kernel.wait_for_daemons(0);
    let later = bench.kernel.ask(Request::RequestModule, "minix");
    assert_eq!(bench.kernel.reply_within(later, Duration::from_millis(100)), None);
}

#[test]
fn sigterm_does_not_wait_for_a_helper_that_never_ends_nor_kill_it() {
    let bench = Bench::new();
    bench.stub("modprobe", "sleep 3.5; touch \"$0.done\"");
    let mut daemon = bench.daemon(&[]);
    bench.kernel.tell(Request::Blanker, "on");
    bench.kernel.ask(Request::RequestModule, "vfat");
    bench.wait_for_calls("modprobe", 1);
    bench.wait_for_calls("blanker", 1);
    let begin = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
    wait_until("the helper to finish its work", || bench.path("modprobe.done").exists());
}

#[test]
fn the_kernels_end_is_the_daemons_end() {
    let bench = Bench::new();
    let mut daemon = bench.daemon(&[]);
    let Bench { directory: _directory, kernel } = bench;
    drop(kernel);
    assert_eq!(daemon.wait().code(), Some(1));
    daemon.wait_for("kernel` is gone");
}

#[test]
fn with_retry_it_waits_for_the_kernel_and_for_the_next() {
    let bench = Bench::new();
    let Bench { directory, kernel } = bench;
    let socket = kernel.socket.clone();
    drop(kernel);
    let unborn = Command::new(env!("CARGO_BIN_EXE_kerneld"))
        .arg("--kernel")
        .arg(&socket)
        .args(["--retry", "--pid-file"])
        .arg(directory.path().join("pid"))
        .args(["--syslog", "/nonexistent", "--modprobe"])
        .arg(directory.path().join("modprobe"))
        .output()
        .unwrap();
    assert!(unborn.status.success(), "in the background it waits without holding anybody up");
    let mut bench = Bench { directory, kernel: FakeKernel::listen(&socket) };
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    let pid: i32 = std::fs::read_to_string(bench.path("pid")).unwrap().trim().parse().unwrap();
    bench.stub("modprobe", "sleep 0.5; exit 9");
    let _forgotten = bench.kernel.ask(Request::RequestModule, "vfat");
    bench.wait_for_calls("modprobe", 2);
    // The same ids are given out again by the next kernel: it must not get the replies of the one before.
    drop(std::mem::replace(&mut bench.kernel, FakeKernel::listen(&directory_socket(&socket))));
    std::fs::rename(directory_socket(&socket), &socket).unwrap();
    bench.stub("modprobe", "sleep 1; exit 0");
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    bench.kernel.wait_for_daemons(0);
}

/// Another name in the same directory, so that the old kernel's end does not remove the new one's socket.
fn directory_socket(socket: &std::path::Path) -> std::path::PathBuf {
    socket.with_extension("next")
}

#[test]
fn a_killed_daemon_is_replaced_by_the_next() {
    let bench = Bench::new();
    let mut daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    daemon.signal(Signal::KILL);
    daemon.wait();
    bench.kernel.wait_for_daemons(0);
    let unread = bench.kernel.ask(Request::RequestModule, "minix");
    let _next = bench.daemon(&[]);
    assert_eq!(bench.kernel.reply(unread).0, 0);
}

#[test]
fn ended_helpers_leave_no_zombies() {
    let bench = Bench::new();
    let daemon = bench.daemon(&[]);
    let tickets: Vec<_> = (0..40).map(|number| bench.kernel.ask(Request::RequestModule, &format!("module{number}"))).collect();
    for ticket in tickets {
        assert_eq!(bench.kernel.reply(ticket).0, 0);
    }
    let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
    wait_until("all children to be reaped", || std::fs::read_to_string(&children).unwrap().trim().is_empty());
    assert_eq!(bench.calls("modprobe").len(), 40);
}
