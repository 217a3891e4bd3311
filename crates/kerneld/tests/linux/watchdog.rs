//! What a service manager hears.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::system::{ENFORCE, System};

/// What comes within this time; empty where nothing does.
fn heard(manager: &UnixDatagram, within: Duration) -> String {
    manager.set_read_timeout(Some(within)).unwrap();
    let mut text = [0; 64];
    let length = manager.recv(&mut text).unwrap_or(0);
    String::from_utf8_lossy(&text[..length]).into_owned()
}

/// Hears the daemon out: whether nothing comes any more for three seconds.
fn falls_silent(manager: &UnixDatagram) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(20) {
        if heard(manager, Duration::from_secs(3)).is_empty() {
            return true;
        }
    }
    false
}

#[test]
fn a_daemon_that_serves_says_so_and_one_that_cannot_does_not() {
    let mut system = System::new(ENFORCE);
    let name = system.root().join("notify");
    let manager = UnixDatagram::bind(&name).unwrap();
    system.managed(&[("NOTIFY_SOCKET", name.to_str().unwrap()), ("WATCHDOG_USEC", "300000")]);
    system.start();
    assert_eq!(heard(&manager, Duration::from_secs(20)), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(&manager, Duration::from_secs(20)), "WATCHDOG=1");
    }
    // Nothing was asked by that, and nothing refused.
    let status = system.json(&["status"]);
    assert_eq!((status["refused"].as_u64(), status["requests"].as_array().map(Vec::len)), (Some(0), Some(0)), "{status}");

    // It lives, but nobody can reach it.
    let socket = system.paths().request_socket();
    let aside = socket.with_extension("aside");
    std::fs::rename(&socket, &aside).unwrap();
    assert!(falls_silent(&manager));
    std::fs::rename(&aside, &socket).unwrap();
    assert_eq!(heard(&manager, Duration::from_secs(20)), "WATCHDOG=1");

    system.signal(Signal::STOP);
    assert!(falls_silent(&manager));
    system.signal(Signal::CONT);
    assert_eq!(heard(&manager, Duration::from_secs(20)), "WATCHDOG=1");
    system.terminate();
    let since = Instant::now();
    while heard(&manager, Duration::from_secs(5)) != "STOPPING=1" {
        assert!(since.elapsed() < Duration::from_secs(20), "the end is not announced");
    }
    system.end();
}

#[test]
fn a_watchdog_that_is_meant_for_another_process_hears_nothing() {
    let mut system = System::new(ENFORCE);
    let name = system.root().join("notify");
    let manager = UnixDatagram::bind(&name).unwrap();
    system.managed(&[("NOTIFY_SOCKET", name.to_str().unwrap()), ("WATCHDOG_USEC", "300000"), ("WATCHDOG_PID", "1")]);
    system.start();
    assert_eq!(heard(&manager, Duration::from_secs(20)), "READY=1");
    assert_eq!(heard(&manager, Duration::from_secs(3)), "");
    system.end();
}
