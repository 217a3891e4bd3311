//! `kerneld learn`.

use demand::policy::Policy;
use demand::{Attribution, Class, Kind, Mode, Outcome, Record, Requester, Verdict};

use crate::world::{World, device, entries, record, root, user};

fn journals(world: &World) {
    world.journal(
        "a.jsonl",
        &[
            record("1", "fs-vfat", user(1000), Outcome::Loaded, &["vfat", "fat"]),
            record("1", "nls_cp437", root(), Outcome::Loaded, &["nls_cp437"]),
            record("2", "fs-vfat", root(), Outcome::Present, &["vfat", "fat"]),
            record("2", "block-major-7-3", root(), Outcome::Loaded, &["loop"]),
            record("2", "crypto-aead", Requester::unknown(), Outcome::Loaded, &["algif_aead", "af_alg"]),
        ],
    );
    world.journal(
        "b.jsonl",
        &[
            record("3", "fs-vfat", root(), Outcome::Loaded, &["vfat", "fat"]),
            record("3", "netdev-eth7", root(), Outcome::Unknown, &[]),
            record("3", "xfrm-type-2-50", user(1001), Outcome::Denied, &["esp4"]),
            record("3", "pci:v00008086d000010D3sv1", device(), Outcome::Loaded, &["e1000e", "ptp"]),
        ],
    );
}

fn read(text: &str) -> Policy {
    Policy::parse(std::path::Path::new("learnt.toml"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn rule<'a>(policy: &'a Policy, name: &str) -> &'a demand::policy::Rule {
    policy.rules.iter().find(|rule| rule.name == name).unwrap_or_else(|| panic!("no rule `{name}`: {:#?}", policy.rules))
}

#[test]
fn journals_of_a_fleet_become_one_policy_in_any_order() {
    let world = World::new();
    journals(&world);
    let learnt = world.run(&["learn", "--no-system", "a.jsonl", "b.jsonl"]);
    assert_eq!((learnt.status, learnt.err.as_str()), (0, ""));
    assert_eq!(world.run(&["learn", "--no-system", "b.jsonl", "a.jsonl"]).out, learnt.out, "byte for byte");
    let policy = read(&learnt.out);
    assert_eq!((policy.mode, policy.default.verdict), (Mode::Audit, Verdict::Deny));
    let fs = rule(&policy, "learnt: fs");
    assert_eq!((fs.classes.as_slice(), fs.verdict), ([Class::Fs].as_slice(), Verdict::Allow));
    assert!(learnt.out.contains("\"fs-vfat\", # vfat: 3 requests in 3 boots by root, user\n"), "{}", learnt.out);
    assert!(learnt.out.contains("\"block-major-7-*\","), "the next loop device has another number");
    assert!(learnt.out.contains("review, it has had CVE-2026-31431"), "{}", learnt.out);
    assert!(learnt.out.contains("# No module has these names, so that there is nothing to allow: netdev-eth7.\n"));
    assert!(learnt.out.contains("# Always denied, and so left out: xfrm-type-2-50.\n"));
    assert!(
        learnt.out.contains("# Built into the kernel, where no policy can stop it: rxrpc (the transport of the Andrew File System).\n")
    );
    let hardware = rule(&policy, "hardware");
    assert_eq!(hardware.modules.iter().map(|glob| glob.as_str()).collect::<Vec<_>>(), ["e1000e", "ptp"]);
    // What is needed is not denied along with its group.
    assert!(rule(&policy, "rare: ipsec").names("esp4"));
    assert!(!policy.rules.iter().any(|rule| rule.verdict == Verdict::Deny && (rule.names("af_alg") || rule.names("algif_aead"))));
}

#[test]
fn what_is_learnt_denies_nothing_that_it_was_learnt_from() {
    let world = World::new();
    journals(&world);
    world.write("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    for options in [&["--mode", "enforce"] as &[&str], &["--strict"], &["--no-system"]] {
        let words: Vec<_> =
            ["learn", "--output", "learnt.toml", "a.jsonl", "b.jsonl"].iter().copied().chain(options.iter().copied()).collect();
        assert_eq!(world.run(&words).status, 0);
        let ran = world.run(&["policy", "simulate", "--fail-on-deny", "--policy", "learnt.toml", "a.jsonl", "b.jsonl"]);
        assert_eq!(ran.status, 0, "{options:?}\n{}", ran.out);
        assert!(ran.out.contains("would be denied, and was:\n       1  xfrm-type-2-50"), "{}", ran.out);
        assert_eq!(world.run(&["policy", "check", "--policy", "learnt.toml"]).status, 0);
    }
    // And a user gets nothing else.
    let ran = world.run(&["policy", "explain", "fs-minix", "-r", "uid:1000", "--policy", "learnt.toml"]);
    assert!(ran.out.contains("deny"), "{}", ran.out);
}

#[test]
fn the_system_counts_as_seen() {
    let world = World::new();
    world.write("etc/fstab", "# root\n/dev/sda1 / ext4 defaults 0 1\nUUID=1 /boot/efi vfat umask=0077,iocharset=ascii 0 1\n/i.img /i auto loop 0 0\nx none swap sw 0 0\n");
    world.write("boot/config-1.0", "CONFIG_FAT_DEFAULT_CODEPAGE=437\nCONFIG_FAT_DEFAULT_IOCHARSET=\"nosuch\"\n");
    world.write(
        "proc/self/mountinfo",
        "36 35 98:0 / /mnt rw - minix /dev/b rw\n37 35 98:0 / /v rw,noatime master:1 - vfat /dev/c rw,codepage=437\n",
    );
    world.write("etc/modules-load.d/x.conf", "# comment\nalgif_aead\n");
    world.write("proc/modules", "ptp 40960 0 - Live 0x0\nfat 90112 1 vfat, Live 0x0\n");
    world.write("sys/devices/pci0000:00/0000:00:19.0/modalias", "pci:v00008086d000010D3sv1\n");
    world.write("sys/devices/platform/modalias", "platform:nosuch\n");
    world.journal("empty.jsonl", &[]);
    let learnt = world.run(&["learn", "empty.jsonl"]);
    assert_eq!(learnt.status, 0, "{}", learnt.err);
    let policy = read(&learnt.out);
    let requests =
        |class: &str| rule(&policy, &format!("learnt: {class}")).requests.iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(requests("fs"), ["fs_ext4", "fs_vfat"], "minix is mounted, but modprobe.d forbids it");
    assert_eq!(requests("nls"), ["nls_ascii", "nls_cp437"]);
    assert_eq!(
        (requests("block-major"), requests("char-major")),
        (vec!["block_major_7_0".to_owned()], vec!["char_major_10_237".to_owned()])
    );
    for entry in [
        "\"fs-vfat\", # /etc/fstab:3, /boot/efi; mounted on /v",
        "\"e1000e\", # pci0000:00/0000:00:19.0",
        "\"ptp\", # `e1000e` needs it",
        "\"algif_aead\", # /etc/modules-load.d/x.conf:2",
        "\"fat\", # in the kernel now",
    ] {
        assert!(learnt.out.lines().any(|line| line.trim() == entry), "{entry}\nis not in\n{}", learnt.out);
    }
    assert!(learnt.out.contains("# Not known: /etc/fstab:4, /i: the type is found out when it is mounted.\n"));
    assert!(learnt.out.contains("Seen: no request."));
    assert!(!world.run(&["learn", "--no-system", "empty.jsonl"]).out.contains("e1000e"));
}

#[test]
fn what_does_not_count_is_listed_and_not_allowed() {
    let world = World::new();
    journals(&world);
    let learnt = world.run(&["learn", "--no-system", "--min-boots", "2", "a.jsonl", "b.jsonl"]).out;
    assert!(learnt.contains("# Asked for in 1 boot only, and so left out: nls_cp437\n"), "{learnt}");
    assert!(entries(&learnt).contains(&"\"fs-vfat\",") && !entries(&learnt).contains(&"\"nls_cp437\","));
    let learnt = world.run(&["learn", "--no-system", "--trust", "user", "a.jsonl", "b.jsonl"]).out;
    assert!(learnt.contains("# Asked for by root only, and so left out: nls_cp437\n"), "{learnt}");
    assert!(entries(&learnt).contains(&"\"fs-vfat\","));
    let strict = read(&world.run(&["learn", "--no-system", "--strict", "a.jsonl"]).out);
    let fs = rule(&strict, "learnt: fs, root, user");
    assert_eq!(fs.requesters.len(), 2);
    assert!(rule(&strict, "learnt: crypto").requesters.is_empty(), "nobody knows who that was");
}

#[test]
fn the_policy_that_is_there_is_replaced_whole_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    journals(&world);
    world.write("policy.toml", "mode = \"enforce\"\n");
    std::fs::set_permissions(world.path("policy.toml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("policy.toml", world.path("link.toml")).unwrap();
    let learn = |command: &str| {
        let root = world.path("");
        let words = "exec \"$0\" learn --no-system --output link.toml a.jsonl --root . --release 1.0";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{command}{words}"), env!("CARGO_BIN_EXE_kerneld")]).current_dir(root).output().unwrap()
    };
    // No file may have a byte more: as on a full disk, but that the program is killed.
    assert!(!learn("ulimit -f 0; ").status.success());
    assert_eq!(std::fs::read_to_string(world.path("policy.toml")).unwrap(), "mode = \"enforce\"\n");
    let done = learn("");
    assert!(done.status.success(), "{done:?}");
    let about = std::fs::metadata(world.path("policy.toml")).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o640);
    assert!(std::fs::read_to_string(world.path("policy.toml")).unwrap().starts_with("# Made by `kerneld learn`"));
    assert!(std::fs::symlink_metadata(world.path("link.toml")).unwrap().is_symlink());
}

#[test]
fn names_that_mean_harm_become_no_rules() {
    let world = World::new();
    let names = [
        "\"]\nverdict=\"allow\"",
        "*",
        "fs-[a-",
        "a\\b",
        "x\"#y",
        "crypto-authenc(hmac(sha1),cbc(aes))",
        "[[rule]]",
        "fs-?",
        "block-major-*",
        "char-major-1?",
    ];
    let records: Vec<Record> = names
        .iter()
        .filter_map(|name| demand::RequestName::new(name.as_bytes(), demand::Origin::Device).ok())
        .map(|name| {
            let evil = Requester { comm: Some("\n[[rule]]".to_owned()), ..Requester::bare(Kind::User, Attribution::Trace) };
            Record { request: name, ..record("\n", "x", evil, Outcome::Loaded, &["m\"\n[[rule]]"]) }
        })
        .collect();
    assert_eq!(records.len(), 9, "a line break is in no name");
    let mut records = records;
    records.push(record("1", "pci:v1", device(), Outcome::Loaded, &["*", "esp?"]));
    world.journal("evil.jsonl", &records);
    let learnt = world.run(&["learn", "--no-system", "evil.jsonl"]);
    assert_eq!(learnt.status, 0, "{}", learnt.err);
    let policy = read(&learnt.out);
    let ran = world.run(&["policy", "explain", "fs-minix", "-r", "uid:1"]);
    assert_eq!(ran.status, 1);
    for rule in policy.rules.iter().filter(|rule| rule.verdict == Verdict::Allow) {
        assert!(
            rule.requests.iter().all(|glob| !["net_pf_38", "fs_minix", "block_major_8", "block_major_8_0", "char_major_12"]
                .iter()
                .any(|name| glob.matches(name))),
            "{:#?}",
            rule.requests
        );
        assert!(!rule.names("minix") && !rule.names("esp4"), "{:#?}", rule.modules);
    }
}

/// What users had loaded while nothing was denied is in the kernel, and is no need of the machine.
#[test]
fn what_nobody_trusted_had_loaded_does_not_come_in_by_being_there() {
    let world = World::new();
    world.write("proc/sys/kernel/random/boot_id", "this\n");
    world.write("proc/modules", "af_alg 1 0 - Live 0x0\nptp 1 0 - Live 0x0\nvfat 1 0 - Live 0x0\nfat 1 1 vfat, Live 0x0\n");
    let records = [
        record("this", "net-pf-38", user(1000), Outcome::Loaded, &["af_alg"]),
        record("this", "fs-vfat", root(), Outcome::Loaded, &["vfat", "fat"]),
        record("before", "pci:v00008086d000010D3sv1", device(), Outcome::Loaded, &["e1000e", "ptp"]),
    ];
    world.journal("var/log/kerneld/journal.jsonl", &records);
    let explain = |name: &str, who: &str| world.run(&["policy", "explain", name, "-r", who, "--policy", "learnt.toml"]).status;
    // The other journal says nothing about why something is in this kernel.
    world.journal("other.jsonl", &[]);
    for (options, file) in [(["--trust", "root,service"], None), (["--min-boots", "2"], None), (["--min-boots", "1"], Some("other.jsonl"))]
    {
        let words: Vec<&str> = ["learn", "--mode", "enforce", "-o", "learnt.toml"].into_iter().chain(options).chain(file).collect();
        assert_eq!(world.run(&words).status, 0);
        assert_eq!((explain("net-pf-38", "user"), explain("ptp", "user")), (1, 0), "{options:?} {file:?}");
    }
    assert_eq!(world.run(&["learn", "--mode", "enforce", "-o", "learnt.toml"]).status, 0);
    assert_eq!((explain("net-pf-38", "user"), explain("fs-vfat", "user")), (0, 0), "all that was asked for is needed");
}

#[test]
fn floods_of_names_that_no_module_has_are_no_needs() {
    let world = World::new();
    let counted = |name: &str| Record { repeated: 500, ..record("1", name, user(1000), Outcome::Repeated, &[]) };
    let records = [
        record("1", "net-pf-99", user(1000), Outcome::Unknown, &[]),
        counted("net-pf-99"),
        counted("crypto-junk"),
        record("1", "fs-vfat", root(), Outcome::Present, &["vfat", "fat"]),
        counted("fs-vfat"),
    ];
    world.journal("a.jsonl", &records);
    let learnt = world.run(&["learn", "--mode", "enforce", "-o", "learnt.toml", "a.jsonl"]);
    assert_eq!(learnt.status, 0, "{}", learnt.err);
    let text = std::fs::read_to_string(world.path("learnt.toml")).unwrap();
    assert!(text.contains("\"fs-vfat\", # vfat: 501 requests in 1 boot by root, user\n"), "{text}");
    assert!(text.contains("nothing to allow: crypto-junk, net-pf-99.\n"), "{text}");
    assert!(!entries(&text).iter().any(|entry| entry.contains("junk") || entry.contains("99")), "{text}");
    let ran = world.run(&["policy", "simulate", "--fail-on-deny", "--policy", "learnt.toml", "a.jsonl"]);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("0 requests that were served would be denied; served: 501 then, 501 now; 1001 asked for"), "{}", ran.out);
}

#[test]
fn the_settings_of_the_policy_that_is_there_stay() {
    const SETTINGS: &str = "answer-within = \"1500ms\"\nload-within = \"5m\"\n[journal]\nsize = \"64MiB\"\n[control]\ngroup = \"a b\"\n\
        [devices]\nfollow = true\n[leases]\nmode = \"report\"\nclasses = [\"fs\", \"tty-ldisc\"]\nkeep = \"nls_*\"\npin-after = 7\n\
        [leases.periods]\nfs = \"90s\"\n";
    let world = World::new();
    journals(&world);
    world.policy(&format!("mode = \"enforce\"\n{SETTINGS}[[rule]]\nname = \"mine\"\nclass = \"fs\"\nverdict = \"deny\"\n"));
    let learn = || world.run(&["learn", "-o", "etc/kerneld/policy.toml", "a.jsonl"]);
    let first = learn();
    assert!(first.err.contains("was in mode enforce and is in mode audit now"), "{}", first.err);
    assert!(first.err.contains("a rule that was not learnt"), "{}", first.err);
    let second = learn();
    assert_eq!((second.status, second.err.as_str()), (0, ""), "what is learnt is nobody's own");
    let text = std::fs::read_to_string(world.path("etc/kerneld/policy.toml")).unwrap();
    let (learnt, before) = (read(&text), read(SETTINGS));
    assert_eq!((learnt.answer_within, learnt.load_within), (before.answer_within, before.load_within));
    assert_eq!(
        (learnt.journal, learnt.control, learnt.devices, learnt.leases),
        (before.journal, before.control, before.devices, before.leases)
    );
    assert!(!world.run(&["learn", "--no-system", "a.jsonl"]).out.contains("[control]"));
    for some in ["[leases]\nmode = \"report\"\n", "[leases]\nclasses = \"fs\"\n", "[devices]\nworkers = 2\n", "[journal]\nkeep = 0\n"] {
        world.policy(some);
        let learnt = world.run(&["learn", "a.jsonl"]);
        assert_eq!((learnt.status, learnt.err.as_str()), (0, ""), "{some}");
        let (learnt, before) = (read(&learnt.out), read(some));
        assert_eq!((learnt.journal, learnt.devices, learnt.leases), (before.journal, before.devices, before.leases), "{some}");
    }
    world.policy("nonsense\n");
    let learnt = world.run(&["learn", "a.jsonl"]);
    assert!(learnt.status == 0 && learnt.out.contains("# Not known: the policy that is there cannot be read"), "{}", learnt.out);
}
