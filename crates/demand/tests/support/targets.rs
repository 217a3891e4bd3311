//! What is called with bytes from outside: by the mutation tests, and by the fuzzer.

use std::path::Path;

use demand::policy::{Grant, Policy, PolicyError, Question, Wanted, compiled};
use demand::who::Parser;
use demand::wire::{Answer, Ask, MAX_PACKET, VERSION};
use demand::{Class, MAX_NAME, Origin, RequestName, Requester};

/// Asks a policy something, whatever it says.
fn ask(policy: &Policy, grants: &[Grant]) {
    for (name, module) in [("fs-vfat", "vfat"), ("net-pf-38", "af_alg")] {
        let Ok(request) = RequestName::new(name.as_bytes(), Origin::Helper) else { continue };
        let modules = [Wanted { module, asked: true, required: true }, Wanted { module: "fat", asked: false, required: false }];
        let question = Question { name: &request, class: Class::of(name), requesters: &[Requester::unknown()], modules: &modules, now: 1 };
        let decision = policy.decide(grants, &question);
        assert_eq!(decision.mode, policy.mode);
    }
}

/// Any bytes as a policy file: a policy that can be compiled and read again, or faults that name lines of the file.
pub(crate) fn policy_target(bytes: &[u8]) {
    match Policy::parse(Path::new("p.toml"), bytes) {
        Ok(policy) => {
            ask(&policy, &[]);
            let compiled = compiled::encode(&policy, &[]).and_then(|bytes| compiled::decode(&bytes));
            assert!(compiled.is_ok_and(|compiled| compiled.policy == policy), "a policy survives compilation");
        }
        Err(PolicyError::Faults(faults)) => {
            let lines = u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap();
            assert!(!faults.is_empty() && faults.iter().all(|fault| (1..=lines).contains(&fault.place.line)), "{faults:?}");
            assert!(faults.iter().all(|fault| !fault.to_string().contains('\n')));
        }
        Err(PolicyError::Read { .. }) => unreachable!("nothing is read"),
    }
}

/// Any bytes as a compiled policy, as they are and with a checksum that is right.
pub(crate) fn compiled_target(bytes: &[u8]) {
    if let Ok(compiled) = compiled::decode(bytes) {
        ask(&compiled.policy, &compiled.grants);
    }
    let mut sound = bytes.to_vec();
    if compiled::seal(&mut sound)
        && let Ok(compiled) = compiled::decode(&sound)
    {
        ask(&compiled.policy, &compiled.grants);
    }
}

/// Any bytes as a line of the journal: what is read can be written, and read again as the same.
pub(crate) fn journal_target(bytes: &[u8]) {
    if let Ok(record) = demand::journal::parse(bytes) {
        let line = serde_json::to_vec(&record).expect("a record can be written");
        assert!(!line.contains(&b'\n'), "a record is one line");
        assert_eq!(demand::journal::parse(&line).as_ref(), Ok(&record));
    }
}

/// Any bytes as a packet of the request socket, from either side: a name that is one, and messages that survive being sent on.
pub(crate) fn request_target(bytes: &[u8]) {
    if let Ok(name) = Ask::parse(bytes) {
        assert!(!name.as_str().is_empty() && name.as_str().len() <= MAX_NAME);
        assert!(!name.as_str().contains(|c: char| c == '/' || c.is_control() || c.is_whitespace()), "{name:?}");
        let again = Ask { version: VERSION, name: name.as_str().as_bytes().to_vec() };
        let packet = serde_json::to_vec(&again).expect("a question can be written");
        assert!(packet.len() <= MAX_PACKET, "every name fits into a packet");
        assert_eq!(Ask::parse(&packet).expect("a question"), name);
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        let packet = serde_json::to_vec(&answer).expect("an answer can be written");
        assert_eq!(serde_json::from_slice::<Answer>(&packet).expect("an answer"), answer);
    }
}

/// Any bytes as the text of a trace pipe, whole and in two parts: the same events, each with a head of its own.
pub(crate) fn trace_target(bytes: &[u8]) {
    let whole = Parser::default().feed(bytes);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(whole.len() <= lines, "an event ends with its line");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut parser = Parser::default();
    let mut parts = parser.feed(first);
    parts.extend(parser.feed(second));
    assert_eq!(parts, whole);
}
