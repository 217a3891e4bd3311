//! Leases on a real kernel: modules come and go for minutes, once with kerneld, once with a reaper that only looks at reference
//! counts. kerneld loses nothing that anybody needs; the other one does.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, fat_disk, subset};

/// Everything that the guest may want.
const MODULES: &[&str] = &[
    "vfat",
    "loop",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859-1",
    "nls_utf8",
    "squashfs",
    "hfs",
    "minix",
    "romfs",
    "ufs",
    "n_hdlc",
    "algif_hash",
    "af_key",
    "llc2",
    "can_raw",
    "dummy",
    "8021q",
    "br_netfilter",
    "iptable_filter",
    "sctp",
    "crc32c_generic",
];

/// Not among the classes: `net-pf`. While a family is on its way out, the kernel's `socket()` fails and does not ask again, which no
/// reaper can help.
const POLICY: &str = r#"
mode = "enforce"

[default]
verdict = "allow"

[leases]
mode = "unload"
period = "1s"
classes = ["fs", "nls", "tty-ldisc", "can", "crypto", "rtnl-link", "xt", "char-major", "block-major"]
pin-after = 1000
pin-within = "1s"
"#;

/// What everybody's machine has: devices, a table, settings, a mount. Each of their modules has a reference count of 0, but for those of
/// the mount.
const NEEDED: &str = "
mkdir -p /fat /kept /var/lib/kerneld /var/log/kerneld
/sbin/depmod
mount -t debugfs debugfs /sys/kernel/debug
mount -t devpts devpts /dev/pts 2>/dev/null || { mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; }
test -e /dev/loop-control || mknod /dev/loop-control c 10 237
for n in 0 1 2; do test -e /dev/loop$n || mknod /dev/loop$n b 7 $n; done
";

const STATE: &str = "
ip link add d0 type dummy
ip link add link d0 name d0.5 type vlan id 5
/sbin/modprobe ip_tables
/churn table
/ask socket 2 1 132
echo 1234 >/proc/sys/net/sctp/rto_min
/sbin/modprobe br_netfilter
cp /disk /disk1; cp /disk /disk2
dd if=/dev/zero of=/zero bs=1024 count=1024 2>/dev/null
losetup /dev/loop0 /zero; losetup /dev/loop1 /disk1; losetup /dev/loop2 /disk2
mount -t vfat -o ro /dev/loop2 /kept
";

/// What is left of it.
const LEFT: &str = "
ip link show d0 >/dev/null 2>&1 && echo LEFT dummy
ip link show d0.5 >/dev/null 2>&1 && echo LEFT vlan
grep -q filter /proc/net/ip_tables_names && echo LEFT table
test \"$(cat /proc/sys/net/sctp/rto_min 2>/dev/null)\" = 1234 && echo LEFT setting
test -e /proc/sys/net/bridge/bridge-nf-call-iptables && echo LEFT bridge
test -e '/kept/A long name.txt' && echo LEFT mount
";

/// All of it.
const ALL: [&str; 6] = ["dummy", "vlan", "table", "setting", "bridge", "mount"];

/// Seconds of coming and going.
const TIME: u32 = 120;

fn compiled(folder: &Path, source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let program = folder.join(source.file_stem().expect("a name"));
    let done = Command::new("gcc").args(["-static", "-O2", "-pthread", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(done.expect("gcc runs").success());
    program
}

fn guest(flavour: Flavour) -> Guest {
    let folder = tempfile::tempdir().expect("a folder");
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools");
    guest.daemon(&Programs::static_kerneld()).expect("the daemon");
    let tree = subset(guest.machine(), MODULES, folder.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest.archive().file("disk", 0o644, &fat_disk());
    for (source, name) in [("guest_leases/churn.c", "churn"), ("guest_who/ask.c", "ask")] {
        guest.archive().copy(&compiled(folder.path(), source), name).expect("a program");
    }
    guest.archive().file("etc/kerneld/policy.toml", 0o644, POLICY.as_bytes());
    guest.memory(768);
    guest
}

/// What came of a run.
#[derive(Debug)]
struct Churn {
    demands: u64,
    failed: u64,
    unloaded: u64,
    left: Vec<String>,
    console: String,
}

impl Churn {
    fn read(console: String) -> Self {
        let numbers = |index: usize| -> u64 {
            let lines = console.lines().filter_map(|line| line.strip_prefix("CHURN "));
            lines.map(|line| line.split(' ').nth(index).and_then(|number| number.parse::<u64>().ok()).expect("a number")).sum()
        };
        let unloaded =
            console.lines().filter_map(|line| line.strip_prefix("UNLOADED ")).filter_map(|count| count.parse::<u64>().ok()).sum();
        let left = console.lines().filter_map(|line| line.strip_prefix("LEFT ")).map(str::to_owned).collect();
        Self { demands: numbers(1), failed: numbers(2), unloaded, left, console }
    }
}

fn with_kerneld(flavour: Flavour) -> Churn {
    let script = format!(
        "{NEEDED}
        echo /usr/sbin/kerneld-request >/proc/sys/kernel/modprobe
        /usr/sbin/kerneld run --verbose >/tmp/log 2>&1 & daemon=$!
        n=0; while ! test -e /run/kerneld/control.sock; do sleep 0.1; n=$((n+1)); test $n -lt 300 || break; done
        {STATE}
        /churn {TIME}
        sleep 3
        echo \"UNLOADED $(grep -c ' unloaded ' /tmp/log)\"
        {LEFT}
        /usr/sbin/kerneld leases
        for module in dummy sctp br_netfilter; do /usr/sbin/kerneld why $module; done
        kill $daemon; wait $daemon
        tail -40 /tmp/log
        grep -v ' unloaded ' /tmp/log | grep -i -E 'warn|not unloaded|fail' | head -20
        dmesg | grep -i -E 'bug:|oops|warning:' | head
        "
    );
    Churn::read(guest(flavour).boot(&script).expect("a boot").console)
}

/// The reaper that everybody writes first: what has a count of 0 twice in a row goes.
fn with_a_naive_reaper(flavour: Flavour) -> Churn {
    let script = format!(
        "{NEEDED}
        {STATE}
        {{ : >/tmp/before; : >/tmp/count
        while :; do
            sleep 1; : >/tmp/now
            while read name size count rest; do
                test $count = 0 || continue
                echo $name >>/tmp/now
                grep -qx $name /tmp/before && /sbin/rmmod $name 2>/dev/null && echo $name >>/tmp/count
            done </proc/modules
            cp /tmp/now /tmp/before
        done; }} & reaper=$!
        /churn {TIME}
        sleep 3
        kill $reaper
        echo \"UNLOADED $(wc -l </tmp/count)\"
        {LEFT}
        sort /tmp/count | uniq -c
        "
    );
    Churn::read(guest(flavour).boot(&script).expect("a boot").console)
}

/// Modules come and go for minutes, and nobody loses anything.
fn nobody_loses_anything(flavour: Flavour) {
    let (ours, naive) = std::thread::scope(|scope| {
        let naive = scope.spawn(move || with_a_naive_reaper(flavour));
        (with_kerneld(flavour), naive.join().expect("a run"))
    });
    for (name, churn) in [("kerneld", &ours), ("naive", &naive)] {
        println!("{name}: {} demands, {} failed, {} modules unloaded, left {:?}", churn.demands, churn.failed, churn.unloaded, churn.left);
    }
    println!("{}", ours.console);
    assert!(ours.demands >= 200 && ours.unloaded >= 100, "too little came and went:\n{}", ours.console);
    assert_eq!(ours.left, ALL, "{}", ours.console);
    assert_eq!(ours.failed, 0, "{}", ours.console);
    assert!(ours.console.contains("network device d0 of kind dummy"), "{}", ours.console);
    // It does break things: this test can tell.
    let lost: Vec<&str> = ALL.into_iter().filter(|thing| !naive.left.iter().any(|left| left == thing)).collect();
    assert!(lost.contains(&"dummy") && lost.contains(&"bridge"), "lost {lost:?}\n{}", naive.console);
    println!("the naive reaper lost {lost:?}");
}

#[test]
fn on_debian_6_1() {
    nobody_loses_anything(Flavour::Debian61);
}

#[test]
fn on_debian_6_12_compressed() {
    nobody_loses_anything(Flavour::Debian612);
}
