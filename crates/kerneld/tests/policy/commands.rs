//! `kerneld policy …`.

use demand::Outcome;
use demand::policy::compiled;

use crate::world::{World, device, exists, record, root, user};

const POLICY: &str = r#"mode = "enforce"
[default]
verdict = "deny"
root = "audit"
device = "allow"
[[rule]]
name = "no esp"
module = ["esp4", "rxrpc", "nosuch_*"]
verdict = "deny"
reason = "Dirty Frag"
[[rule]]
name = "file systems"
class = "fs"
verdict = "allow"
[[rule]]
name = "old"
request = "net-pf-10"
verdict = "deny"
until = 2020-01-01
[[rule]]
name = "softly"
module = "crc32c_soft"
verdict = "deny"
"#;

#[test]
fn check_names_every_fault_with_file_and_line() {
    let world = World::new();
    world.policy("mode = \"on\"\n\n[[rule]]\nclas = \"fs\"\n");
    world.write("etc/kerneld/policy.d/10-a.toml", "[default]\nuser = 5\n");
    let ran = world.run(&["policy", "check"]);
    assert_eq!(ran.status, 1);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    assert_eq!(lines[0], "ROOT/etc/kerneld/policy.d/10-a.toml:2: `default.user` takes `allow`, `audit` or `deny`, not `5`");
    assert_eq!(lines[1], "ROOT/etc/kerneld/policy.toml:1: `mode` takes `audit`, `learn` or `enforce`, not `on`");
    assert_eq!(lines[3], "ROOT/etc/kerneld/policy.toml:4: there is no key `rule.clas`: is `class` meant?");
    let json = world.json(&["policy", "check"]);
    assert_eq!(json["faults"].as_array().unwrap().len(), 4);
    assert!(json["faults"][2]["place"].as_str().unwrap().ends_with("policy.toml:3"));
    // Other commands do not go on with a policy that has faults.
    for words in [["policy", "explain", "vfat"].as_slice(), &["policy", "simulate"], &["policy", "compile"], &["policy", "export"]] {
        let ran = world.run(words);
        assert_eq!((ran.status, ran.out.as_str()), (1, ""), "{words:?}");
        assert!(ran.err.contains("policy.toml:1: `mode`"), "{}", ran.err);
    }
}

#[test]
fn check_says_what_is_not_meant_and_what_cannot_be_stopped() {
    let world = World::new();
    let ran = world.run(&["policy", "check"]);
    assert!(ran.status == 0 && ran.out.contains("there is no policy: everything is loaded, and recorded"), "{}", ran.out);
    world.policy(&format!("{POLICY}[[rule]]\nverdict = \"deny\"\n[[rule]]\nrequest = \"net-pf-10\"\nname = \"old\"\nverdict = \"deny\"\n"));
    let ran = world.run(&["policy", "check"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for line in [
        "ROOT/etc/kerneld/policy.toml:15: `old` ended 2020-01-01T00:00:00Z",
        "ROOT/etc/kerneld/policy.toml:26: no request gets here: `rule 5` (ROOT/etc/kerneld/policy.toml:24) matches all",
        "ROOT/etc/kerneld/policy.toml:26: another rule is called `old` too (ROOT/etc/kerneld/policy.toml:15): records name both alike",
        "ROOT/etc/kerneld/policy.toml:6: no module of this release is called `nosuch_*`",
        "ROOT/etc/kerneld/policy.toml:6: built in, no policy can stop it: rxrpc (no esp; CVE-2026-43500)",
        "ROOT/etc/kerneld/policy.toml:26: built in, no policy can stop it: ipv6 (old)",
        "1 file, 6 rules, mode enforce: no faults",
    ] {
        assert!(ran.out.lines().any(|found| found == line), "{line}\nis not in:\n{}", ran.out);
    }
    assert_eq!(world.run(&["policy", "check", "--quiet"]).out, "");
    let json = world.json(&["policy", "check"]);
    assert_eq!(json["builtin"][0]["cves"][0], "CVE-2026-43500");
}

#[test]
fn explain_shows_plan_holes_and_who_gets_what() {
    let world = World::new();
    world.policy(POLICY);
    let ran = world.run(&["policy", "explain", "xfrm-type-2-50"]);
    assert_eq!(ran.status, 1, "somebody is denied");
    assert!(
        ran.out.starts_with("xfrm-type-2-50: class xfrm, a process in a user namespace of its own can make the kernel ask\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("  esp4: asked for as `xfrm-type-2-50`; CVE-2026-43284, CVE-2026-46300\n"), "{}", ran.out);
    assert!(ran.out.contains("  xfrm_algo: `esp4` needs it\n"));
    assert!(ran.out.contains("root       deny                 no esp (ROOT/etc/kerneld/policy.toml:6)\n"), "{}", ran.out);
    assert_eq!(ran.out.matches("Dirty Frag").count(), 7);
    // A softdep that is denied is left out, and the rest is loaded.
    let ran = world.run(&["policy", "explain", "fs-ext4", "--requester", "user+uid:1000"]);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(
        ran.out.contains("user (uid 1000) allow                file systems (ROOT/etc/kerneld/policy.toml:11), without crc32c_soft\n"),
        "{}",
        ran.out
    );
    // Lines of modprobe.d count.
    let ran = world.run(&["policy", "explain", "fs-minix", "-r", "root"]);
    assert!(ran.status == 1 && ran.out.contains("deny                 forbid (ROOT/etc/modprobe.d/site.conf:1)"), "{}", ran.out);
    // It is not known who of several asked.
    let json = world.json(&["policy", "explain", "net-pf-38", "-r", "root", "-r", "uid:1000"]);
    assert_eq!(json["decisions"][0]["verdict"], "deny");
    assert_eq!(json["decisions"][0]["requester"], "root or user (uid 1000)");
    assert_eq!(world.json(&["policy", "explain", "pci:v00008086d000010D3sv1", "-r", "bus:pci"])["decisions"][0]["verdict"], "allow");
    let ran = world.run(&["policy", "explain", "no such\nname"]);
    assert!(ran.status == 1 && ran.err.contains("a byte at 2 that no name"), "{ran:?}");
    assert_eq!(world.run(&["policy", "explain", "vfat", "-r", "admin"]).status, 1);
}

#[test]
fn grants_of_the_system_count() {
    let world = World::new();
    world.policy(POLICY);
    let until = u64::MAX / 2;
    world.write(
        "var/lib/kerneld/grants.json",
        &format!("[{{\"what\":{{\"module\":\"esp4\"}},\"since\":0,\"until\":{until},\"by\":\"root\"}}]"),
    );
    let json = world.json(&["policy", "explain", "xfrm-type-2-50", "-r", "uid:1000"]);
    assert_eq!(json["decisions"][0]["rule"]["name"], "grant");
    assert!(world.run(&["policy", "compile"]).out.ends_with("policy.bin: 4 rules, 1 grants\n"));
    let compiled = compiled::read(&world.path("var/lib/kerneld/policy.bin")).unwrap();
    assert_eq!((compiled.policy.rules.len(), compiled.grants.len()), (4, 1));
    world.write("var/lib/kerneld/grants.json", "{");
    let ran = world.run(&["policy", "compile", "--output", "other.bin"]);
    assert!(ran.status == 1 && ran.err.contains("grants.json") && !exists(&world.path("other.bin")), "{ran:?}");
}

#[test]
fn simulate_decides_the_past_again() {
    let world = World::new();
    world.policy(POLICY);
    let flood = demand::Record { repeated: 5000, ..record("1", "net-pf-38", user(1000), Outcome::Repeated, &[]) };
    world.journal(
        "var/log/kerneld/journal.jsonl",
        &[
            record("1", "fs-vfat", user(1000), Outcome::Denied, &[]),
            record("1", "net-pf-38", user(1000), Outcome::Loaded, &["af_alg"]),
            flood,
            record("1", "net-pf-38", root(), Outcome::Loaded, &["af_alg"]),
            // It was denied, and so no plan was made: the tree says what it would have been.
            record("2", "xfrm-type-2-50", user(1000), Outcome::Denied, &[]),
            record("2", "netdev-eth7", user(1000), Outcome::Unknown, &[]),
            record("2", "pci:v00008086d000010D3sv1", device(), Outcome::Loaded, &["e1000e", "ptp"]),
        ],
    );
    let ran = world.run(&["policy", "simulate", "--fail-on-deny"]);
    assert_eq!(ran.status, 2);
    let json = world.json(&["policy", "simulate"]);
    assert_eq!((json["records"].as_u64(), json["requests"].as_u64(), json["without_module"].as_u64()), (Some(7), Some(5006), Some(1)));
    let rows = json["changes"].as_array().unwrap();
    let row = |change: &str, request: &str, requester: &str| {
        rows.iter()
            .find(|row| row["change"] == change && row["request"] == request && row["requester"] == requester)
            .map(|row| row["requests"].as_u64())
    };
    assert_eq!(row("denied", "net-pf-38", "user 1000"), Some(Some(5001)), "{json:#}");
    assert_eq!(row("allowed", "fs-vfat", "user 1000"), Some(Some(1)));
    assert_eq!(row("audited", "net-pf-38", "root"), Some(Some(1)));
    assert_eq!(row("still-denied", "xfrm-type-2-50", "user 1000"), Some(Some(1)));
    assert_eq!(rows.len(), 4);
    assert_eq!(rows.iter().find(|row| row["change"] == "still-denied").unwrap()["reason"], "Dirty Frag");
    // A name that stands for two modules, one of which is denied: the other is loaded.
    let mut both = record("1", "pci:v1", device(), Outcome::Loaded, &["e1000e", "esp4"]);
    both.plan[1].why = "asked for as `pci:v1`".to_owned();
    world.journal("both.jsonl", &[both]);
    assert_eq!(world.run(&["policy", "simulate", "both.jsonl", "--fail-on-deny"]).status, 0);
    // What another machine wrote reaches no terminal as it is, and counts that no machine has reached are no matter.
    let unit = "a\u{1b}[2J\u{202e}b.service".to_owned();
    let evil = demand::Requester { unit: Some(unit), ..demand::Requester::bare(demand::Kind::Service, demand::Attribution::Trace) };
    let evil = demand::Record { repeated: u64::MAX, ..record("1", "net-pf-38", evil, Outcome::Loaded, &["af_alg"]) };
    let twice = demand::Record { repeated: u64::MAX, ..record("1", "net-pf-38", user(1), Outcome::Loaded, &["af_alg"]) };
    world.journal("evil.jsonl", &[evil, twice]);
    let ran = world.run(&["policy", "simulate", "evil.jsonl"]);
    assert!(ran.status == 0 && ran.out.contains("service a\\u{1b}[2J\\u{202e}b.service") && !ran.out.contains('\u{1b}'), "{ran:?}");
    // Journals of other machines, one damaged; and a policy that denies nothing.
    world.write("other.jsonl", "{\"damaged\n");
    world.write("mild.toml", "[default]\nverdict = \"allow\"\n");
    let ran = world.run(&["policy", "simulate", "other.jsonl", "var/log/kerneld/journal.jsonl", "--policy", "mild.toml", "--fail-on-deny"]);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(
        ran.out.contains("1 damaged lines were passed over") && ran.out.contains("0 requests that were served would be denied"),
        "{}",
        ran.out
    );
    assert_eq!(world.run(&["policy", "simulate", "nosuch.jsonl"]).status, 1);
}

#[test]
fn export_keeps_from_everyone_only_what_nobody_gets() {
    let world = World::new();
    world.policy(POLICY);
    let ran = world.run(&["policy", "export"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let forbidden: Vec<_> = ran.out.lines().filter_map(|line| line.strip_prefix("forbid ")).collect();
    // Not among them: what file systems and devices bring along; minix, which modprobe.d forbids already, is.
    assert_eq!(forbidden, ["af_alg", "algif_aead", "crc32c_soft", "esp4", "loop", "minix", "nls_ascii", "nls_cp437", "xfrm_algo"]);
    assert!(ran.out.contains("# esp4: CVE-2026-43284, CVE-2026-46300, xfrm_type_2_50\n"), "{}", ran.out);
    let config = world.path("exported.conf");
    std::fs::write(&config, &ran.out).unwrap();
    let mut read = kmod::config::Config::default();
    read.parse(&config, &ran.out, kmod::config::Origin::Administrator);
    assert_eq!((read.forbid.len(), read.blacklist.len(), read.bad.len()), (9, 9, 0), "modprobe understands every line");
    let ran = world.run(&["policy", "export", "--lines", "install", "--reachable", "--for", "user"]);
    assert!(
        ran.out.contains("install af_alg /bin/false\n") && !ran.out.contains("forbid") && !ran.out.contains("nls_ascii"),
        "{}",
        ran.out
    );
    assert_eq!(world.json(&["policy", "export"]).as_array().unwrap().len(), 9);
    world.policy("mode = \"enforce\"\n[default]\nverdict = \"allow\"\n");
    let forbidden = world.run(&["policy", "export"]).out.lines().filter(|line| line.starts_with("forbid")).count();
    assert_eq!(forbidden, 1, "only what modprobe.d forbids");
}

#[test]
fn what_is_denied_by_a_policy_in_force_is_not_called_otherwise_where_no_module_has_the_name() {
    let world = World::new();
    world.policy("mode = \"enforce\"\n[default]\nverdict = \"deny\"\n");
    let told = world.run(&["policy", "explain", "nosuch", "-r", "user"]).out;
    assert!(told.contains("no module has this name") && !told.contains("not enforced"), "{told}");
}
