//! Policy files: what is understood, and where and how it is said what is wrong.

mod support;

use std::path::Path;
use std::time::Duration;

use demand::policy::{Condition, LeaseMode, Policy, PolicyError};
use demand::{Class, Kind, Mode, Paths, Verdict};

/// A file that uses every key.
const WHOLE: &str = include_str!("data/every-key.toml");

#[test]
fn every_key_is_understood() {
    let policy = support::policy(WHOLE);
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!((policy.answer_within, policy.load_within), (Duration::from_millis(500), Duration::from_secs(90)));
    assert_eq!(policy.default.verdict, Verdict::Deny);
    assert_eq!(policy.default.place.as_deref(), Some("test.toml:7"));
    assert_eq!(policy.default.kinds.get(&Kind::Device), Some(&Verdict::Audit));
    assert_eq!(policy.default.places.get(&Kind::Root).map(String::as_str), Some("test.toml:8"));
    assert_eq!((policy.journal.size, policy.journal.keep), (1 << 20, 3));
    assert_eq!(policy.control.group.as_deref(), Some("wheel"));
    assert_eq!((policy.leases.mode, policy.leases.pin_after), (LeaseMode::Report, 5));
    assert_eq!(policy.leases.period_of(Class::Fs), Some(Duration::from_secs(5400)));
    assert_eq!(policy.leases.period_of(Class::TtyLdisc), Some(Duration::from_secs(300)));
    assert_eq!(policy.leases.period_of(Class::Crypto), None);
    assert!(policy.devices.follow && policy.devices.workers == 4);
    let [rule, last] = policy.rules.as_slice() else { panic!("two rules") };
    assert_eq!((rule.name.as_str(), rule.place.as_str()), ("usb sticks", "test.toml:32"));
    assert_eq!(rule.classes, [Class::Fs, Class::Nls]);
    assert_eq!(rule.requests.iter().map(|glob| glob.as_str()).collect::<Vec<_>>(), ["fs_vfat", "nls_*"]);
    assert_eq!(rule.requesters.len(), 7);
    assert_eq!(rule.requesters[2].0, [Condition::Kind(Kind::Service), Condition::Uid { from: 0, to: 0 }]);
    assert_eq!(rule.reason.as_deref(), Some("They are plugged in."), "one line");
    assert_eq!(rule.until, Some(1_798_761_600_000_000));
    assert_eq!((last.name.as_str(), last.verdict), ("rule 2", Verdict::Audit));
}

/// A text, and the faults that it has.
const FAULTS: &[(&str, &[&str])] = &[
    ("mode = \"enforce", &["p.toml:1: "]),
    ("\nmode = \"on\"", &["p.toml:2: `mode` takes `audit`, `learn` or `enforce`, not `on`"]),
    ("mood = 1", &["p.toml:1: there is no key `mood`: is `mode` meant?"]),
    (
        "xyz = 1",
        &["p.toml:1: there is no key `xyz`; there are: mode, answer-within, load-within, default, journal, control, leases, devices, rule"],
    ),
    ("answer-within = 2", &["p.toml:1: `answer-within` takes a time up to `10m`, not `2`"]),
    ("answer-within = \"1h\"", &["p.toml:1: `answer-within` takes a time up to `10m`, not `1h`"]),
    ("load-within = \"0s\"", &["p.toml:1: `load-within` takes a time up to `10m`, not `0s`"]),
    ("default = 5", &["p.toml:1: `default` takes a table, not `5`"]),
    ("[default]\nusr = \"deny\"", &["p.toml:2: there is no key `default.usr`: is `user` meant?"]),
    ("[default]\nKIND = \"deny\"", &["p.toml:2: there is no key `default.KIND`"]),
    ("[default]\nuser = \"no\"", &["p.toml:2: `default.user` takes `allow`, `audit` or `deny`, not `no`"]),
    ("[journal]\nsize = \"5TB\"", &["p.toml:2: `journal.size` takes a size such as `8MiB`"]),
    ("[journal]\nsize = 1", &["p.toml:2: `journal.size` takes"]),
    ("[journal]\nkeep = -1", &["p.toml:2: `journal.keep` takes a number of older files, up to 1000, not `-1`"]),
    ("[leases.periods]\nnosuch = \"5m\"", &["p.toml:2: there is no key `leases.periods.nosuch`"]),
    ("[leases]\npin-after = 0", &["p.toml:2: `leases.pin-after` takes a number of loads, from 1 to 1000, not `0`"]),
    ("[devices]\nfollow = \"yes\"", &["p.toml:2: `devices.follow` takes `true` or `false`, not `yes`"]),
    ("rule = 5", &["p.toml:1: `rule` takes tables: `[[rule]]`, not `5`"]),
    ("rule = [5]", &["p.toml:1: `rule` takes tables: `[[rule]]`, not `5`"]),
    ("[[rule]]\nclass = \"fs\"", &["p.toml:1: `rule.verdict` is missing"]),
    ("[[rule]]\nverdict = \"refuse\"", &["p.toml:2: `rule.verdict` takes `allow`, `audit` or `deny`, not `refuse`"]),
    ("[[rule]]\nverdict = \"deny\"\nclas = \"fs\"", &["p.toml:3: there is no key `rule.clas`: is `class` meant?"]),
    ("[[rule]]\nverdict = \"deny\"\nclass = \"net_pf\"", &["p.toml:3: `rule.class` takes classes of requests"]),
    ("[[rule]]\nverdict = \"deny\"\nrequest = []", &["p.toml:3: `rule.request` takes patterns of names, not empty, without blanks"]),
    ("[[rule]]\nverdict = \"deny\"\nrequest = \"a b\"", &["p.toml:3: `rule.request` takes"]),
    ("[[rule]]\nverdict = \"deny\"\nmodule = [\"a[\"]", &["p.toml:3: `rule.module` takes"]),
    (
        "[[rule]]\nverdict = \"deny\"\nmodule = [1]",
        &["p.toml:3: `rule.module` takes patterns of modules, not empty, without blanks, not a list with integer"],
    ),
    ("[[rule]]\nverdict = \"deny\"\nrequester = \"admin\"", &["p.toml:3: `rule.requester` takes"]),
    ("[[rule]]\nverdict = \"deny\"\nrequester = \"uid:9-1\"", &["p.toml:3: `rule.requester` takes"]),
    ("[[rule]]\nverdict = \"deny\"\nrequester = \"user+\"", &["p.toml:3: `rule.requester` takes"]),
    ("[[rule]]\nverdict = \"deny\"\nuntil = \"tomorrow\"", &["p.toml:3: `rule.until` takes a date or time, not `tomorrow`"]),
    ("[[rule]]\nverdict = \"deny\"\nuntil = 07:00:00", &["p.toml:3: `rule.until` takes a date or time, not `07:00:00`"]),
    // Every fault is said, in the order of lines.
    (
        "mode = 1\n[[rule]]\nclas = 1\n[[rule]]\nverdict = 2\n",
        &["p.toml:1: ", "p.toml:2: `rule.verdict` is missing", "p.toml:3: ", "p.toml:5: "],
    ),
];

#[test]
fn every_fault_is_said_with_its_place() {
    for (text, wanted) in FAULTS {
        let Err(PolicyError::Faults(found)) = Policy::parse(Path::new("p.toml"), text.as_bytes()) else { panic!("{text:?} is taken") };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), wanted.len(), "{text:?}: {found:#?}");
        for (found, wanted) in found.iter().zip(*wanted) {
            assert!(found.starts_with(wanted), "{text:?}:\n{found}\n{wanted}");
        }
    }
    let error = Policy::parse(Path::new("p.toml"), b"mode = \"audit\"\n# \xff").unwrap_err();
    assert_eq!(error.to_string(), "p.toml:2: bytes that are not UTF-8");
}

#[test]
fn what_is_read_first_counts() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    assert_eq!(Policy::load(&paths).unwrap(), Policy::default(), "without files, everything is loaded and recorded");
    let write = |path: std::path::PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let rule = |name: &str| format!("[[rule]]\nname = \"{name}\"\nverdict = \"deny\"\n");
    write(paths.policy(), &format!("mode = \"enforce\"\nanswer-within = \"3s\"\n{}", rule("policy")));
    write(paths.policy_drop_ins().join("20-site.toml"), &format!("mode = \"learn\"\n{}", rule("site")));
    write(paths.policy_drop_ins().join("10-first.toml"), &rule("first"));
    write(paths.policy_drop_ins().join(".hidden.toml"), "broken");
    write(paths.policy_drop_ins().join("README"), "broken");
    let policy = Policy::load(&paths).unwrap();
    assert_eq!((policy.mode, policy.answer_within), (Mode::Learn, Duration::from_secs(3)));
    assert_eq!(policy.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["first", "site", "policy"]);
    assert!(policy.rules[0].place.ends_with("/etc/kerneld/policy.d/10-first.toml:1"));
    // A fault of one file does not hide those of the others, and a setting that does not count is checked too.
    write(paths.policy_drop_ins().join("20-site.toml"), "mode = \"learn\"\n[[rule]]\n");
    write(paths.policy(), "mode = \"no\"\n");
    let error = Policy::load(&paths).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].contains("20-site.toml:2: `rule.verdict` is missing") && lines[1].contains("policy.toml:1: `mode`"), "{error}");
}

#[test]
fn a_policy_that_cannot_be_read_is_an_error_and_not_an_empty_policy() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    std::fs::create_dir_all(paths.policy()).unwrap();
    let error = Policy::load(&paths).unwrap_err();
    assert!(matches!(error, PolicyError::Read { .. }) && error.to_string().contains("policy.toml"), "{error}");
    std::fs::remove_dir(paths.policy()).unwrap();
    std::fs::write(paths.policy(), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(Policy::load(&paths).unwrap_err().to_string().contains("longer than 1048576 bytes"));
}

/// What stands where a policy should, and is none: an error too, at once, and never "there is no policy".
#[test]
fn what_is_no_file_or_not_the_administrators_is_an_error() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir_all(paths.policy_drop_ins()).unwrap();
    let (own, drop_in, folder) = (paths.policy(), paths.policy_drop_ins().join("50-x.toml"), paths.policy_drop_ins());
    let fault = |path: &Path, reason: &str| {
        let error = Policy::load(&paths).unwrap_err().to_string();
        assert!(error.contains(&format!("`{}`", path.display())) && error.contains(reason), "{error}");
    };
    for path in [&own, &drop_in] {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
        fault(path, "not a regular file");
        std::fs::remove_file(path).unwrap();
        symlink("nowhere", path).unwrap();
        fault(path, "No such file");
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, "mode = \"enforce\"\n").unwrap();
        mode(path, 0o666);
        fault(path, "anyone may change it");
        mode(path, 0o664);
        assert_eq!(Policy::load(&paths).unwrap().mode, Mode::Enforce);
        std::fs::remove_file(path).unwrap();
        // The usual way to say that there is nothing here.
        symlink("/dev/null", path).unwrap();
        assert_eq!(Policy::load(&paths).unwrap().mode, Mode::Audit);
        std::fs::remove_file(path).unwrap();
    }
    mode(&folder, 0o1777);
    fault(&folder, "anyone may change it");
    mode(&folder, 0o755);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    fault(&folder, "Not a directory");
    std::fs::remove_file(&folder).unwrap();
    mode(own.parent().unwrap(), 0o777);
    fault(own.parent().unwrap(), "anyone may change it");
}

#[test]
fn ten_thousand_rules_and_no_more() {
    let rule = "[[rule]]\nverdict=\"deny\"\n";
    assert_eq!(support::policy(&rule.repeat(10_000)).rules.len(), 10_000);
    let error = Policy::parse(Path::new("p"), rule.repeat(10_001).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "p:1: 10001 rules, 10000 are allowed");
}
