//! The trigger table on a small tree: a program without rights asks for everything that there is, and a kernel with kerneld in force
//! loads what the policy allows and nothing else; by names, aliases, dependencies and softdeps, and also when the daemon is dead.
//!
//! `cargo xtask bench surface` does the same with all modules of the kernels, beside what administrators write today.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, ONLY_DUMMY, START_KERNELD, TRIGGER, Triggered, subset};

/// At least one of each class, and those whose softdeps make `install` lines useless.
const MODULES: &[&str] = &[
    "algif_aead",
    "crc32c_generic",
    "algif_hash",
    "authenc",
    "lrw",
    "xts",
    "can_raw",
    "can_bcm",
    "n_hdlc",
    "slcan",
    "dummy",
    "veth",
    "vxlan",
    "wireguard",
    "nft_compat",
    "nft_ct",
    "nft_nat",
    "xt_LOG",
    "xt_mark",
    "esp4",
    "esp6",
    "xfrm_user",
    "sch_fq",
    "act_gact",
    "act_mpls",
    "cls_flower",
    "btrfs",
    "f2fs",
    "vfat",
    "sctp",
    "l2tp_ppp",
    "vsock",
    "smc",
    "rxrpc",
    "mpls_iptunnel",
    "ip_set_hash_ip",
    "ip_vs_rr",
    "nfsd",
];

/// The same three times: with the daemon, when it is killed, and when nothing is denied any more.
fn script() -> String {
    let unload = "for i in 1 2 3; do while read name rest; do rmmod $name 2>/dev/null; done </proc/modules; done";
    format!(
        "/sbin/depmod
        {START_KERNELD}
        echo PASS served
        {TRIGGER}
        {unload}
        /usr/sbin/kerneld status | head -30
        kill -9 $(pidof kerneld); sleep 1
        echo PASS alone
        {TRIGGER}
        {unload}
        sed -i s/enforce/audit/ /etc/kerneld/policy.toml
        /usr/sbin/kerneld run >/tmp/kerneld2.log 2>&1 &
        sleep 3
        echo PASS open
        {TRIGGER}
        echo PASS end"
    )
}

/// What came in each of the passes.
fn passes(console: &str) -> Vec<(String, Triggered)> {
    let parts = console.split("PASS ").skip(1);
    parts.map(|part| (part.lines().next().unwrap_or_default().to_owned(), Triggered::read(part))).collect()
}

fn only_what_the_policy_allows(flavour: Flavour) {
    let mut guest = Guest::new(flavour).expect("a guest");
    guest.tools(&Programs::static_modutils()).expect("the tools").daemon(&Programs::static_kerneld()).expect("the daemon");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), MODULES, root.path()).expect("modules");
    let depmod = std::process::Command::new(Programs::static_modutils())
        .args(["depmod", "-b"])
        .arg(root.path())
        .arg(guest.machine().release())
        .status();
    assert!(depmod.expect("depmod runs").success());
    guest.tree(&tree).expect("a tree");
    guest.trigger(&tree).expect("the program that asks");
    guest.archive().file("etc/kerneld/policy.toml", 0o644, ONLY_DUMMY.as_bytes());
    let console = guest.boot(&script()).expect("a boot").ok();
    let passes = passes(&console);
    let [(_, served), (_, alone), (_, open), _] = passes.as_slice() else { panic!("{console}") };
    println!("{flavour:?}: served {:?}, alone {:?}, open {} modules", served.modules(), alone.modules(), open.modules().len());
    for (pass, came) in [("served", served), ("alone", alone)] {
        let modules: BTreeSet<String> = came.modules().into_iter().collect();
        assert_eq!(modules, BTreeSet::from(["dummy".to_owned()]), "{pass}: {console}");
    }
    // The same program does get them where nothing is denied.
    for class in ["net-pf", "can", "crypto", "tty-ldisc", "rtnl-link", "fs", "nft", "xt", "xfrm", "tc"] {
        let found = open.classes.iter().find(|(name, ..)| name == class);
        assert!(found.is_some_and(|(_, asked, modules)| *asked > 0 && !modules.is_empty()), "{class}: {open:?}\n{console}");
    }
    assert!(open.modules().len() > 60, "{open:?}");
}

#[test]
fn on_debian_6_1() {
    only_what_the_policy_allows(Flavour::Debian61);
}

#[test]
fn on_debian_6_12() {
    only_what_the_policy_allows(Flavour::Debian612);
}
