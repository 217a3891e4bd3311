//! Bytes from outside, damaged in ten thousand ways: an answer or an error, never a panic, a hang or memory without bound.
//!
//! What is called with them is in `support/targets.rs`, for the fuzzer to call it too.

#[path = "support/targets.rs"]
mod targets;

use demand::policy::{Glob, Grant, Granted, compiled};
use demand::wire::{Answer, Ask};
use demand::{MAX_NAME, Outcome};

/// How many damaged inputs each target sees.
const ROUNDS: u64 = 10_000;

const POLICY: &[u8] = include_bytes!("data/every-key.toml");
const JOURNAL: &[u8] = include_bytes!("data/journal.jsonl");

/// Xorshift: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Flips bits, puts in bytes that mean something, cuts, repeats and takes out: one to four times.
fn damage(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                let meaning = [b"\"".as_slice(), b"[", b"]", b"\n", b"=", b"{", b"}", b"\0", b"\xff", b"-1", b"99999999999999999999", b"*"];
                bytes.splice(at..at, meaning[random.below(meaning.len())].iter().copied());
            }
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                bytes.drain(at..end);
            }
            _ => {
                for byte in bytes.iter_mut().skip(at).take(8) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
                }
            }
        }
    }
    bytes
}

fn run(seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    seeds.iter().for_each(|seed| target(seed));
    for round in 0..ROUNDS {
        let seed = &seeds[usize::try_from(round).unwrap() % seeds.len()];
        target(&damage(seed, &mut random));
    }
}

#[test]
fn policy_files() {
    let deep = [b"default = ".as_slice(), &[b'['; 5000]].concat();
    let inline = b"rule = [{ verdict = \"deny\", class = \"fs\" }, { verdict = \"audit\" }]\n[default]\nuser = \"deny\"\n".to_vec();
    run(&[POLICY.to_vec(), inline, deep], targets::policy_target);
}

#[test]
fn compiled_policies() {
    let policy = demand::policy::Policy::parse(std::path::Path::new("p.toml"), POLICY).expect("a sound policy");
    let grant = Grant { what: Granted::Request(Glob::new("fs-*").unwrap()), since: 1, until: 9, by: "root".to_owned() };
    let seeds = [compiled::encode(&policy, &[grant]).unwrap(), compiled::encode(&demand::policy::Policy::default(), &[]).unwrap()];
    run(&seeds, targets::compiled_target);
}

#[test]
fn journal_lines() {
    let seeds: Vec<_> = JOURNAL.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    assert!(seeds.len() >= 4 && seeds.iter().all(|line| demand::journal::parse(line).is_ok()));
    run(&seeds, targets::journal_target);
}

#[test]
fn questions_and_answers() {
    let ask = |version, name: &[u8]| serde_json::to_vec(&Ask { version, name: name.to_vec() }).unwrap();
    let failed = Outcome::Failed { errno: Some(8), text: "Exec format error".to_owned() };
    let answers = [Answer::Accepted, Answer::Done(Outcome::Loaded), Answer::Done(failed), Answer::Refused("no".to_owned())];
    let mut seeds: Vec<_> = answers.iter().map(|answer| serde_json::to_vec(answer).unwrap()).collect();
    seeds.extend([ask(1, b"fs-vfat"), ask(1, &[255; MAX_NAME]), ask(1, "ü".repeat(1024).as_bytes()), ask(9, b"a/b")]);
    run(&seeds, targets::request_target);
}

#[test]
fn trace_pipes() {
    let line = |rest: &str| format!("            trig-88      [000] .....    12.345678: module_request: {rest}\n");
    let first = line("net-pf-3 wait=1 call_site=__sock_create") + &line("algif-hash wait=0 call_site=alg_bind [af_alg]");
    let second = line("fs-a\nb wait=1 call_site=get_fs_type") + "CPU:1 [LOST 12 EVENTS]\n" + &line("x wait=1 call_site=y");
    run(&[first.into_bytes(), second.into_bytes()], targets::trace_target);
}
