//! What each type of request does, and what its reply says.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use uapi::kerneld::Request;

use crate::bench::{Bench, wait_until};

#[test]
fn a_module_is_loaded_by_modprobe() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    let ticket = bench.kernel.ask_as(Request::RequestModule.code(), "vfat", 4711);
    assert_eq!(bench.kernel.reply(ticket), (0, String::new()));
    assert_eq!(bench.calls("modprobe"), ["-k -s -- vfat trigger=4711 kernel=kernel"]);
}

#[test]
fn the_root_of_the_module_tree_is_passed_on() {
    let bench = Bench::new();
    let root = bench.directory.path().to_str().unwrap().to_owned();
    let _daemon = bench.daemon(&["--root", &root]);
    bench.kernel.call(Request::RequestModule, "vfat");
    bench.kernel.call(Request::ReleaseModule, "vfat");
    let calls = ["-k", "-r"].map(|action| format!("{action} -s -d {root} -- vfat trigger=0 kernel=kernel"));
    assert_eq!(bench.calls("modprobe"), calls);
}

#[test]
fn the_exit_status_of_a_helper_is_the_status_of_the_reply() {
    let bench = Bench::new();
    bench.stub("modprobe", "exit 7");
    bench.stub("request-route", "kill -9 $$");
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat"), (7, String::new()));
    assert_eq!(bench.kernel.call(Request::ReleaseModule, "vfat").0, 7);
    assert_eq!(bench.kernel.call(Request::RequestRoute, "10.0.0.1").0, 128 + 9, "killed by a signal");
}

#[test]
fn a_program_that_cannot_be_started_is_status_127_and_a_line_in_the_log() {
    let bench = Bench::new();
    let daemon = bench.daemon(&[]);
    std::fs::remove_file(bench.path("modprobe")).unwrap();
    std::fs::remove_file(bench.path("blanker")).unwrap();
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 127);
    assert_eq!(bench.kernel.call(Request::Blanker, "on").0, 127);
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 1);
    daemon.wait_for("modprobe` cannot be started: No such file or directory");
}

#[test]
fn nobody_waits_for_a_request_without_an_id() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    bench.kernel.tell(Request::RequestModule, "vfat");
    bench.wait_for_calls("modprobe", 1);
    assert_eq!(bench.kernel.call(Request::Debug, "").0, 0, "the daemon goes on");
}

#[test]
fn identical_requests_that_are_under_way_share_a_helper() {
    for (request, text, program) in [(Request::RequestModule, "vfat", "modprobe"), (Request::RequestRoute, "192.168.1.1", "request-route")]
    {
        let bench = Bench::new();
        let go = bench.path("go");
        bench.stub(program, &format!("while [ ! -e '{}' ]; do sleep 0.02; done\nexit 3", go.display()));
        let _daemon = bench.daemon(&[]);
        let tickets: Vec<_> = (0..10).map(|_| bench.kernel.ask(request, text)).collect();
        wait_until("the daemon to take all", || bench.kernel.unread() == 0);
        let status = bench.kernel.call(Request::Debug, "").1;
        assert_eq!(status.matches(text).count(), 1, "{status}");
        assert_eq!(bench.kernel.reply_within(tickets[0], Duration::from_millis(50)), None);
        std::fs::write(go, "").unwrap();
        for ticket in tickets {
            assert_eq!(bench.kernel.reply(ticket), (3, String::new()), "each requester has a reply of its own");
        }
        assert_eq!(bench.calls(program).len(), 1);
        assert_eq!(bench.kernel.call(request, text).0, 3);
        assert_eq!(bench.calls(program).len(), 2, "a later request is another one");
    }
}

#[test]
fn different_requests_run_side_by_side() {
    let bench = Bench::new();
    // Whoever is first waits for the second.
    let other = bench.path("other");
    bench.stub("modprobe", &format!("[ \"$4\" = fat ] && touch '{0}'\nwhile [ ! -e '{0}' ]; do sleep 0.02; done", other.display()));
    let _daemon = bench.daemon(&[]);
    let vfat = bench.kernel.ask(Request::RequestModule, "vfat");
    bench.wait_for_calls("modprobe", 1);
    let fat = bench.kernel.ask(Request::RequestModule, "fat");
    assert_eq!((bench.kernel.reply(fat).0, bench.kernel.reply(vfat).0), (0, 0));
}

#[test]
fn releases_are_never_shared() {
    let bench = Bench::new();
    bench.stub("modprobe", "sleep 0.3");
    let _daemon = bench.daemon(&[]);
    let tickets = [(); 3].map(|()| bench.kernel.ask(Request::ReleaseModule, "vfat"));
    assert_eq!(tickets.map(|ticket| bench.kernel.reply(ticket).0), [0, 0, 0]);
    assert_eq!(bench.calls("modprobe"), ["-r -s -- vfat trigger=0 kernel=kernel"; 3]);
}

#[test]
fn a_route_is_asked_of_request_route() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::RequestRoute, "192.168.7.1").0, 0);
    assert_eq!(bench.calls("request-route"), ["192.168.7.1 trigger=0 kernel=kernel"]);
}

#[test]
fn without_a_route_program_the_answer_is_at_once_and_0() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("request-route")).unwrap();
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::RequestRoute, "192.168.7.1").0, 0);
    bench.stub("request-route", "exit 5");
    assert_eq!(bench.kernel.call(Request::RequestRoute, "192.168.7.1").0, 0, "looked for at start only");
    assert!(bench.calls("request-route").is_empty());
}

#[test]
fn a_command_runs_in_the_shell_and_its_output_comes_back() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::System, "echo one; echo two >&2; exit 5"), (5, "one\n".to_owned()));
    let ticket = bench.kernel.ask_as(Request::System.code(), "echo $KERNELD_TRIGGER; pwd", 99);
    assert_eq!(bench.kernel.reply(ticket), (0, "99\n/\n".to_owned()));
    assert_eq!(bench.kernel.call(Request::System, "cat; echo done").1, "done\n", "standard input is empty");
}

#[test]
fn of_a_long_output_1024_bytes_come_back_and_the_command_still_ends() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    let (status, text) = bench.kernel.call(Request::System, "head -c 3000000 /dev/zero | tr '\\0' x; exit 4");
    assert_eq!((status, text), (4, "x".repeat(1024)));
}

#[test]
fn a_command_that_leaves_a_process_behind_is_over_when_it_ends() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    let begin = Instant::now();
    assert_eq!(bench.kernel.call(Request::System, "sleep 15 & echo hi"), (0, "hi\n".to_owned()));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn without_an_id_the_output_of_a_command_goes_to_dev_null() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    let file = bench.path("where");
    bench.kernel.tell(Request::System, &format!("out=$(readlink /proc/$$/fd/1); echo $out > '{}'", file.display()));
    wait_until("the file", || std::fs::read_to_string(&file).unwrap_or_default().ends_with('\n'));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "/dev/null\n");
}

#[test]
fn helpers_have_all_three_descriptors_on_dev_null() {
    let bench = Bench::new();
    let where_to = bench.path("where");
    let links = "$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)";
    bench.stub("modprobe", &format!("links={links}\necho \"$links\" > '{}'", where_to.display()));
    let _daemon = bench.daemon(&[]);
    bench.kernel.call(Request::RequestModule, "vfat");
    assert_eq!(std::fs::read_to_string(where_to).unwrap(), "/dev/null\n".repeat(3));
}

#[test]
fn the_blanker_runs_once_and_quits_when_told() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 1, "none runs");
    assert_eq!(bench.kernel.call(Request::Blanker, "on").0, 0);
    bench.wait_for_calls("blanker", 1);
    assert_eq!(bench.kernel.call(Request::Blanker, "on").0, 0);
    assert!(bench.kernel.call(Request::Debug, "").1.contains("type BLANKER ('on')"));
    // The stub has to have set its trap.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 0);
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 1, "it is gone");
    assert_eq!(bench.calls("blanker").len(), 1);
    assert_eq!(bench.kernel.call(Request::Blanker, "on").0, 0);
    bench.wait_for_calls("blanker", 2);
}

#[test]
fn a_blankers_own_exit_status_is_the_reply_to_off() {
    let bench = Bench::new();
    bench.stub("blanker", "trap 'exit 9' QUIT\ntouch \"$0.ready\"\nwhile [ -e \"$0\" ]; do sleep 0.05; done");
    let _daemon = bench.daemon(&[]);
    bench.kernel.call(Request::Blanker, "on");
    wait_until("the trap", || bench.path("blanker.ready").exists());
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 9);
    bench.stub("blanker", "touch \"$0.again\"\nexec sleep 60");
    bench.kernel.call(Request::Blanker, "on");
    wait_until("the second", || bench.path("blanker.again").exists());
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 0, "one that dies of SIGQUIT has done what it was told");
}

#[test]
fn the_sample_blanker_blanks_a_terminal_and_gives_it_back() {
    let bench = Bench::new();
    let (terminal, sample) = (bench.path("terminal"), concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/screenblanker"));
    std::fs::write(&terminal, "text").unwrap();
    std::fs::remove_file(bench.path("blanker")).unwrap();
    std::os::unix::fs::symlink(sample, bench.path("blanker")).unwrap();
    // As a shell starts what it puts in the background: with the signal ignored that the blanker must get.
    let mut daemon = Command::new("/bin/sh")
        .args(["-c", "trap '' QUIT; exec \"$@\"", "sh"])
        .arg(bench.command(&[]).get_program())
        .args(bench.command(&[]).get_args())
        .arg("--foreground")
        .env("BLANKER_TERMINAL", &terminal)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(bench.kernel.call(Request::Blanker, "on").0, 0);
    let screen = || std::fs::read_to_string(&terminal).unwrap();
    wait_until("a blank screen", || screen() == "text\x1b[?1049h\x1b[2J\x1b[?25l");
    assert_eq!(bench.kernel.call(Request::Blanker, "off").0, 0);
    assert!(screen().ends_with("\x1b[?25h\x1b[?1049l"));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[test]
fn unknown_types_have_status_1_and_a_line_in_the_log() {
    let bench = Bench::new();
    let daemon = bench.daemon(&["type=0"]);
    for mtype in [8, 9, 254, 256, 0x7ffe_ffff] {
        let ticket = bench.kernel.ask_as(mtype, "x", 0);
        assert_eq!(bench.kernel.reply(ticket), (1, String::new()));
        daemon.wait_for(&format!("unknown message type: {mtype}\n"));
    }
}

#[test]
fn a_daemon_serves_the_types_it_was_told() {
    let bench = Bench::new();
    let _routes = bench.daemon(&["type=6"]);
    let module = bench.kernel.ask(Request::RequestModule, "vfat");
    assert_eq!(bench.kernel.call(Request::RequestRoute, "10.1.1.1").0, 0);
    assert_eq!(bench.kernel.reply_within(module, Duration::from_millis(200)), None, "not its business");
    let _modules = bench.daemon(&["type=2"]);
    assert_eq!(bench.kernel.reply(module).0, 0);
    assert_eq!((bench.calls("request-route").len(), bench.calls("modprobe").len()), (1, 1));
}

#[test]
fn types_above_255_are_left_to_others_by_default() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    let arp = bench.kernel.ask_as(256, "x", 0);
    assert_eq!(bench.kernel.call(Request::Debug, "").0, 0);
    assert_eq!(bench.kernel.reply_within(arp, Duration::from_millis(200)), None);
}
