//! The journal: what is written is read again, whatever happens to the files; it stays within its bounds; floods are counted.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use demand::journal::{Journal, Limits, Reader};
use demand::{Class, DecidedBy, Decision, Kind, Mode, Outcome, PlanStep, Record, RuleRef, Verdict};

/// A second, in the time of records.
const SECOND: u64 = 1_000_000;

fn record(sequence: u64, time: u64, request: &str, outcome: Outcome) -> Record {
    let verdict = if outcome == Outcome::Denied { Verdict::Deny } else { Verdict::Allow };
    Record {
        time,
        boot: "b".to_owned(),
        release: "6.1.0".to_owned(),
        sequence,
        request: support::name(request),
        class: Class::of(request),
        requesters: vec![support::someone(Kind::User)],
        decision: Decision {
            verdict,
            rule: RuleRef { name: "default".to_owned(), place: None },
            mode: Mode::Enforce,
            module: None,
            left_out: Vec::new(),
            reason: Some("because".to_owned()),
        },
        plan: vec![PlanStep { module: "m".to_owned(), why: "asked for".to_owned(), loaded: true }],
        outcome,
        duration: 5,
        by: DecidedBy::Daemon,
        repeated: 1,
    }
}

fn loaded(sequence: u64) -> Record {
    record(sequence, sequence * SECOND, "fs-vfat", Outcome::Loaded)
}

fn sequences(path: &Path) -> (Vec<u64>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for line in Reader::open(path).unwrap() {
        match line {
            Ok(record) => good.push(record.sequence),
            Err(error) => bad.push(error.to_string()),
        }
    }
    (good, bad)
}

fn limits(size: u64, keep: u32) -> Limits {
    Limits { size, keep, waiting: 50 }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("log/journal.jsonl")
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path().join("log")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn records_come_back_as_they_were() {
    let folder = Folder::new();
    assert_eq!(sequences(&folder.journal()), (vec![], vec![]), "there is no journal yet");
    let failed = Outcome::Failed { errno: Some(8), text: "Exec format error".to_owned() };
    let written: Vec<_> = [Outcome::Loaded, Outcome::Present, Outcome::Denied, Outcome::Unknown, failed, Outcome::Shared]
        .into_iter()
        .zip(1..)
        .map(|(outcome, at)| record(at, at * SECOND, "net-pf-38", outcome))
        .collect();
    let mut journal = Journal::open(&folder.journal(), Limits::default());
    written.iter().cloned().for_each(|record| journal.append(record));
    let read: Vec<_> = Reader::open(&folder.journal()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, written, "at once, not only when the journal is closed");
    assert_eq!(journal.status().written, 6);
    // A second process goes on behind what is there.
    drop(journal);
    Journal::open(&folder.journal(), Limits::default()).append(loaded(7));
    assert_eq!(sequences(&folder.journal()).0, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn files_stay_within_their_bounds() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), limits(4000, 3));
    for sequence in 1..=500 {
        journal.append(loaded(sequence));
    }
    assert_eq!(folder.files(), ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2", "journal.jsonl.3"]);
    for file in folder.files() {
        assert!(fs::metadata(folder.0.path().join("log").join(file)).unwrap().len() <= 4000);
    }
    let (found, bad) = sequences(&folder.journal());
    assert!(bad.is_empty() && found.len() > 20 && found.last() == Some(&500), "{found:?} {bad:?}");
    assert!(found.windows(2).all(|pair| pair[1] == pair[0] + 1), "oldest first, without gaps: {found:?}");
    // Fewer files from now on; a reader that was there before sees what it opened.
    let reader = Reader::open(&folder.journal()).unwrap();
    journal.set_limits(limits(4000, 1));
    (501..=520).for_each(|sequence| journal.append(loaded(sequence)));
    assert_eq!(folder.files(), ["journal.jsonl", "journal.jsonl.1"]);
    assert!(reader.filter_map(Result::ok).map(|record| record.sequence).take(found.len()).eq(found));
}

#[test]
fn damaged_lines_are_passed_over_and_named() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), Limits::default());
    (1..=3).for_each(|sequence| journal.append(loaded(sequence)));
    drop(journal);
    let whole = fs::read(folder.journal()).unwrap();
    // The writer was killed within a line: the next begins a new one.
    fs::write(folder.journal(), &whole[..whole.len() - 20]).unwrap();
    Journal::open(&folder.journal(), Limits::default()).append(loaded(4));
    let (found, bad) = sequences(&folder.journal());
    assert_eq!(found, [1, 2, 4]);
    assert_eq!(bad.len(), 1);
    assert!(bad[0].contains("journal.jsonl:3: "), "{bad:?}");
    // Zeroes (a crash of the machine), bytes that are no text, a line without end.
    let rest = fs::read(folder.journal()).unwrap();
    let endless = vec![b'x'; 3 << 20];
    fs::write(folder.journal(), [&[0; 5000], b"\n\xff\xfe\n\n  \n".as_slice(), &endless, b"\n", &rest].concat()).unwrap();
    let (found, bad) = sequences(&folder.journal());
    assert_eq!((found, bad.len()), (vec![1, 2, 4], 4));
    assert!(bad[2].contains("journal.jsonl:5: longer than 262144 bytes"), "{bad:?}");
}

#[test]
fn a_disk_that_takes_nothing_costs_no_record_and_no_memory() {
    let folder = Folder::new();
    fs::create_dir_all(folder.journal()).unwrap();
    let mut journal = Journal::open(&folder.journal(), limits(1 << 20, 2));
    assert!(journal.status().error.is_some());
    for sequence in 1..=1000 {
        let mut record = loaded(sequence);
        record.time = SECOND;
        journal.append(record);
    }
    let status = journal.status();
    assert_eq!((status.written, status.waiting), (0, 50));
    fs::remove_dir(folder.journal()).unwrap();
    journal.tick(10 * SECOND);
    assert!(journal.is_idle() && journal.status().error.is_none(), "{:?}", journal.status());
    let records: Vec<_> = Reader::open(&folder.journal()).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.iter().map(|record| record.repeated).sum::<u64>(), 1000, "what has no line of its own is counted");
    assert!(records.len() < 60);
    // Another way to lose the file: somebody removes it.
    fs::remove_file(folder.journal()).unwrap();
    journal.append(record(1001, 30 * SECOND, "fs-xfs", Outcome::Loaded));
    assert_eq!(sequences(&folder.journal()).0, [1001]);
}

#[test]
fn a_full_disk_is_survived() {
    // Writes to this device fail as those to a full disk do.
    let folder = Folder::new();
    fs::create_dir_all(folder.journal().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.journal()).unwrap();
    let mut journal = Journal::open(&folder.journal(), limits(1 << 20, 2));
    (1..=20).for_each(|sequence| journal.append(loaded(sequence)));
    let status = journal.status();
    assert_eq!((status.written, status.waiting), (0, 20));
    assert!(status.error.is_some_and(|error| error.contains("No space left")));
    fs::remove_file(folder.journal()).unwrap();
    journal.append(loaded(40));
    assert_eq!(sequences(&folder.journal()).0, (1..=20).chain([40]).collect::<Vec<_>>());
}

#[test]
fn floods_are_counted_and_push_nothing_out() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), limits(1 << 20, 1));
    journal.append(loaded(1));
    // One name, again and again, for ten seconds at 10,000 per second.
    for at in 0..100_000_u64 {
        journal.append(record(2 + at, 2 * SECOND + at * 100, "net-pf-38", Outcome::Denied));
    }
    // Ever new names, as fast.
    for at in 0..100_000_u64 {
        journal.append(record(200_000 + at, 20 * SECOND + at * 100, &format!("algif-{at}"), Outcome::Denied));
    }
    // In the middle of it somebody is served.
    journal.append(record(400_000, 30 * SECOND, "fs-vfat", Outcome::Loaded));
    journal.tick(60 * SECOND);
    let records: Vec<_> = Reader::open(&folder.journal()).unwrap().map(Result::unwrap).collect();
    let total = |request: &str| {
        records.iter().filter(|record| record.request.as_str().starts_with(request)).map(|record| record.repeated).sum::<u64>()
    };
    assert_eq!((total("net-pf-38"), total("algif-"), total("fs-vfat")), (100_000, 100_000, 2), "counts are never lost");
    assert!(records.len() < 600, "{} lines", records.len());
    let lines = records.iter().map(|record| record.repeated == 1);
    assert!(lines.filter(|one| *one).count() > 200, "the first are written one by one");
    assert_eq!(records.first().map(|record| record.sequence), Some(1), "the oldest is still there");
    let counted = journal.status().counted;
    assert!(counted > 199_000 && records.iter().all(|record| (record.outcome == Outcome::Repeated) == (record.repeated > 1)), "{counted}");
}

#[test]
fn what_is_counted_is_written_at_the_end_of_the_process() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), Limits::default());
    (1..=500).for_each(|sequence| journal.append(record(sequence, SECOND, "net-pf-3", Outcome::Denied)));
    drop(journal);
    let total: u64 = Reader::open(&folder.journal()).unwrap().map(|record| record.unwrap().repeated).sum();
    assert_eq!(total, 500);
}

fn total(path: &Path) -> u64 {
    Reader::open(path).unwrap().map(|record| record.unwrap().repeated).sum()
}

/// Somebody who reads has everything written (`kerneld log`); that is not the end of the process.
#[test]
fn after_somebody_has_read_it_goes_on_as_before() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), limits(1 << 20, 2));
    (1..=100).for_each(|sequence| journal.append(record(sequence, SECOND, "net-pf-3", Outcome::Denied)));
    journal.finish();
    assert_eq!(total(&folder.journal()), 100);
    // What has been counted for a name is not forgotten by it: the flood is still one.
    (101..=200).for_each(|sequence| journal.append(record(sequence, SECOND + 1, "net-pf-3", Outcome::Denied)));
    assert!(!journal.is_idle());
    (2..=5).for_each(|second| journal.tick(second * SECOND));
    assert!(journal.is_idle());
    assert_eq!(total(&folder.journal()), 200);
    // And where the disk took nothing at that moment, it is tried again.
    fs::remove_file(folder.journal()).unwrap();
    fs::create_dir(folder.journal()).unwrap();
    journal.append(record(201, 20 * SECOND, "fs-vfat", Outcome::Loaded));
    journal.finish();
    assert!(journal.status().error.is_some());
    fs::remove_dir(folder.journal()).unwrap();
    journal.tick(22 * SECOND);
    assert_eq!((journal.status().error, total(&folder.journal())), (None, 1));
}

/// NTP corrects a clock that was years ahead.
#[test]
fn a_clock_that_is_set_back_keeps_nothing_waiting() {
    const YEAR: u64 = 365 * 86_400 * SECOND;
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), limits(1 << 20, 2));
    (1..=100).for_each(|sequence| journal.append(record(sequence, YEAR, "net-pf-3", Outcome::Denied)));
    (101..=200).for_each(|sequence| journal.append(record(sequence, SECOND, "net-pf-3", Outcome::Denied)));
    (1..=4).for_each(|second| journal.tick(second * SECOND));
    assert!(journal.is_idle(), "{journal:?}");
    assert_eq!(total(&folder.journal()), 200);
    // Allowances grow by the new time: after a while the next is written by itself.
    journal.append(record(201, 5 * SECOND, "net-pf-3", Outcome::Denied));
    assert!(journal.is_idle());
    // A disk that took nothing is tried again by the new time, too.
    fs::remove_file(folder.journal()).unwrap();
    fs::create_dir(folder.journal()).unwrap();
    journal.append(record(202, YEAR, "fs-vfat", Outcome::Loaded));
    assert!(journal.status().error.is_some());
    fs::remove_dir(folder.journal()).unwrap();
    (6..=9).for_each(|second| journal.tick(second * SECOND));
    assert!(journal.is_idle() && journal.status().error.is_none(), "{:?}", journal.status());
}

/// Anyone can ask for what never succeeds, such as a driver of a processor that is another: that must not push the history out.
#[test]
fn what_fails_again_and_again_is_counted() {
    let folder = Folder::new();
    let mut journal = Journal::open(&folder.journal(), limits(64 << 10, 1));
    journal.append(loaded(1));
    for at in 0..20_000 {
        let failed = Outcome::Failed { errno: Some(19), text: "No such device".to_owned() };
        journal.append(record(2 + at, 2 * SECOND + at * 100, "crypto-aes-padlock", failed));
    }
    journal.finish();
    let records: Vec<_> = Reader::open(&folder.journal()).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.first().map(|record| record.sequence), Some(1), "the oldest is still there");
    assert_eq!(records.iter().map(|record| record.repeated).sum::<u64>(), 20_001);
    let failed = records.iter().filter(|record| matches!(record.outcome, Outcome::Failed { .. })).count();
    assert!((10..100).contains(&failed), "{failed}");
}
