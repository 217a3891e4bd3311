//! What comes of requests.

use demand::{Origin, Outcome, RequestName, spool};

use crate::system::{ENFORCE, System};

#[test]
fn requests_are_decided_carried_out_and_recorded() {
    let system = System::served(ENFORCE);
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Present);
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied);
    assert_eq!(system.ask("nosuch").unwrap(), Outcome::Unknown);
    let journal = system.journal();
    let results: Vec<_> = journal.iter().map(|record| record["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["loaded", "present", "denied", "unknown"]);
    assert_eq!(journal[0]["plan"].as_array().unwrap().len(), 2);
    assert_eq!(journal[0]["plan"][0]["module"], "fat");
    assert_eq!((journal[2]["verdict"].as_str(), journal[2]["rule"]["name"].as_str()), (Some("deny"), Some("no sockets")));
    assert!(journal[2]["rule"]["place"].as_str().unwrap().ends_with("policy.toml:2"), "{}", journal[2]);
    let status = system.json(&["status"]);
    assert_eq!((status["denials"].as_u64(), status["modules"].as_u64()), (Some(1), Some(2)));
    assert_eq!(system.json(&["top", "-n", "1"])[0]["request"], "fs-vfat");
}

#[test]
fn a_module_that_is_denied_comes_in_by_no_other_way() {
    let policy = "mode = \"enforce\"\n[[rule]]\nname = \"no fat\"\nmodule = [\"fat\"]\nverdict = \"deny\"\n[[rule]]\nname = \"no soft\"\nmodule = [\"soft\"]\nverdict = \"deny\"\n[default]\nverdict = \"allow\"\n";
    let system = System::new(policy);
    system.write("etc/modprobe.d/a.conf", "softdep af_key pre: soft\nalias other vfat\n");
    let mut system = system;
    system.start();
    for name in ["fs-vfat", "vfat", "other", "fat"] {
        assert_eq!(system.ask(name).unwrap(), Outcome::Denied, "{name}");
    }
    // A softdep is only a wish.
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    let journal = system.journal();
    let last = journal.last().unwrap();
    assert_eq!((last["left_out"][0].as_str(), last["plan"].as_array().unwrap().len()), (Some("soft"), 1), "{last}");
    assert_eq!(journal[0]["module"], "fat", "{}", journal[0]);
}

#[test]
fn forbid_and_blacklist_hold_in_every_mode() {
    let system = System::new("mode = \"audit\"\n");
    system.write("etc/modprobe.d/a.conf", "forbid fat\nblacklist af_key\n");
    let mut system = system;
    system.start();
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Denied);
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied);
    // As for modprobe, a blacklist is about aliases.
    assert_eq!(system.ask("af_key").unwrap(), Outcome::Loaded);
    let rules: Vec<_> = system.journal().iter().map(|record| record["rule"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rules, ["forbid", "blacklist", "default"]);
}

#[test]
fn in_audit_everything_is_loaded_and_the_finding_is_recorded() {
    let system = System::served(&ENFORCE.replace("enforce", "audit"));
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    let journal = system.journal();
    assert_eq!((journal[0]["verdict"].as_str(), journal[0]["mode"].as_str()), (Some("deny"), Some("audit")));
    assert_eq!(system.json(&["status"])["denials"], 1);
}

#[test]
fn grants_hold_at_once_survive_a_restart_and_can_be_taken_back() {
    let mut system = System::served(ENFORCE);
    let grant = system.json(&["allow", "net-pf-1?", "--for", "1h"]);
    assert_eq!(grant["by"], "root", "{grant}");
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    assert_eq!(system.ask("net-pf-38").unwrap(), Outcome::Denied);
    system.kill();
    system.start();
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    assert_eq!(system.json(&["grants"]).as_array().unwrap().len(), 1);
    system.say(&["revoke", "net-pf-1?"]);
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied);
    assert_eq!(system.kerneld(&["revoke", "net-pf-1?"]).status.code(), Some(1));
    // One that has ended counts no more.
    system.say(&["allow", "--module", "af_alg", "--for", "300ms"]);
    assert_eq!(system.ask("net-pf-38").unwrap(), Outcome::Loaded);
    std::thread::sleep(std::time::Duration::from_millis(350));
    assert_eq!(system.ask("net-pf-38").unwrap(), Outcome::Denied);
    assert_eq!(system.kerneld(&["allow", "x", "--for", "40d"]).status.code(), Some(1));
}

#[test]
fn fifty_at_once_are_all_answered_and_all_recorded() {
    let system = System::served(ENFORCE);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(|| system.ask("fs-vfat").unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Loaded | Outcome::Present)), "{outcomes:?}");
    let journal = system.journal();
    let loads = |module: &str| {
        let steps = journal.iter().flat_map(|record| record["plan"].as_array().cloned().unwrap_or_default());
        steps.filter(|step| step["module"] == module && step["loaded"] == true).count()
    };
    assert_eq!((loads("fat"), loads("vfat")), (1, 1), "each module is loaded once");
    let requests: u64 = journal.iter().map(|record| record["repeated"].as_u64().unwrap()).sum();
    assert_eq!(requests, 50);
}

#[test]
fn a_flood_is_counted_to_the_last_and_others_are_served() {
    let system = System::served(ENFORCE);
    const EACH: u64 = 500;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..EACH).for_each(|_| assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied)));
        }
        for _ in 0..20 {
            let start = std::time::Instant::now();
            assert!(matches!(system.ask("fs-vfat").unwrap(), Outcome::Loaded | Outcome::Present));
            assert!(start.elapsed() < std::time::Duration::from_secs(2));
        }
    });
    let journal = system.journal();
    let denied = journal.iter().filter(|record| record["verdict"] == "deny");
    assert_eq!(denied.clone().map(|record| record["repeated"].as_u64().unwrap()).sum::<u64>(), 4 * EACH);
    assert!(denied.count() < 500);
    assert_eq!(system.json(&["status"])["denials"], 4 * EACH);
}

#[test]
fn what_helpers_left_comes_into_the_journal() {
    let mut system = System::served(ENFORCE);
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    let mut record: demand::Record = serde_json::from_value(system.journal()[0].clone()).unwrap();
    system.end();
    record.request = RequestName::new(b"left-by-helper", Origin::Helper).unwrap();
    record.by = demand::DecidedBy::Helper;
    for _ in 0..3 {
        spool::add(&system.paths().spool(), &record).unwrap();
    }
    system.start();
    for _ in 0..100 {
        system.say(&["log"]);
        if system.json(&["status"])["journal"]["from_helpers"] == 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let journal = system.journal();
    let left = journal.iter().filter(|record| record["request"] == "left-by-helper" && record["by"] == "helper");
    assert_eq!(left.count(), 3);
    assert!(!system.paths().spool().exists());
}

#[test]
fn what_helpers_left_comes_once_however_often_the_daemon_is_ended() {
    let mut system = System::served(ENFORCE);
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    let mut record: demand::Record = serde_json::from_value(system.journal()[0].clone()).unwrap();
    system.end();
    for pause in [0, 700, 1500, 2600] {
        record.request = RequestName::new(format!("left-by-helper-{pause}").as_bytes(), Origin::Helper).unwrap();
        spool::add(&system.paths().spool(), &record).unwrap();
        for pause in [pause, 700] {
            system.start();
            std::thread::sleep(std::time::Duration::from_millis(pause));
            system.end();
        }
    }
    let journal = system.read("var/log/kerneld/journal.jsonl");
    for pause in [0, 700, 1500, 2600] {
        let name = format!("\"left-by-helper-{pause}\"");
        assert_eq!(journal.lines().filter(|line| line.contains(&name)).count(), 1, "{name}");
    }
    assert!(!system.paths().spool().with_extension("taken").exists());
}

/// The kernel asks for `fs-vfat`, and people for vfat.
#[test]
fn names_of_modules_and_of_requests_are_told_apart() {
    let system = System::served(ENFORCE);
    let told = |words: &[&str]| String::from_utf8_lossy(&system.kerneld(words).stderr).into_owned();
    assert!(told(&["allow", "minix", "--for", "1h"]).contains("`kerneld allow --module minix`"));
    assert_eq!(told(&["allow", "fs-minix", "--for", "1h"]), "");
    assert_eq!(told(&["allow", "--module", "minix", "--for", "1h"]), "");
    let tree = format!("lib/modules/{}", kmod::linux::release());
    system.write(&format!("{tree}/modules.dep"), "kernel/minix.ko:\n");
    system.write(&format!("{tree}/modules.alias"), "alias fs-minix minix\n");
    system.write("proc/modules", "");
    let why = |name: &str| String::from_utf8_lossy(&system.kerneld(&["why", name]).stdout).into_owned();
    assert!(why("fs-minix").contains("no module but a name that is asked for; see `kerneld why minix`"), "{}", why("fs-minix"));
    assert!(why("minix").starts_with("minix is not loaded\n") && why("nosuch").contains("this release has no such module"));
}

#[test]
fn the_longest_list_of_names_is_understood() {
    let system = System::served(ENFORCE);
    let long = "x".repeat(1900);
    for number in 0..700 {
        assert_eq!(system.ask(&format!("{long}{number}")).unwrap(), Outcome::Unknown);
    }
    assert_eq!(system.json(&["top", "-n", "1000"]).as_array().unwrap().len(), 700);
}
