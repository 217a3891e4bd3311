//! Texts, packets and floods that mean harm.

use std::time::Duration;

use uapi::kerneld::{Message, Request};
use uapi::wire;

use crate::bench::{Bench, wait_until};

#[test]
fn hostile_texts_reach_no_helper() {
    let bench = Bench::new();
    let daemon = bench.daemon(&[]);
    let long = "x".repeat(4056);
    let names = ["", "-r", "--config=/tmp/x", "../../tmp/evil", "a b", "a\nb", "a\0b", "$(reboot)", "a;b", "*", long.as_str()];
    for request in [Request::RequestModule, Request::ReleaseModule, Request::DelayedReleaseModule] {
        for name in names {
            assert_eq!(bench.kernel.call(request, name), (1, String::new()), "{} {name:?}", request.name());
        }
    }
    for address in ["", "-x", "1.2.3", "1.2.3.4; id", "host", "::1", "1.2.3.4\n", long.as_str()] {
        assert_eq!(bench.kernel.call(Request::RequestRoute, address).0, 1, "{address:?}");
    }
    for command in ["", "echo a\0b", long.as_str()] {
        assert_eq!(bench.kernel.call(Request::System, command).0, 1, "{command:?}");
    }
    for word in ["", "ON", "on off", long.as_str()] {
        assert_eq!(bench.kernel.call(Request::Blanker, word).0, 1, "{word:?}");
    }
    assert!(bench.calls("modprobe").is_empty() && bench.calls("request-route").is_empty() && bench.calls("blanker").is_empty());
    daemon.wait_for("refused: REQUEST_MODULE of `-r`: it begins with `-`");
    let log = daemon.log();
    assert!(log.lines().all(|line| line.starts_with("kerneld[") && line.len() < 1100), "no text makes a line of its own:\n{log}");
}

#[test]
fn mutated_packets_do_no_harm() {
    let bench = Bench::new();
    let mut daemon = bench.daemon(&[]);
    // Few that start a process: this is about packets, of which there shall be many.
    let seeds = [
        Message { mtype: 255, id: 0x7ffe_0000, pid: 0, text: "nokeep".to_owned() },
        Message { mtype: 5, id: 0, pid: 1, text: "vfat".to_owned() },
        Message { mtype: 7, id: 0, pid: u32::MAX, text: "onn".to_owned() },
        Message { mtype: 9, id: 7, pid: 1, text: String::new() },
    ];
    let loads = Message { mtype: 2, id: 0, pid: 1, text: "vfat".to_owned() };
    let (mut state, mut malformed) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below
    };
    for round in 0..3000 {
        let seed = if round % 60 == 0 { &loads } else { &seeds[round % seeds.len()] };
        let mut bytes = wire::encode(seed).unwrap();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        bytes.truncate(bytes.len() - random(2));
        bytes.extend(std::iter::repeat_n(0xff, random(2) * random(9000)));
        match wire::decode::<Message>(&bytes) {
            // What the shell would make of it is not the question here.
            Ok(message) if message.mtype == Request::System.code() => continue,
            Ok(_) => {}
            Err(_) => malformed += 1,
        }
        bench.kernel.send_bytes(bytes);
    }
    assert!(malformed > 300, "{malformed} malformed");
    assert_eq!(bench.kernel.call(Request::RequestModule, "minix").0, 0);
    assert!(daemon.lives());
    assert!(daemon.log().contains("a packet of the kernel was dropped: malformed message"));
    let calls = bench.calls("modprobe");
    assert!(calls.iter().all(|call| call.starts_with("-k -s -- ") || call.starts_with("-r -s -- ")), "{calls:?}");
}

#[test]
fn a_flood_leaves_a_bounded_number_of_processes() {
    let bench = Bench::new();
    let go = bench.path("go");
    bench.stub("modprobe", &format!("while [ ! -e '{}' ]; do sleep 0.2; done", go.display()));
    let daemon = bench.daemon(&[]);
    let tickets: Vec<_> = (0..200).map(|number| bench.kernel.ask(Request::RequestModule, &format!("module{number}"))).collect();
    wait_until("the daemon to be busy", || bench.kernel.unread() <= 200 - kerneld::MAX_RUNNING);
    std::thread::sleep(Duration::from_millis(300));
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.pid())).unwrap();
    assert_eq!(children.split_whitespace().count(), kerneld::MAX_RUNNING);
    assert_eq!(bench.kernel.unread(), 200 - kerneld::MAX_RUNNING, "the rest is left to the kernel, which answers ENODEV");
    std::fs::write(go, "").unwrap();
    for ticket in tickets {
        assert_eq!(bench.kernel.reply(ticket).0, 0);
    }
}

#[test]
fn a_flood_of_delayed_releases_is_refused_at_the_limit_and_blocks_nobody() {
    let bench = Bench::new();
    let daemon = bench.daemon(&["delay=100"]);
    for number in 0..kerneld::MAX_SLEEPING {
        bench.kernel.tell(Request::DelayedReleaseModule, &format!("module{number}"));
    }
    assert_eq!(bench.kernel.call(Request::RequestModule, "vfat").0, 0);
    wait_until("all to be taken", || bench.kernel.unread() == 0);
    assert_eq!(bench.kernel.call(Request::DelayedReleaseModule, "one-more").0, 1);
    daemon.wait_for("delayed releases wait already");
    let report = bench.kernel.call(Request::Debug, "").1;
    assert!(report.len() <= uapi::kerneld::MAX_TEXT && report.ends_with('\n'));
    assert_eq!(bench.kernel.call(Request::CancelReleaseModule, "module0").0, 0);
    assert!(bench.kernel.receives() > kerneld::MAX_SLEEPING);
}
