//! What lasts: policies, journals and records, whatever happens to the daemon, its files or the disk.

use demand::Outcome;
use demand::policy::compiled;

use crate::system::{ENFORCE, System};

#[test]
fn only_one_daemon_serves_a_system_and_a_killed_one_leaves_no_lock() {
    let mut system = System::served(ENFORCE);
    let second = system.kerneld(&["run", "--rehearse"]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && text.contains("another daemon serves this system already (pid "), "{text}");
    assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    for _ in 0..3 {
        system.kill();
        assert!(system.ask("fs-vfat").is_err());
        system.start();
        // What a rehearsal has loaded is gone with it.
        assert_eq!(system.ask("fs-vfat").unwrap(), Outcome::Loaded);
    }
    assert_eq!(system.journal().iter().filter(|record| record["result"] == "loaded").count(), 4);
}

/// Without the right to load, it would have everything fail that the helper can do by itself.
#[test]
fn who_may_not_load_does_not_serve() {
    let system = System::new(ENFORCE);
    let text = system.without_rights(&["run", "--syslog", "/nonexistent"]);
    assert!(text.contains("it takes CAP_SYS_MODULE"), "{text}");
    assert!(!system.paths().request_socket().exists());
}

#[test]
fn nothing_that_it_makes_can_be_written_to_by_others() {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let mut system = System::new(ENFORCE);
    system.start_carelessly();
    system.ask("fs-vfat").unwrap();
    system.say(&["allow", "net-pf-15", "--for", "1h"]);
    system.say(&["log"]);
    let mut folders = vec![system.root().join("run"), system.root().join("var")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let about = std::fs::symlink_metadata(&path).unwrap();
            // Who may ask is looked at by the daemon itself.
            assert!(about.file_type().is_socket() || about.mode() & 0o022 == 0, "{}: {:o}", path.display(), about.mode());
            seen += 1;
            if about.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen >= 8, "{seen}");
}

/// Who can write to the kernel's settings has it ask another program: the daemon that is not asked any more says so.
#[test]
fn a_kernel_that_asks_another_program_is_noticed() {
    let mut system = System::new(ENFORCE);
    system.write("proc/sys/kernel/modprobe", "/usr/sbin/kerneld-request\n");
    system.start();
    assert!(system.say(&["status"]).contains("all is well"));
    system.write("proc/sys/kernel/modprobe", "/tmp/evil\n");
    let status = system.kerneld(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.code() == Some(2) && text.contains("the kernel does not ask kerneld, as it was told to"), "{text}");
    system.write("proc/sys/kernel/modprobe", "/usr/sbin/kerneld-request\n");
    assert!(system.say(&["status"]).contains("all is well"));
}

#[test]
fn ended_in_good_order_it_has_written_everything_and_its_sockets_are_gone() {
    let mut system = System::served(ENFORCE);
    for _ in 0..300 {
        system.ask("net-pf-15").unwrap();
    }
    // The number in it may be another process's soon, who could keep it alive.
    std::os::unix::fs::symlink(format!("/proc/{}/fd/0", std::process::id()), system.paths().devices_mark()).unwrap();
    system.end();
    assert!(std::fs::symlink_metadata(system.paths().devices_mark()).is_err());
    let journal = system.read("var/log/kerneld/journal.jsonl");
    let counted: u64 =
        journal.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["repeated"].as_u64().unwrap()).sum();
    assert_eq!(counted, 300);
    let paths = system.paths();
    assert!(![paths.request_socket(), paths.control_socket(), paths.metrics_socket()].iter().any(|path| path.exists()));
}

#[test]
fn a_damaged_policy_leaves_the_last_good_one_in_force() {
    let mut system = System::served(ENFORCE);
    let good = system.read("etc/kerneld/policy.toml");
    for damaged in ["mode = \"enfroce\"\n", "[[rule]]\nverdict = \"deny\"\nnosuch = 1\n", "\u{0}\u{1}", "mode = "] {
        system.write("etc/kerneld/policy.toml", damaged);
        let reload = system.kerneld(&["reload"]);
        assert_eq!(reload.status.code(), Some(1), "{damaged:?}");
        assert!(String::from_utf8_lossy(&reload.stdout).contains("policy.toml:"), "{reload:?}");
        assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied, "{damaged:?}");
        let status = system.kerneld(&["status"]);
        assert!(status.status.code() == Some(2) && String::from_utf8_lossy(&status.stdout).contains("something is wrong"), "{status:?}");
        // The daemon that starts now has nothing but the compiled one.
        system.kill();
        system.start();
        assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied, "{damaged:?}");
        assert_eq!(system.json(&["status"])["policy"]["source"], "last-good");
    }
    system.write("etc/kerneld/policy.toml", &good.replace("deny", "allow"));
    system.say(&["reload"]);
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    assert!(system.say(&["status"]).contains("all is well"));
}

#[test]
fn a_policy_that_never_was_good_loads_everything() {
    let mut system = System::new("mode = \"enfroce\"\n");
    system.start();
    assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Loaded);
    assert_eq!(system.json(&["status"])["healthy"], false);
}

#[test]
fn helpers_are_given_each_policy_at_once() {
    let system = System::served(ENFORCE);
    let compiled = || compiled::read(&system.paths().compiled()).unwrap();
    assert_eq!(compiled().policy.mode, demand::Mode::Enforce);
    system.say(&["allow", "net-pf-15", "--for", "1h"]);
    assert_eq!(compiled().grants.len(), 1);
    system.write("etc/kerneld/policy.toml", "mode = \"learn\"\n");
    system.say(&["reload"]);
    assert_eq!((compiled().policy.mode, compiled().grants.len()), (demand::Mode::Learn, 1));
}

#[test]
fn a_policy_that_helpers_could_not_be_given_is_given_once_there_is_room() {
    let system = System::served(ENFORCE);
    let folder = system.paths().compiled().parent().unwrap().to_owned();
    std::fs::rename(&folder, folder.with_extension("away")).unwrap();
    std::fs::write(&folder, "").unwrap();
    system.write("etc/kerneld/policy.toml", "mode = \"learn\"\n");
    let reload = system.kerneld(&["reload"]);
    assert!(
        reload.status.code() == Some(1) && String::from_utf8_lossy(&reload.stdout).contains("helpers could not be given"),
        "{reload:?}"
    );
    assert_eq!(system.json(&["status"])["mode"], "learn");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(folder.with_extension("away"), &folder).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while system.kerneld(&["status"]).status.code() != Some(0) {
        assert!(std::time::Instant::now() < until, "it is not tried again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(compiled::read(&system.paths().compiled()).unwrap().policy.mode, demand::Mode::Learn);
}

#[test]
fn where_nothing_can_be_written_requests_are_answered_and_records_wait() {
    let mut system = System::new(ENFORCE);
    // A file where the folder should be: no journal can be made, as on a disk that is full.
    system.write("var/log/kerneld", "");
    system.start();
    for _ in 0..5 {
        assert_eq!(system.ask("net-pf-15").unwrap(), Outcome::Denied);
    }
    system.kerneld(&["log"]);
    let status = system.json(&["status"]);
    assert!(status["healthy"] == false && !status["journal"]["error"].is_null(), "{status}");
    assert!(status["journal"]["waiting"].as_u64().unwrap() >= 5, "{status}");
    std::fs::remove_file(system.root().join("var/log/kerneld")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(system.journal().len(), 5);
    assert_eq!(system.json(&["status"])["healthy"], true);
}

#[test]
fn a_damaged_journal_is_read_on_and_written_on() {
    let mut system = System::served(ENFORCE);
    system.ask("net-pf-15").unwrap();
    system.end();
    let path = system.paths().journal();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(b"\xff\xfe\x00 no record\n{\"time\":1,\"torn");
    std::fs::write(&path, bytes).unwrap();
    system.start();
    system.ask("net-pf-38").unwrap();
    let log = system.kerneld(&["log", "--json"]);
    assert!(String::from_utf8_lossy(&log.stderr).contains("2 lines of the journal are damaged"), "{log:?}");
    let names: Vec<_> = system.journal().iter().map(|record| record["request"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["net-pf-15", "net-pf-38"]);
}

#[test]
fn the_journal_of_a_daemon_that_is_stopped_is_shown_as_it_stands() {
    let system = System::served(ENFORCE);
    system.ask("fs-vfat").unwrap();
    assert_eq!(system.journal().len(), 1);
    system.signal(rustix::process::Signal::STOP);
    let shown = system.kerneld(&["log", "--json"]);
    system.signal(rustix::process::Signal::CONT);
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(shown.status.success() && told.contains("has not answered for 3 s; is it stopped"), "{told}");
    assert_eq!(String::from_utf8_lossy(&shown.stdout).lines().count(), 1);
}
