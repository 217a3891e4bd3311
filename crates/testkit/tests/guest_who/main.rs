//! Who asked: programs of every kind make a real kernel ask, and the daemon's journal has to say who they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use demand::{Attribution, DecidedBy, Kind, Record, Requester, Verdict};
use testkit::Programs;
use testkit::guest::{Flavour, Guest, subset};

/// The policy of the guest: users and those of whom nothing is known get nothing, but what the test of nested requests needs.
const POLICY: &str = r#"
mode = "enforce"

[[rule]]
name = "streams"
request = ["net-pf-38", "net-pf-2-proto-132*", "crypto-crc32c*", "crypto-hmac*", "crypto-sha*", "algif-skcipher"]
verdict = "allow"

[default]
verdict = "allow"
user = "deny"
unknown = "deny"
container = "deny"
"#;

const SCRIPT: &str = "
mkdir -p /run /var/lib/kerneld /var/log/kerneld /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/system.slice/test.service /sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope
/sbin/depmod
# Else the plan would bring along what the start of libcrc32c asks for.
sed -i /crc32c/d /lib/modules/*/modules.softdep
echo /usr/sbin/kerneld-request >/proc/sys/kernel/modprobe
start() { /usr/sbin/kerneld run --verbose >/tmp/log 2>&1 & daemon=$!; n=0; while ! test -e /run/kerneld/control.sock; do sleep 0.1; n=$((n+1)); test $n -lt 200 || break; done; }
start
/ask uid 1000 socket 3 1 0
/ask socket 4 1 0
/ask real 1000 socket 5 1 0
/ask uid 1000 userns socket 6 1 0
/ask cgroup /sys/fs/cgroup/system.slice/test.service socket 9 1 0
/ask cgroup /sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope uid 1000 socket 11 1 0
/ask uid 1000 thread socket 12 1 0
/ask socket 38 5 0
/ask uid 1000 hash nosuch
/ask uid 1000 alg skcipher 'lrw(serpent)'
/ask alg skcipher 'cbc(twofish)'
/ask uid 1000 killed times 20 alg skcipher 'cbc(serpent)'
journal=/var/log/kerneld/journal.jsonl
# Whether one is killed while its request is under way, and whether two meet, is a matter of moments: again until they did.
n=0; until grep -q net-pf-19 $journal || test $n -ge 8; do
  /ask uid 1000 killed times 10 socket 19 1 0; sleep 0.3; n=$((n+1))
done
met() { grep net-pf-20 $journal | grep '\"user\"' | grep -q '\"root\"'; }
n=0; until met || test $n -ge 8; do
  /ask uid 1000 times 8 socket 20 1 0 & asks=$!; /ask times 8 socket 20 1 0; wait $asks; sleep 0.3; n=$((n+1))
done
sleep 1
/ask uid 1000 socket 2 1 132
kill $daemon; wait $daemon
cat /tmp/log
umount /sys/kernel/tracing
start
/ask uid 1000 socket 22 1 0
/ask socket 23 1 0
sleep 1
/usr/sbin/kerneld why sctp
kill $daemon; wait $daemon
/ask uid 1000 socket 24 1 0
cat /run/kerneld/helper.jsonl >>/var/log/kerneld/journal.jsonl
echo
while read -r line; do echo \"JOURNAL $line\"; done </var/log/kerneld/journal.jsonl
cut -d' ' -f1 /proc/modules
";

/// Compiles the program that asks, without any library.
fn ask(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_who/ask.c");
    let program = folder.join("ask");
    let done = Command::new("gcc").args(["-static", "-O2", "-pthread", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(done.expect("gcc runs").success());
    program
}

/// The records of the guest's journal.
fn play(flavour: Flavour) -> (Vec<Record>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    guest.daemon(&Programs::static_kerneld()).expect("the daemon");
    let modules = ["sctp", "crc32c_generic", "af_alg", "algif_skcipher", "lrw", "serpent_generic", "twofish_generic"];
    let tree = subset(guest.machine(), &modules, folder.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest.archive().copy(&ask(folder.path()), "ask").expect("a program");
    guest.archive().file("etc/kerneld/policy.toml", 0o644, POLICY.as_bytes());
    let console = guest.boot(SCRIPT).expect("a boot").console;
    let lines = console.lines().filter_map(|line| line.strip_prefix("JOURNAL "));
    let records = lines.map(|line| demand::journal::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}\n{console}")));
    (records.collect(), console)
}

fn of<'a>(records: &'a [Record], name: &str) -> Vec<&'a Record> {
    records.iter().filter(|record| record.request.as_str() == name).collect()
}

/// The one requester of the one request for a name.
#[track_caller]
fn one<'a>(records: &'a [Record], name: &str, console: &str) -> &'a Requester {
    let found = of(records, name);
    assert!(found.len() == 1 && found[0].requesters.len() == 1, "{name}: {found:#?}\n{console}");
    &found[0].requesters[0]
}

fn everybody_is_told_from_everybody_else(flavour: Flavour) {
    let (records, console) = play(flavour);
    println!("{console}");
    let by = |name: &str| {
        let requester = one(&records, name, &console);
        (requester.kind, requester.uid, requester.by)
    };
    assert_eq!(by("net-pf-3"), (Kind::User, Some(1000), Attribution::Trace), "{console}");
    assert_eq!(by("net-pf-4"), (Kind::Root, Some(0), Attribution::Trace));
    // A program with the rights of root that a user started.
    assert_eq!(by("net-pf-5"), (Kind::User, Some(1000), Attribution::Trace));
    assert_eq!(by("net-pf-6"), (Kind::Container, Some(1000), Attribution::Trace));
    assert_eq!(by("net-pf-9"), (Kind::Service, Some(0), Attribution::Trace));
    assert_eq!(by("net-pf-11"), (Kind::User, Some(1000), Attribution::Trace));
    assert_eq!(by("net-pf-12"), (Kind::User, Some(1000), Attribution::Trace));
    let whole = one(&records, "net-pf-3", &console);
    assert_eq!((whole.exe.as_deref(), whole.call_site.as_deref()), (Some("/ask"), Some("__sock_create")));
    assert_eq!(one(&records, "net-pf-9", &console).unit.as_deref(), Some("test.service"));
    assert_eq!(one(&records, "net-pf-11", &console).unit.as_deref(), Some("session-3.scope"));
    assert!(one(&records, "net-pf-6", &console).user_namespace.is_some());
    // A function of a module asks.
    assert_eq!(by("algif-nosuch"), (Kind::User, Some(1000), Attribution::Trace));
    assert_eq!(one(&records, "algif-nosuch", &console).call_site.as_deref(), Some("alg_bind [af_alg]"));
    // What is denied is denied to whom it is denied.
    for (name, verdict) in [("net-pf-3", Verdict::Deny), ("net-pf-4", Verdict::Allow), ("net-pf-6", Verdict::Deny)] {
        assert_eq!(of(&records, name)[0].decision.verdict, verdict, "{name}");
    }
    killed_and_several(&records, &console);
    parts_of_algorithms(&records, &console);
    // The start of a module asks for another: for the user, not for the daemon that loads.
    let nested: Vec<&Record> = records.iter().filter(|record| record.request.as_str().starts_with("crypto-crc32c")).collect();
    assert!(!nested.is_empty(), "the module asks for nothing here any more\n{console}");
    let kinds: Vec<(Kind, Option<u32>)> = nested.iter().flat_map(|record| &record.requesters).map(|who| (who.kind, who.uid)).collect();
    assert!(kinds.iter().all(|who| *who == (Kind::User, Some(1000))), "{nested:#?}");
    assert!(console.contains("sctp was loaded") && console.contains("asked for as `net-pf-2-proto-132"), "{console}");
    assert!(console.lines().any(|line| line == "sctp"), "{console}");
    // Without tracing, and without the daemon.
    let blocked = of(&records, "net-pf-22")[0];
    assert!(blocked.requesters.iter().any(|who| (who.uid, who.by) == (Some(1000), Attribution::Blocked)), "{blocked:#?}");
    assert_eq!(blocked.decision.verdict, Verdict::Deny);
    assert!(of(&records, "net-pf-23")[0].requesters.iter().any(|who| who.kind == Kind::Root), "{console}");
    let alone = of(&records, "net-pf-24")[0];
    assert_eq!((alone.by, alone.decision.verdict), (DecidedBy::Helper, Verdict::Deny), "{alone:#?}");
    assert_eq!(alone.requesters[0].uid, Some(1000), "{alone:#?}");
}

/// The kernel itself asks for what an algorithm is made of; whoever wants that is who asks.
fn parts_of_algorithms(records: &[Record], console: &str) {
    for (part, kind, verdict) in [("crypto-lrw", Kind::User, Verdict::Deny), ("crypto-twofish", Kind::Root, Verdict::Allow)] {
        let found = of(records, part);
        assert!(!found.is_empty(), "{part}\n{console}");
        // 6.12 asks twice.
        for record in found {
            let who: Vec<_> = record.requesters.iter().map(|who| (who.kind, who.by)).collect();
            assert_eq!((who, record.decision.verdict), (vec![(kind, Attribution::Blocked)], verdict), "{record:#?}");
        }
    }
    // Also for one that is killed.
    for record in records.iter().filter(|record| record.request.as_str().starts_with("crypto-serpent")) {
        assert_eq!(record.decision.verdict, Verdict::Deny, "{record:#?}");
    }
    let loaded = |module: &str| console.lines().any(|line| line == module);
    assert!(loaded("twofish_generic") && !loaded("serpent_generic") && !loaded("lrw"), "{console}");
}

/// Who was killed is unknown, never somebody else; and where a user and root ask at once, neither gets more than the user may.
fn killed_and_several(records: &[Record], console: &str) {
    let killed = of(records, "net-pf-19");
    assert!(!killed.is_empty(), "{console}");
    for record in killed {
        assert!(record.requesters.iter().all(|who| [Kind::Unknown, Kind::User].contains(&who.kind)), "{record:#?}");
        assert_eq!(record.decision.verdict, Verdict::Deny, "{record:#?}");
    }
    let several = of(records, "net-pf-20");
    let kinds = |record: &Record| record.requesters.iter().map(|who| who.kind).collect::<Vec<_>>();
    let both: Vec<_> = several.iter().filter(|record| kinds(record).contains(&Kind::User) && kinds(record).contains(&Kind::Root)).collect();
    let of_user = several.iter().filter(|record| kinds(record).iter().any(|kind| *kind != Kind::Root));
    for record in of_user {
        assert_eq!(record.decision.verdict, Verdict::Deny, "{record:#?}");
    }
    println!("{} requests for one name by a user and root, {} with both as candidates", several.len(), both.len());
    assert!(!both.is_empty(), "the two never met: {several:#?}");
}

#[test]
fn everybody_is_told_from_everybody_else_on_6_1() {
    everybody_is_told_from_everybody_else(Flavour::Debian61);
}

#[test]
fn everybody_is_told_from_everybody_else_on_6_12() {
    everybody_is_told_from_everybody_else(Flavour::Debian612);
}
