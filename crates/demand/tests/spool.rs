//! What helpers leave for the daemon: as much as there is room for, and the number of the rest.

use demand::spool::{self, Left, MAX_SPOOL};
use demand::{Attribution, Class, DecidedBy, Decision, Kind, Mode, Origin, Outcome, Record, RequestName, Requester, RuleRef, Verdict};

fn record() -> Record {
    Record {
        time: 1,
        boot: "b".to_owned(),
        release: "6.1.0".to_owned(),
        sequence: 0,
        request: RequestName::new(b"net-pf-38", Origin::Helper).unwrap(),
        class: Class::NetPf,
        requesters: vec![Requester { comm: Some("x".repeat(4000)), ..Requester::bare(Kind::User, Attribution::Blocked) }],
        decision: Decision {
            verdict: Verdict::Deny,
            rule: RuleRef { name: "default".to_owned(), place: None },
            mode: Mode::Enforce,
            module: None,
            left_out: Vec::new(),
            reason: None,
        },
        plan: Vec::new(),
        outcome: Outcome::Denied,
        duration: 5,
        by: DecidedBy::Helper,
        repeated: 1,
    }
}

#[test]
fn beyond_its_bound_requests_are_counted_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    // The folder is made: `/run` is empty after a start.
    let path = folder.path().join("kerneld/helper.jsonl");
    let left: Vec<Left> = (0..1000).map(|_| spool::add(&path, &record()).unwrap()).collect();
    let (records, counts): (Vec<Left>, Vec<Left>) = left.iter().partition(|left| **left == Left::Record);
    assert!(records.len() > 100 && counts.len() > 100, "{} {}", records.len(), counts.len());
    assert!(std::fs::metadata(&path).unwrap().len() <= MAX_SPOOL);
    // A name of which no record can be made.
    assert_eq!(spool::count(&path).unwrap(), Left::Count);
    assert!(spool::put_aside(&path).unwrap());
    let spooled = spool::read_aside(&path).unwrap();
    assert_eq!(spooled.records.len(), records.len());
    assert_eq!((spooled.lost, spooled.damaged), (u64::try_from(counts.len()).unwrap() + 1, 0));
    // What comes while the daemon reads is there the next time.
    assert_eq!(spool::count(&path).unwrap(), Left::Count);
    spool::finish(&path);
    assert!(spool::put_aside(&path).unwrap());
    assert_eq!(spool::read_aside(&path).unwrap(), spool::Spooled { lost: 1, ..spool::Spooled::default() });
    spool::finish(&path);
    assert!(!spool::put_aside(&path).unwrap());
    assert_eq!(spool::read_aside(&path).unwrap(), spool::Spooled::default());
}
