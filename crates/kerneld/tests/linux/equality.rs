//! The daemon and the helper that has to decide by itself come to the same, whatever the policy, the name and the requesters.

use std::path::{Path, PathBuf};

use demand::alone::{LastPolicy, Source, serve};
use demand::rehearse::Rehearsal;
use demand::{Attribution, Class, Device, Kind, Origin, Outcome, Paths, RequestName, Requester};
use kerneld::Log;
use kerneld::linux::{Engine, Teller};

use crate::dice::Dice;

/// Names that stand for one module, for several, for one with others before it, for what modprobe.d keeps out, and for none.
const NAMES: &[&str] = &[
    "fs-vfat",
    "vfat",
    "fs-ext9",
    "net-pf-15",
    "net-pf-15-proto-2",
    "crypto-aes",
    "crypto-aes-all",
    "algif-aead",
    "kept",
    "never",
    "over-never",
    "nls_x",
    "NLS_X",
    "tty-ldisc-3",
    "pci:v00008086d00001234",
    "netdev-a*",
    "fs-[",
    "crypto-ctr(aes)",
    "devname:x",
    "rtnl-link-a.b",
    "block-major-7-0",
];

const DEPENDENCIES: &str = "kernel/fat.ko:\nkernel/vfat.ko: kernel/fat.ko\nkernel/nls_x.ko:\nkernel/af_key.ko: kernel/algo.ko\nkernel/algo.ko:\n\
    kernel/aes_a.ko:\nkernel/aes_b.ko: kernel/algo.ko\nkernel/algif_aead.ko:\nkernel/kept.ko:\nkernel/never.ko:\nkernel/over.ko: kernel/never.ko\n\
    kernel/nic.ko:\nkernel/loop.ko:\n";

const ALIASES: &str = "alias fs-vfat vfat\nalias net-pf-15 af_key\nalias crypto-aes aes_a\nalias crypto-aes aes_b\nalias crypto-aes-all aes_a\n\
    alias over-never over\nalias pci:v00008086d*  nic\nalias block-major-7-* loop\nalias devname:x loop\n";

const MODULES: &[&str] = &["vfat", "fat", "nls_*", "af_key", "algo", "aes_[ab]", "algif_aead", "never", "*", "lo?p"];
const REQUESTS: &[&str] = &["fs-*", "*", "net-pf-1?", "crypto-*", "fs_vfat", "pci:*", "netdev-*", "nls_x"];
const REQUESTERS: &[&str] = &[
    "root",
    "service",
    "user",
    "container",
    "kernel",
    "device",
    "unknown",
    "uid:1000",
    "uid:0-10",
    "unit:a*",
    "exe:/usr/bin/*",
    "removable",
    "bus:usb",
    "service+uid:0",
];

fn policy(dice: &mut Dice) -> String {
    let verdicts = ["allow", "audit", "deny"];
    let mut text =
        format!("mode = \"{}\"\n[default]\nverdict = \"{}\"\n", dice.one(&["enforce", "enforce", "audit", "learn"]), dice.one(&verdicts));
    let kinds: Vec<&str> = Kind::all().map(Kind::word).filter(|_| dice.below(3) == 0).collect();
    kinds.iter().for_each(|kind| text += &format!("{kind} = \"{}\"\n", dice.one(&verdicts)));
    let classes: Vec<&str> = Class::all().map(Class::word).collect();
    for _ in 0..dice.below(8) {
        text += "[[rule]]\n";
        for (key, words) in [("class", &classes[..]), ("request", REQUESTS), ("module", MODULES), ("requester", REQUESTERS)] {
            if dice.below(2) == 0 {
                text += &format!("{key} = [\"{}\", \"{}\"]\n", dice.one(words), dice.one(words));
            }
        }
        text += &format!("verdict = \"{}\"\n", dice.one(&verdicts));
    }
    text
}

fn requester(dice: &mut Dice) -> Requester {
    let kind = dice.one(&Kind::all().collect::<Vec<_>>());
    let process = !matches!(kind, Kind::Kernel | Kind::Device | Kind::Unknown);
    let some = |dice: &mut Dice, words: &[&str]| (process && dice.below(4) > 0).then(|| dice.one(words).to_owned());
    Requester {
        uid: (process && dice.below(4) > 0).then(|| dice.one(&[0, 5, 1000])),
        exe: some(dice, &["/usr/bin/mount", "/opt/x"]),
        unit: some(dice, &["a.service", "b.service"]),
        device: (kind == Kind::Device).then(|| Device {
            bus: "usb".to_owned(),
            path: "/devices/x".to_owned(),
            removable: Some("removable".to_owned()),
        }),
        ..Requester::bare(kind, if kind == Kind::Unknown { Attribution::None } else { Attribution::Trace })
    }
}

fn world(root: &Path, policy: &str) -> Paths {
    let tree = root.join("lib/modules/1.0");
    let write = |path: PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for line in DEPENDENCIES.lines() {
        write(tree.join(line.split(':').next().unwrap()), "");
    }
    write(tree.join("modules.dep"), DEPENDENCIES);
    write(tree.join("modules.alias"), ALIASES);
    write(tree.join("modules.softdep"), "softdep vfat pre: nls_x\n");
    write(root.join("etc/modprobe.d/x.conf"), "blacklist kept\nforbid never\n");
    write(root.join("etc/kerneld/policy.toml"), policy);
    Paths::under(root)
}

/// Whether it was served; that it is there already depends on what was asked before.
fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Loaded | Outcome::Present => "served".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn helper_and_daemon_decide_alike() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut ends = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..40 {
        let root = tempfile::tempdir().unwrap();
        let text = policy(&mut dice);
        let paths = world(root.path(), &text);
        let rehearsal = || Rehearsal::new("1.0".to_owned(), paths.file("/proc/modules"));
        let engine = Engine::new(&paths, rehearsal(), Teller::new(Log::new(paths.file("/dev/log")))).unwrap();
        let last = LastPolicy::read(&paths);
        assert_eq!(last.source, Source::Compiled);
        for name in NAMES {
            for many in [0, 1, 1, 1, 2, 3] {
                let requesters: Vec<Requester> = (0..many).map(|_| requester(&mut dice)).collect();
                let name = RequestName::new(name.as_bytes(), Origin::Helper).unwrap();
                let by_daemon = engine.handle(&name, requesters.clone());
                let by_helper = serve(&paths, &mut rehearsal(), &last, name.clone(), requesters.clone());
                assert_eq!(end(&by_daemon), end(&by_helper.outcome), "`{name}` for {requesters:?} by\n{text}");
                *ends.entry(end(&by_daemon)).or_default() += 1;
            }
        }
    }
    // Each of the three came up often enough to say something.
    assert!(["served", "Denied", "Unknown"].iter().all(|end| ends.get(*end).is_some_and(|count| *count > 300)), "{ends:?}");
}
