//! What kdstat says and hears.

use std::time::Duration;

use uapi::Errno;
use uapi::kerneld::Request;

use crate::bench::{Bench, wait_until};

#[test]
fn the_report_has_the_classic_form() {
    let bench = Bench::new();
    let daemon = bench.daemon(&[]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("Version {version}, pid={}, delay=60, nokeep, nodebug\njob queue:\nno jobs waiting\n", daemon.pid());
    assert_eq!(bench.kernel.call(Request::Debug, ""), (0, expected));
}

#[test]
fn words_change_the_settings() {
    let bench = Bench::new();
    let daemon = bench.daemon(&[]);
    for (word, shown) in [
        ("debug", "delay=60, nokeep, debug"),
        ("keep", "delay=60, keep, debug"),
        ("delay=180", "delay=180, keep, debug"),
        ("nodebug", "delay=180, keep, nodebug"),
        ("nokeep", "delay=180, nokeep, nodebug"),
        ("keep delay=3", "delay=3, keep, nodebug"),
    ] {
        let (status, text) = bench.kernel.call(Request::Debug, word);
        assert_eq!(status, 0);
        assert!(text.contains(shown), "{word}: {text}");
    }
    assert!(daemon.log().contains("message: type 255"), "debug was on for a while");
}

#[test]
fn a_word_that_is_none_changes_nothing() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    for word in ["keep nonsense", "delay=0", "delay=", "Debug"] {
        let (status, text) = bench.kernel.call(Request::Debug, word);
        assert_eq!(status, 1, "{word}");
        assert!(text.contains("is none of"), "{text}");
    }
    assert!(bench.kernel.call(Request::Debug, "").1.contains("delay=60, nokeep, nodebug"));
}

#[test]
fn the_delay_can_be_changed_while_it_runs() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&[]);
    bench.kernel.call(Request::Debug, "delay=1");
    bench.kernel.wait_for_passes(2);
}

#[test]
fn the_job_queue_shows_process_type_and_text() {
    let bench = Bench::new();
    bench.stub("modprobe", "echo $$ > \"$0.pid\"; sleep 5");
    let _daemon = bench.daemon(&[]);
    bench.kernel.tell(Request::RequestModule, "vfat");
    let pid = || std::fs::read_to_string(bench.path("modprobe.pid")).unwrap_or_default();
    wait_until("modprobe", || pid().ends_with('\n'));
    let status = bench.kernel.call(Request::Debug, "").1;
    assert!(status.ends_with(&format!("job queue:\npid {}, type REQUEST_MODULE ('vfat')\n", pid().trim())), "{status}");
}

#[test]
fn flush_empties_the_job_queue() {
    let bench = Bench::new();
    bench.stub("modprobe", "sleep 0.5");
    let _daemon = bench.daemon(&["delay=1"]);
    let loading = bench.kernel.ask(Request::RequestModule, "vfat");
    let release = bench.kernel.ask(Request::DelayedReleaseModule, "fat");
    wait_until("both to be taken", || bench.kernel.unread() == 0);
    assert!(bench.kernel.call(Request::Debug, "flush").1.ends_with("no jobs waiting\n"));
    let interrupted = -i64::from(Errno::EINTR.number());
    assert_eq!((bench.kernel.reply(loading).0, bench.kernel.reply(release).0), (interrupted, interrupted));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(bench.calls("modprobe").len(), 1, "the release is not run");
}
