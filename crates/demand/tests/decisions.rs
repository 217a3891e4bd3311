//! What is decided: rules, requesters, plans, grants. And the laws: what is judged is never judged more mildly for knowing less.

mod support;

use demand::policy::{Glob, Grant, Granted, Holds, Policy};
use demand::{Attribution, Class, Device, Kind, Mode, Requester, Verdict};
use proptest::prelude::*;
use support::{decide, policy, someone};

const KINDS: [Kind; 7] = [Kind::Root, Kind::Service, Kind::User, Kind::Container, Kind::Kernel, Kind::Device, Kind::Unknown];

/// A policy as one would write it.
const SITE: &str = r#"
mode = "enforce"
[default]
verdict = "deny"
root = "audit"
device = "allow"

[[rule]]
name = "never"
module = ["esp4", "usb_storage"]
verdict = "deny"
reason = "we have no use for it"
[[rule]]
name = "old"
request = "fs-minix"
verdict = "allow"
until = "1970-01-01T00:10:00Z"
[[rule]]
name = "file systems"
class = "fs"
request = ["fs-*fat", "fs-nfs?"]
requester = ["user", "root"]
verdict = "allow"
[[rule]]
name = "backup"
class = "crypto"
requester = ["service+uid:34+unit:backup*.service", "exe:/usr/bin/tar"]
verdict = "allow"
[[rule]]
name = "crypto by module"
module = "algif_skcipher"
requester = "user"
verdict = "audit"
[[rule]]
name = "sticks"
class = "modalias"
requester = ["removable", "bus:thunderbolt"]
verdict = "audit"
"#;

/// Request, plan, requester, verdict, rule.
const CASES: &[(&str, &[&str], Kind, Verdict, &str)] = &[
    ("fs-vfat", &["fat", "=vfat"], Kind::User, Verdict::Allow, "file systems"),
    ("fs-vfat", &["fat", "=vfat"], Kind::Root, Verdict::Allow, "file systems"),
    ("fs-nfs4", &["=nfsv4"], Kind::User, Verdict::Allow, "file systems"),
    ("fs-nfs", &["=nfs"], Kind::User, Verdict::Deny, "default"),
    ("fs-vfat", &["=vfat"], Kind::Container, Verdict::Deny, "default"),
    ("fs-vfat", &["=vfat"], Kind::Service, Verdict::Deny, "default"),
    ("fs-ext4", &["=ext4"], Kind::Root, Verdict::Audit, "default"),
    ("fs-minix", &["=minix"], Kind::User, Verdict::Deny, "default"),
    // A module is denied by whatever name it is asked for.
    ("xfrm-type-2-50", &["=esp4"], Kind::Root, Verdict::Deny, "never"),
    ("esp4", &["=esp4"], Kind::Kernel, Verdict::Deny, "never"),
    ("usb:v1", &["=usb-storage"], Kind::Device, Verdict::Deny, "never"),
    // And it comes in no other way, but for what only a softdep wants.
    ("fs-vfat", &["=vfat", "esp4"], Kind::User, Verdict::Deny, "never"),
    ("fs-vfat", &["=vfat", "?esp4"], Kind::User, Verdict::Allow, "file systems"),
    // A name that stands for several modules is denied if one of them is.
    ("usb:v1", &["=uas", "=usb_storage"], Kind::Device, Verdict::Deny, "never"),
    ("algif-skcipher", &["=algif_skcipher", "af_alg"], Kind::User, Verdict::Audit, "crypto by module"),
    // What the rules say of a module that comes along makes the whole stricter, and never milder.
    ("fs-vfat", &["=vfat", "algif_skcipher"], Kind::User, Verdict::Audit, "crypto by module"),
    ("fs-ntfs", &["=ntfs3", "algif_skcipher"], Kind::User, Verdict::Deny, "default"),
    // Nothing is known about a name without a module.
    ("fs-nosuch", &[], Kind::User, Verdict::Deny, "default"),
    ("pci:v8", &["=e1000e"], Kind::Device, Verdict::Allow, "default"),
    // Nobody was found: it could have been any user, and is treated as one.
    ("fs-vfat", &["=vfat"], Kind::Unknown, Verdict::Deny, "default"),
];

#[test]
fn rules_decide_in_their_order() {
    let policy = policy(SITE);
    for (request, plan, kind, verdict, rule) in CASES {
        let decision = decide(&policy, &[], request, &[someone(*kind)], plan);
        assert_eq!((decision.verdict, decision.rule.name.as_str()), (*verdict, *rule), "{request} {plan:?} {kind:?}");
        assert_eq!(decision.mode, Mode::Enforce);
        assert_eq!(decision.loads(), *verdict != Verdict::Deny);
        let nobody = decide(&policy, &[], request, &[], plan);
        assert_eq!(nobody, decide(&policy, &[], request, &[Requester::unknown()], plan), "nobody found, and nobody said to be found");
    }
    let decision = decide(&policy, &[], "fs-vfat", &[someone(Kind::User)], &["=vfat", "fat", "esp4"]);
    assert_eq!(decision.module.as_deref(), Some("esp4"));
    assert_eq!(decision.rule.place.as_deref(), Some("test.toml:8"));
    assert_eq!(decision.reason.as_deref(), Some("we have no use for it"));
    let decision = decide(&policy, &[], "fs-vfat", &[someone(Kind::User)], &["=vfat", "?esp4", "?esp4", "fat"]);
    assert_eq!((decision.left_out, decision.module), (vec!["esp4".to_owned()], None));
}

#[test]
fn requesters_are_told_apart() {
    let policy = policy(SITE);
    let rule = |requester: Requester| decide(&policy, &[], "algif-hash", &[requester], &["=algif_hash"]).rule.name;
    let backup = Requester { uid: Some(34), unit: Some("backup-daily.service".to_owned()), ..someone(Kind::Service) };
    assert_eq!(rule(backup.clone()), "backup");
    assert_eq!(rule(Requester { uid: Some(0), ..backup.clone() }), "default");
    assert_eq!(rule(Requester { unit: None, ..backup.clone() }), "default");
    // Users name their units and containers their files as they like.
    assert_eq!(rule(Requester { kind: Kind::User, ..backup }), "default");
    let tar = Requester { exe: Some("/usr/bin/tar".to_owned()), ..someone(Kind::User) };
    assert_eq!(rule(tar.clone()), "backup");
    assert_eq!(rule(Requester { kind: Kind::Container, ..tar.clone() }), "default");
    assert_eq!(rule(Requester { kind: Kind::Unknown, ..tar }), "default");
    let plugged = |bus: &str, removable: &str| {
        let device = Device { path: "/devices/x".to_owned(), bus: bus.to_owned(), removable: Some(removable.to_owned()) };
        let requester = Requester { device: Some(device), ..Requester::bare(Kind::Device, Attribution::Event) };
        decide(&policy, &[], "usb:v1", &[requester], &["=uas"]).rule.name
    };
    assert_eq!(plugged("usb", "removable"), "sticks");
    assert_eq!(plugged("usb", "fixed"), "default");
    assert_eq!(plugged("thunderbolt", "unknown"), "sticks");
}

#[test]
fn somebody_who_was_not_found_gets_no_more_than_a_user() {
    let text = "[default]\nverdict = \"allow\"\nuser = \"deny\"\nunknown = \"allow\"\n";
    let decision = decide(&policy(text), &[], "fs-vfat", &[Requester::unknown()], &["=vfat"]);
    assert_eq!((decision.verdict, decision.rule.place.as_deref()), (Verdict::Deny, Some("test.toml:3")));
    // It could have been the user whom a rule is about, who killed the process that asked before it was seen.
    let text = "[default]\nverdict = \"allow\"\n[[rule]]\nname = \"him\"\nrequester = \"uid:1001\"\nverdict = \"deny\"\n";
    assert_eq!(decide(&policy(text), &[], "fs-vfat", &[], &["=vfat"]).rule.name, "him");
    let text = "[default]\nverdict = \"deny\"\n[[rule]]\nrequester = [\"uid:1001\", \"root\"]\nverdict = \"allow\"\n";
    assert_eq!(decide(&policy(text), &[], "fs-vfat", &[], &["=vfat"]).verdict, Verdict::Deny);
    let text = "[default]\nverdict = \"allow\"\nunknown = \"deny\"\n";
    assert_eq!(decide(&policy(text), &[], "fs-vfat", &[], &["=vfat"]).verdict, Verdict::Deny);
}

#[test]
fn grants_precede_the_rules() {
    let policy = policy(SITE);
    let grant = |what, until| Grant { what, since: 0, until, by: "root".to_owned() };
    let glob = |text| Glob::new(text).unwrap();
    let user = [someone(Kind::User)];
    let verdict = |grants: &[Grant], request, plan: &[&str]| decide(&policy, grants, request, &user, plan);
    for (what, request, plan, allowed) in [
        (Granted::Request(glob("fs-nt*")), "fs-ntfs3", &["=ntfs3"] as &[&str], true),
        (Granted::Request(glob("fs-nt*")), "fs-xfs", &["=xfs"], false),
        (Granted::Class(Class::Xfrm), "xfrm-type-2-50", &["=esp4"], true),
        (Granted::Module(glob("esp4")), "xfrm-type-2-50", &["=esp4"], true),
        (Granted::Module(glob("esp4")), "fs-vfat", &["=vfat", "esp4"], true),
        // A grant for a request does not open a side door for what the rules keep out.
        (Granted::Request(glob("fs-vfat")), "fs-vfat", &["=vfat", "esp4"], false),
        (Granted::Class(Class::Fs), "fs-vfat", &["=vfat", "esp4"], false),
    ] {
        let grants = [grant(what, 1_000_000_001)];
        let decision = verdict(&grants, request, plan);
        assert_eq!(decision.verdict == Verdict::Allow, allowed, "{grants:?} {request} {plan:?}");
        let ended = [Grant { until: 1_000_000_000, ..grants[0].clone() }];
        assert_eq!(verdict(&ended, request, plan), verdict(&[], request, plan));
    }
    let grants = [grant(Granted::Request(glob("fs-ntfs3")), 3_600_000_000)];
    let decision = verdict(&grants, "fs-ntfs3", &["=ntfs3"]);
    assert_eq!(decision.rule.name, "grant");
    assert_eq!(decision.reason.as_deref(), Some("requests `fs_ntfs3` granted by root until 1970-01-01T01:00:00Z"));
}

/// A machine without a battery starts in 1970: a grant that has ended in 2026 must not count again until the clock is set.
#[test]
fn a_clock_that_is_not_set_brings_no_grant_back() {
    const HOUR: u64 = 3_600_000_000;
    let given = 1_795_304_803_000_000;
    let grant = Grant { what: Granted::Class(Class::Fs), since: given, until: given + HOUR, by: "root".to_owned() };
    for (now, counts) in [
        (1, false),
        (given - 2 * HOUR, false),
        // A correction of the clock since then.
        (given - HOUR / 2, true),
        (given, true),
        (given + HOUR - 1, true),
        (given + HOUR, false),
        (u64::MAX, false),
    ] {
        assert_eq!(grant.counts(now), counts, "{now}");
    }
}

/// A condition of a rule that is drawn.
type Drawn = (Option<usize>, Option<usize>, Option<usize>, Option<usize>, usize);

const CLASSES: [&str; 4] = ["fs", "crypto", "name", "net-pf"];
const REQUESTS: [&str; 5] = ["fs-a", "fs-b", "algif-a", "net-pf-3", "m1"];
const PATTERNS: [&str; 4] = ["fs-*", "*a", "m?", "net-pf-3"];
const MODULES: [&str; 5] = ["m0", "m1", "m2", "x-a", "x_b"];
const GLOBS: [&str; 4] = ["m0", "m*", "x_?", "m[12]"];
const WORDS: [&str; 8] = ["root", "service+unit:x*", "user", "container", "device", "exe:/bin/*", "uid:0-999", "user+uid:1000"];
const VERDICTS: [&str; 3] = ["allow", "audit", "deny"];

fn written((class, request, module, requester, verdict): &Drawn) -> String {
    let line =
        |key: &str, words: &[&str], at: &Option<usize>| at.map_or(String::new(), |at| format!("{key} = \"{}\"\n", words[at % words.len()]));
    let conditions = [
        line("class", &CLASSES, class),
        line("request", &PATTERNS, request),
        line("module", &GLOBS, module),
        line("requester", &WORDS, requester),
    ];
    format!("[[rule]]\n{}verdict = \"{}\"\n", conditions.concat(), VERDICTS[verdict % 3])
}

fn policies() -> impl Strategy<Value = Policy> {
    let index = || prop::option::of(0usize..8);
    let rule = (index(), index(), index(), index(), 0usize..3);
    let defaults = prop::collection::vec((0usize..7, 0usize..3), 0..4);
    (prop::collection::vec(rule, 0..8), 0usize..3, defaults).prop_map(|(rules, default, kinds)| {
        let kinds: std::collections::BTreeMap<_, _> = kinds.into_iter().collect();
        let names = ["root", "service", "user", "container", "kernel", "device", "unknown"];
        let kinds: String = kinds.iter().map(|(kind, verdict)| format!("{} = \"{}\"\n", names[*kind], VERDICTS[*verdict])).collect();
        let rules: String = rules.iter().map(written).collect();
        policy(&format!("[default]\nverdict = \"{}\"\n{kinds}{rules}", VERDICTS[default]))
    })
}

fn requesters() -> impl Strategy<Value = Vec<Requester>> {
    prop::collection::vec(0usize..7, 1..5).prop_map(|kinds| kinds.into_iter().map(|kind| someone(KINDS[kind])).collect())
}

/// A plan: at least one module that the request stands for, and some that come along.
fn plans() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0usize..3, 0usize..5), 0..5).prop_map(|words| {
        let word = |(form, module): (usize, usize)| format!("{}{}", ["=", "", "?"][form], MODULES[module]);
        words.into_iter().map(word).collect()
    })
}

fn as_words(plan: &[String]) -> Vec<&str> {
    plan.iter().map(String::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// The first rule that matches decides, as a second, plainer program finds it.
    #[test]
    fn the_first_match_decides(policy in policies(), request in 0usize..5, kind in 0usize..6, module in 0usize..5) {
        let (request, module) = (REQUESTS[request], MODULES[module]);
        let requester = Requester { exe: Some("/bin/x".to_owned()), ..someone(KINDS[kind]) };
        let decision = decide(&policy, &[], request, std::slice::from_ref(&requester), &[&format!("={module}")]);
        let matches = |patterns: &[Glob], name: &str| {
            patterns.is_empty() || patterns.iter().any(|glob| kmod::glob::matches(glob.as_str(), &name.replace('-', "_")))
        };
        let first = policy.rules.iter().find(|rule| {
            (rule.classes.is_empty() || rule.classes.contains(&Class::of(request)))
                && matches(&rule.requests, request)
                && matches(&rule.modules, module)
                && (rule.requesters.is_empty() || rule.requesters.iter().any(|who| who.0.iter().all(|c| c.holds(&requester) == Holds::Yes)))
        });
        let default = policy.default.kinds.get(&requester.kind).unwrap_or(&policy.default.verdict);
        prop_assert_eq!(decision.verdict, first.map_or(*default, |rule| rule.verdict));
        prop_assert_eq!(decision.rule.name, first.map_or("default", |rule| rule.name.as_str()));
    }

    /// Several who may have asked are judged as the one of them that is judged most strictly.
    #[test]
    fn the_strictest_candidate_decides(policy in policies(), request in 0usize..5, who in requesters(), plan in plans()) {
        let all = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        let each: Vec<_> = who.iter().map(|one| decide(&policy, &[], REQUESTS[request], std::slice::from_ref(one), &as_words(&plan))).collect();
        prop_assert_eq!(Some(all.verdict), each.iter().map(|decision| decision.verdict).max());
        prop_assert!(each.iter().any(|one| (one.verdict, &one.rule) == (all.verdict, &all.rule)));
        for left_out in each.iter().flat_map(|decision| &decision.left_out) {
            prop_assert!(all.left_out.contains(left_out));
        }
    }

    /// One more who may have asked never loosens anything.
    #[test]
    fn more_candidates_never_loosen(policy in policies(), request in 0usize..5, who in requesters(), more in 0usize..7, plan in plans()) {
        let before = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        let who: Vec<_> = who.into_iter().chain([someone(KINDS[more])]).collect();
        let after = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        prop_assert!(after.verdict >= before.verdict);
        prop_assert!(before.left_out.iter().all(|module| after.left_out.contains(module)));
    }

    /// Nor does one more module in the plan, once it is known what the request stands for.
    #[test]
    fn more_modules_never_loosen(policy in policies(), request in 0usize..5, who in requesters(), plan in plans(), form in 0usize..3, module in 0usize..5) {
        let plan: Vec<_> = ["=m0".to_owned()].into_iter().chain(plan).collect();
        let before = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        let more = format!("{}{}", ["=", "", "?"][form], MODULES[module]);
        let plan: Vec<_> = plan.into_iter().chain([more]).collect();
        let after = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        prop_assert!(after.verdict >= before.verdict);
        prop_assert!(before.left_out.iter().all(|module| after.left_out.contains(module)));
    }

    /// Whoever makes the system lose sight of him gets no more than he would have got, whoever he is; but for the administrator.
    #[test]
    fn to_be_unknown_is_no_gain(policy in policies(), request in 0usize..5, plan in plans(), kind in 1usize..4, uid in 0u32..2000) {
        let unknown = decide(&policy, &[], REQUESTS[request], &[], &as_words(&plan));
        let somebody = Requester { uid: Some(uid), exe: Some("/bin/x".to_owned()), unit: Some("x.service".to_owned()), ..someone(KINDS[kind]) };
        let somebody = decide(&policy, &[], REQUESTS[request], &[somebody], &as_words(&plan));
        prop_assert!(unknown.verdict >= somebody.verdict);
        prop_assert!(somebody.left_out.iter().all(|module| unknown.left_out.contains(module)));
    }

    /// A module that a rule without further conditions denies comes in no way: not as what is asked for, nor along with it.
    #[test]
    fn a_denied_module_never_comes_in(policy in policies(), request in 0usize..5, who in requesters(), plan in plans(), module in 0usize..5) {
        let deny = support::policy(&format!("[[rule]]\nmodule = \"{}\"\nverdict = \"deny\"\n", MODULES[module]));
        let rules = deny.rules.into_iter().chain(policy.rules).collect();
        let policy = Policy { rules, mode: Mode::Enforce, ..policy };
        let decision = decide(&policy, &[], REQUESTS[request], &who, &as_words(&plan));
        let comes = plan.iter().map(|word| support::wanted(word)).any(|wanted| {
            wanted.module == MODULES[module] && !decision.left_out.contains(&wanted.module.to_owned())
        });
        prop_assert!(!comes || !decision.loads());
    }

    /// What the helper reads is what the daemon had.
    #[test]
    fn compiling_changes_no_decision(policy in policies(), request in 0usize..5, who in requesters(), plan in plans()) {
        let bytes = demand::policy::compiled::encode(&policy, &[]).unwrap();
        let read = demand::policy::compiled::decode(&bytes).unwrap();
        prop_assert_eq!(&read.policy, &policy);
        let decision = |policy| decide(policy, &[], REQUESTS[request], &who, &as_words(&plan));
        prop_assert_eq!(decision(&read.policy), decision(&policy));
    }
}
