//! A policy that was learnt lets the same work go on: one boot in which everything is loaded and recorded, and another in which only what
//! the learnt policy allows is loaded; and in that, nothing else for a user.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, fat_disk, program, subset};

/// What the work needs, and what it does not.
const MODULES: &[&str] = &[
    "vfat",
    "loop",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859-1",
    "overlay",
    "veth",
    "bridge",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "dm_zero",
    "crc32c_generic",
    "e1000e",
    "e1000",
    // Not needed.
    "af_key",
    "can",
    "nft_log",
    "minix",
    "ppp_async",
];

/// What the work consists of.
const WORK: [&str; 5] = ["devices", "vfat", "overlay", "mapper", "container"];

const DEVICES: &[&str] = &["-device", "e1000e", "-device", "e1000"];

/// Starts the daemon, and has the kernel ask it.
const START: &str = "
/sbin/depmod; mkdir -p /var/log /var/lib
kerneld run >/tmp/kerneld.log 2>&1 &
kerneld status --wait 60s
kerneld install --sysctl-only
";

fn guest(flavour: Flavour) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
    guest.devices(DEVICES);
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), MODULES, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let as_user = root.path().join("as");
    let built = Command::new("cc").args(["-O1", "-static", "-Wall", "-o"]).arg(&as_user).arg(tests.join("guest_kerneld/as.c")).output();
    assert!(built.expect("cc").status.success());
    let archive = guest.archive();
    archive.copy(&as_user, "bin/as").expect("a program");
    archive.copy(&program("workload"), "bin/workload").expect("a program");
    for script in ["work.sh", "network.sh"] {
        archive.copy(&tests.join("guest_learn").join(script), script).expect("a script");
    }
    archive.file("disk", 0o644, &fat_disk());
    archive.file("etc/group", 0o644, b"root:x:0:\nkerneld:x:991:\n");
    guest
}

/// The lines of a console that begin with a mark, without it.
fn marked<'c>(console: &'c str, mark: &str) -> Vec<&'c str> {
    console.lines().filter_map(|line| line.trim_end_matches('\r').strip_prefix(mark)).collect()
}

fn all_work_done(console: &str) {
    let wanted: Vec<String> = WORK.iter().map(|name| format!("{name} ok")).collect();
    assert_eq!(marked(console, "WORK "), wanted, "the console:\n{console}");
}

/// The first boot: the policy that comes of it.
fn learn(flavour: Flavour) -> String {
    let script = format!(
        "{START}
        . /work.sh
        kerneld log | sed 's/^/LOG /'
        kerneld learn --mode enforce --output /learnt.toml && echo 'SAYS learnt'
        kerneld learn --mode enforce | cmp - /learnt.toml && echo 'SAYS the same again'
        kerneld policy check --policy /learnt.toml >/tmp/check && echo 'SAYS sound'
        kerneld policy simulate --policy /learnt.toml --fail-on-deny >/tmp/simulated && echo 'SAYS nothing would be denied' || cat /tmp/simulated
        sed 's/^/POLICY /' /learnt.toml"
    );
    let console = guest(flavour).boot(&script).expect("a boot").ok();
    all_work_done(&console);
    assert_eq!(marked(&console, "SAYS "), ["learnt", "the same again", "sound", "nothing would be denied"], "the console:\n{console}");
    let policy = marked(&console, "POLICY ").join("\n");
    for entry in ["\"fs-vfat\",", "\"fs-overlay\",", "\"rtnl-link-veth\",", "\"rtnl-link-bridge\",", "\"nft-chain-2-nat\",", "\"e1000e\","]
    {
        assert!(policy.contains(entry), "{entry} was not learnt:\n{policy}\n{console}");
    }
    println!("{flavour:?}: learnt from {} records, {} lines", marked(&console, "LOG ").len(), policy.lines().count());
    policy
}

/// The second boot, under the policy.
fn live(flavour: Flavour, policy: &str) {
    let script = format!(
        "{START}
        . /work.sh
        echo 'SECTION others'
        as 1000 -s 1 15 29
        as 1000 unshare -U -r -m mount -t minix /dev/loop0 /tmp
        grep -cE '^(af_key|can|minix) ' /proc/modules | sed 's/^/LOADED /'
        kerneld status | sed 's/^/STATUS /'
        kerneld log --json | sed 's/^/RECORD /'"
    );
    let mut guest = guest(flavour);
    guest.archive().file("etc/kerneld/policy.toml", 0o644, policy.as_bytes());
    let console = guest.boot(&script).expect("a boot").ok();
    all_work_done(&console);
    assert!(marked(&console, "STATUS ").iter().any(|line| line.contains("enforce")), "{console}");
    assert_eq!(marked(&console, "LOADED "), ["0"], "a user gets nothing that the work did not need:\n{console}");
    let mut denied = Vec::new();
    let mut served = 0;
    for line in marked(&console, "RECORD ") {
        let record = demand::journal::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"));
        match record.outcome {
            demand::Outcome::Denied => denied.push(record.request.to_string()),
            demand::Outcome::Loaded | demand::Outcome::Present => served += 1,
            _ => {}
        }
    }
    denied.sort();
    denied.dedup();
    println!("{flavour:?}: {served} requests served, denied: {denied:?}");
    assert_eq!(denied, ["fs-minix", "net-pf-15", "net-pf-29"], "what was not learnt, and nothing else; the console:\n{console}");
    assert!(served > 10, "{console}");
}

#[test]
fn a_learnt_policy_lets_the_same_work_go_on_6_1() {
    let policy = learn(Flavour::Debian61);
    live(Flavour::Debian61, &policy);
}

#[test]
fn a_learnt_policy_lets_the_same_work_go_on_6_12() {
    let policy = learn(Flavour::Debian612);
    live(Flavour::Debian612, &policy);
}
