//! The idle timer, `keep`, and releases now and later.

use std::time::{Duration, Instant};

use uapi::kerneld::Request;

use crate::bench::{Bench, wait_until};

/// The lag that a busy machine may add to a timer.
const LAG: Duration = Duration::from_millis(1500);

#[test]
fn every_delay_the_kernel_is_told_to_clean_up() {
    let bench = Bench::new();
    let start = Instant::now();
    let _daemon = bench.daemon(&["delay=1"]);
    let passes = bench.kernel.wait_for_passes(3);
    assert!(passes[0].duration_since(start) >= Duration::from_secs(1));
    for pair in passes.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart >= Duration::from_millis(900) && apart < Duration::from_secs(1) + LAG, "{apart:?}");
    }
}

#[test]
fn a_kernel_that_refuses_every_pass_is_told_of_once() {
    let bench = Bench::new();
    bench.kernel.refuse_passes(Some(uapi::Errno::EPERM));
    let daemon = bench.daemon(&["delay=1"]);
    bench.kernel.wait_for_passes(3);
    assert_eq!(daemon.log().matches("delete_module: ").count(), 1, "{}", daemon.log());
    bench.kernel.refuse_passes(None);
    bench.kernel.wait_for_passes(5);
    bench.kernel.refuse_passes(Some(uapi::Errno::EPERM));
    bench.kernel.wait_for_passes(7);
    daemon.wait_for("delete_module: ");
    assert_eq!(daemon.log().matches("delete_module: ").count(), 2, "a new refusal is told again: {}", daemon.log());
}

#[test]
fn a_request_to_load_puts_the_timer_off_by_a_full_delay() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=2"]);
    let begin = Instant::now();
    let mut last = begin;
    while begin.elapsed() < Duration::from_secs(4) {
        assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
        last = Instant::now();
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(bench.kernel.passes().is_empty(), "a request every 0.3 s, so no pass within 4 s");
    let pass = bench.kernel.wait_for_passes(1)[0];
    assert!(pass.duration_since(last) >= Duration::from_millis(1800), "{:?}", pass.duration_since(last));
}

#[test]
fn other_requests_do_not_put_it_off() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1"]);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        bench.kernel.call(Request::RequestRoute, "10.0.0.1");
        bench.kernel.call(Request::RequestModule, "-refused");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!bench.kernel.passes().is_empty());
}

#[test]
fn no_pass_while_a_module_is_being_loaded() {
    let bench = Bench::new();
    let go = bench.path("go");
    bench.stub("modprobe", &format!("while [ ! -e '{}' ]; do sleep 0.05; done", go.display()));
    let _daemon = bench.daemon(&["delay=1"]);
    let ticket = bench.kernel.ask(Request::RequestModule, "vfat");
    std::thread::sleep(Duration::from_secs(3));
    assert!(bench.kernel.passes().is_empty());
    std::fs::write(go, "").unwrap();
    assert_eq!(bench.kernel.reply(ticket).0, 0);
    bench.kernel.wait_for_passes(1);
}

#[test]
fn the_daemon_serves_while_a_pass_is_under_way() {
    let bench = Bench::new();
    bench.kernel.hold_passes(true);
    let daemon = bench.daemon(&["delay=1"]);
    bench.kernel.wait_for_passes(1);
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0, "a cleanup routine may ask for a module");
    daemon.wait_for("the pass before is still under way");
    assert_eq!(bench.kernel.passes().len(), 1);
    bench.kernel.hold_passes(false);
    bench.kernel.wait_for_passes(2);
}

#[test]
fn keep_ignores_every_request_to_unload() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["keep", "delay=1"]);
    for request in [Request::ReleaseModule, Request::DelayedReleaseModule, Request::CancelReleaseModule] {
        assert_eq!(bench.kernel.call(request, "vfat").0, 0, "{}", request.name());
    }
    std::thread::sleep(Duration::from_secs(3));
    assert!(bench.kernel.passes().is_empty() && bench.calls("modprobe").is_empty());
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0, "loading goes on");
    assert_eq!(bench.kernel.call(Request::Debug, "nokeep").0, 0);
    bench.kernel.wait_for_passes(1);
    assert_eq!(bench.kernel.call(Request::ReleaseModule, "vfat").0, 0);
    assert_eq!(bench.calls("modprobe").len(), 2);
}

#[test]
fn a_daemon_without_requests_to_load_has_no_timer() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["type=6", "delay=1"]);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(bench.kernel.passes().is_empty());
}

#[test]
fn a_delayed_release_waits_for_the_delay() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1"]);
    let begin = Instant::now();
    let ticket = bench.kernel.ask(Request::DelayedReleaseModule, "vfat");
    let status = bench.kernel.call(Request::Debug, "").1;
    assert!(status.contains("pid 0, type DELAYED_RELEASE_MODULE ('vfat')\n"), "{status}");
    assert!(bench.calls("modprobe").is_empty());
    assert_eq!(bench.kernel.reply(ticket).0, 0);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(bench.calls("modprobe"), ["-r -s -- vfat trigger=0 kernel=kernel"]);
}

#[test]
fn a_delayed_release_can_be_cancelled() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1"]);
    let vfat = [(); 2].map(|()| bench.kernel.ask(Request::DelayedReleaseModule, "vfat"));
    let fat = bench.kernel.ask(Request::DelayedReleaseModule, "fat");
    wait_until("both to be taken", || bench.kernel.unread() == 0);
    assert_eq!(bench.kernel.call(Request::CancelReleaseModule, "vfat").0, 0);
    assert_eq!(vfat.map(|ticket| bench.kernel.reply(ticket).0), [130, 130]);
    assert_eq!(bench.kernel.reply(fat).0, 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(bench.calls("modprobe"), ["-r -s -- fat trigger=0 kernel=kernel"]);
    assert_eq!(bench.kernel.call(Request::CancelReleaseModule, "vfat").0, 0, "nothing to cancel is no error");
}

#[test]
fn keep_said_later_holds_for_releases_that_wait() {
    let bench = Bench::new();
    let _daemon = bench.daemon(&["delay=1"]);
    let ticket = bench.kernel.ask(Request::DelayedReleaseModule, "vfat");
    bench.kernel.call(Request::Debug, "keep");
    assert_eq!(bench.kernel.reply(ticket).0, 0);
    assert!(bench.calls("modprobe").is_empty());
}
