//! Lines of the control socket and announcements of devices, damaged in ten thousand ways.

use std::time::Duration;

use demand::policy::{Glob, Grant, Granted};
use kerneld::linux::control::{Command, Reply};

use crate::dice::Dice;
use crate::targets::{control_target, uevent_target};

const ROUNDS: usize = 10_000;

const ANNOUNCED: &[u8] = b"add@/devices/pci0000:00/0000:00:02.0\0ACTION=add\0SUBSYSTEM=pci\0MODALIAS=pci:v00008086d0000100E\0SEQNUM=812\0";

/// Bytes that mean something in one of the forms.
const MEANINGS: &[&[u8]] = &[b"\"", b"[", b"]", b"{", b"}", b":", b"\0", b"/", b"..", b"@", b"=", b"\xff", b"-1", b"99999999999999999999"];

fn run(seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    seeds.iter().for_each(|seed| target(seed));
    for round in 0..ROUNDS {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len() + 1);
            match dice.below(4) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, MEANINGS[dice.below(MEANINGS.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + dice.below(20)).min(bytes.len()))),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            }
        }
        target(&bytes);
    }
}

#[test]
fn lines_of_the_control_socket() {
    let what = || Granted::Request(Glob::new("fs-*").unwrap());
    let commands = [
        Command::Status,
        Command::Top { most: 5 },
        Command::Allow { what: what(), length: Duration::from_secs(60) },
        Command::Revoke { what: what() },
        Command::Flush,
    ];
    let grant = Grant { what: what(), since: 1, until: 9, by: "root".to_owned() };
    let replies = [Reply::Allowed(grant), Reply::Revoked(1), Reply::Flushed, Reply::Failed("no".to_owned())];
    let mut seeds: Vec<_> = commands.iter().map(|command| serde_json::to_vec(command).unwrap()).collect();
    seeds.extend(replies.iter().map(|reply| serde_json::to_vec(reply).unwrap()));
    run(&seeds, control_target);
}

#[test]
fn announcements_of_devices() {
    run(&[ANNOUNCED.to_vec()], uevent_target);
}
