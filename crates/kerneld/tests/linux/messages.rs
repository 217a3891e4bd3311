//! Messages of peers that mean harm, or nothing.

use std::time::{Duration, Instant};

use demand::Outcome;
use demand::wire::{Answer, Ask, MAX_PACKET, VERSION};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with};

use crate::dice::Dice;
use crate::system::{ENFORCE, System, converse};

fn connection(system: &System) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(system.paths().request_socket()).unwrap()).unwrap();
    socket
}

/// Sends a packet, and answers the first message that comes back; `None` if the daemon hangs up without one.
fn exchange(system: &System, packet: &[u8]) -> Option<Answer> {
    let socket = connection(system);
    send(&socket, packet, SendFlags::NOSIGNAL).unwrap();
    let ready = poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
    assert_eq!(ready, 1, "no answer to {:?}", String::from_utf8_lossy(packet));
    let mut answer = vec![0; MAX_PACKET];
    let (length, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty()).unwrap_or((0, 0));
    (length > 0).then(|| serde_json::from_slice(&answer[..length]).expect("a message"))
}

fn packet(version: u8, name: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&Ask { version, name: name.to_vec() }).unwrap()
}

#[test]
fn hostile_questions_are_refused_and_the_daemon_lives_on() {
    let system = System::served(ENFORCE);
    let long = vec![b'a'; 3000];
    for (bytes, reason) in [
        (packet(VERSION, b"fs-vfat\nroot: all"), "byte at 7"),
        (packet(VERSION, b"../../../tmp/evil"), "byte at 2"),
        (packet(VERSION, b""), "empty"),
        (packet(VERSION, &long), "3000 bytes"),
        (packet(VERSION, b"a\0b"), "byte at 1"),
        (packet(VERSION + 1, b"fs-vfat"), "version 2"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not a message"),
        (vec![b'['; MAX_PACKET + 1], "16385 bytes"),
        (vec![b'['; 16_000], "not a message"),
    ] {
        match exchange(&system, &bytes) {
            Some(Answer::Refused(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    assert_eq!(system.json(&["status"])["refused"], 9);
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
}

#[test]
fn thousands_of_damaged_questions_never_stop_it() {
    let system = System::served(ENFORCE);
    let good = packet(VERSION, b"net-pf-15");
    let mut dice = Dice(1);
    for _ in 0..4000 {
        let mut bytes = good.clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            bytes[at] = u8::try_from(dice.below(256)).unwrap();
        }
        bytes.truncate(1 + dice.below(good.len()));
        let answer = exchange(&system, &bytes);
        assert!(matches!(answer, Some(Answer::Refused(_) | Answer::Done(_) | Answer::Accepted)), "{bytes:?}: {answer:?}");
    }
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied);
}

#[test]
fn peers_that_say_nothing_cost_a_second_and_no_more() {
    let system = System::served(ENFORCE);
    let silent: Vec<OwnedFd> = (0..100).map(|_| connection(&system)).collect();
    let start = Instant::now();
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn workers_that_a_flood_needed_end_after_it() {
    let system = System::served(ENFORCE);
    let silent: Vec<OwnedFd> = (0..40).map(|_| connection(&system)).collect();
    let until = Instant::now() + Duration::from_secs(10);
    while system.threads("request-") < 30 {
        assert!(Instant::now() < until, "{} workers for 40 peers", system.threads("request-"));
    }
    drop(silent);
    while system.threads("request-") > 5 {
        assert!(Instant::now() < until, "{} workers for nobody", system.threads("request-"));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
}

#[test]
fn a_daemon_that_ends_serves_who_has_connected_and_turns_away_who_comes_later() {
    let system = System::served(ENFORCE);
    let (early, silent) = (connection(&system), connection(&system));
    system.terminate();
    let address = SocketAddrUnix::new(system.paths().request_socket()).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let late = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        match connect(&late, &address) {
            Ok(()) => assert!(Instant::now() < until, "it takes new connections"),
            Err(errno) => {
                assert_eq!(errno, rustix::io::Errno::CONNREFUSED);
                break;
            }
        }
    }
    send(&early, &packet(VERSION, b"net-pf-15"), SendFlags::NOSIGNAL).unwrap();
    let mut answer = vec![0; MAX_PACKET];
    let (length, _) = recv(&early, answer.as_mut_slice(), RecvFlags::empty()).unwrap();
    assert_eq!(serde_json::from_slice::<Answer>(&answer[..length]).unwrap(), Answer::Done(Outcome::Denied));
    drop(silent);
}

/// It has decided by itself, and its number may be another process's: whoever that is must not be judged in its place.
#[test]
fn a_helper_that_has_given_up_is_not_served_any_more() {
    let system = System::served(ENFORCE);
    system.signal(rustix::process::Signal::STOP);
    let gone = connection(&system);
    send(&gone, &packet(VERSION, b"fs-vfat"), SendFlags::NOSIGNAL).unwrap();
    drop(gone);
    let stays = connection(&system);
    send(&stays, &packet(VERSION, b"net-pf-15"), SendFlags::NOSIGNAL).unwrap();
    system.signal(rustix::process::Signal::CONT);
    let mut answer = vec![0; MAX_PACKET];
    let (length, _) = recv(&stays, answer.as_mut_slice(), RecvFlags::empty()).unwrap();
    assert_eq!(serde_json::from_slice::<Answer>(&answer[..length]).unwrap(), Answer::Done(Outcome::Denied));
    assert_eq!(system.ask("nosuch").unwrap(), Outcome::Unknown);
    let names: Vec<_> = system.journal().iter().map(|record| record["request"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["net-pf-15", "nosuch"]);
}

#[test]
fn the_control_socket_takes_lines_of_its_own_and_no_others() {
    let system = System::served(ENFORCE);
    let mut stream = system.control();
    for line in [&b"status"[..], b"{\"command\":\"nosuch\"}", b"{\"command\":\"allow\"}", b"\xff\xfe", b"{}"] {
        let answer = converse(&mut stream, line);
        assert!(answer.starts_with("{\"failed\":"), "{line:?}: {answer}");
    }
    assert!(converse(&mut stream, b"{\"command\":\"status\"}").starts_with("{\"status\":{"));
    let mut long = system.control();
    let answer = converse(&mut long, &vec![b'x'; 100_000]);
    assert!(answer.is_empty() || answer.contains("bytes at most"), "{answer}");
    // Connections that do nothing leave room for others up to a number, and are ended.
    let idle: Vec<_> = (0..20).map(|_| system.control()).collect();
    assert!(system.say(&["status"]).contains("all is well"));
    let mut more = Vec::new();
    let refused = (0..10).any(|_| {
        more.extend((0..8).map(|_| system.control()));
        String::from_utf8_lossy(&system.kerneld(&["status"]).stderr).contains("too many connections")
    });
    assert!(refused, "{} connections are served at a time", more.len());
    drop((idle, more));
    assert!(system.say(&["status", "--wait", "10s"]).contains("all is well"));
}

/// A line has its five seconds as a whole, not for each byte.
#[test]
fn a_line_that_comes_byte_by_byte_is_not_waited_for() {
    let system = System::served(ENFORCE);
    let mut stream = system.control();
    let start = Instant::now();
    while std::io::Write::write_all(stream.get_mut(), b" ").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(9), "the connection is still open");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(start.elapsed() > Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn the_numbers_are_in_prometheus_own_form() {
    let system = System::served(ENFORCE);
    system.ask("fs-vfat").unwrap();
    system.ask("net-pf-15").unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(system.paths().metrics_socket()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let text = std::io::read_to_string(&mut stream).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK") && head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let mut typed = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            typed = rest.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&typed), "{line} belongs to {typed}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for line in [
        "kerneld_requests_total{class=\"fs\",verdict=\"allow\",result=\"loaded\"} 1",
        "kerneld_requests_total{class=\"net-pf\",verdict=\"deny\",result=\"denied\"} 1",
        "kerneld_modules_loaded_total 2",
        "kerneld_enforcing 1",
        "kerneld_policy_valid 1",
        "kerneld_request_duration_seconds_count{work=\"loaded\"} 1",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} is not in:\n{body}");
    }
}
