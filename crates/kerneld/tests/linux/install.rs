//! Making the kernel ask, and undoing it.

use std::os::unix::fs::PermissionsExt;

use crate::system::{ENFORCE, System};

fn with_helper() -> System {
    let system = System::new(ENFORCE);
    system.write("usr/sbin/kerneld-request", "\x7fELF static, say");
    mode(&system, 0o755);
    system
}

fn mode(system: &System, mode: u32) {
    let path = system.root().join("usr/sbin/kerneld-request");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const SYSCTL: &str = "proc/sys/kernel/modprobe";

#[test]
fn what_is_installed_can_be_uninstalled() {
    let system = with_helper();
    system.write(SYSCTL, "/opt/own/modprobe\n");
    let told = system.say(&["install", "--dry-run", "--initramfs", "--leases"]);
    assert!(told.contains("set kernel.modprobe to `/usr/sbin/kerneld-request`") && told.contains("update-initramfs -u"), "{told}");
    assert_eq!(system.read(SYSCTL), "/opt/own/modprobe\n");
    assert_eq!(system.say(&["install", "--initramfs", "--leases"]), told);
    assert_eq!(system.read(SYSCTL), "/usr/sbin/kerneld-request\n");
    assert!(system.read("etc/systemd/system/kerneld.service").contains("SystemCallFilter="));
    assert!(system.read("etc/sysctl.d/60-kerneld.conf").contains("kernel.modprobe = /usr/sbin/kerneld-request"));
    assert!(system.read("etc/systemd/system/kerneld.service.d/leases.conf").contains("\nCapabilityBoundingSet=CAP_NET_ADMIN\n"));
    // Again: nothing is left to do, and what was before is not forgotten.
    assert_eq!(system.say(&["install", "--initramfs"]), "");
    assert!(system.say(&["uninstall"]).contains("`update-initramfs -u -k all`"));
    assert_eq!(system.read(SYSCTL), "/opt/own/modprobe\n");
    let drop_in = "etc/systemd/system/kerneld.service.d/leases.conf";
    assert!(!system.root().join("etc/systemd/system/kerneld.service.d").exists());
    for gone in ["etc/systemd/system/kerneld.service", drop_in, "etc/sysctl.d/60-kerneld.conf", "etc/initramfs-tools/hooks/kerneld"] {
        assert_eq!(system.read(gone), "", "{gone}");
    }
    assert_eq!(system.read("etc/kerneld/policy.toml"), ENFORCE, "the policy is the administrator's");
    assert!(system.say(&["uninstall"]).contains("is `/opt/own/modprobe`, which is not kerneld's"));
}

#[test]
fn programs_elsewhere_are_named_in_the_files_and_uninstalled_again() {
    let system = with_helper();
    system.write("opt/k/kerneld-request", "\x7fELF static, say");
    let path = system.root().join("opt/k/kerneld-request");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    system.say(&["install", "--initramfs", "--helper", "/opt/k/kerneld-request", "--daemon", "/opt/k/kerneld"]);
    assert_eq!(system.read(SYSCTL), "/opt/k/kerneld-request\n");
    let unit = system.read("etc/systemd/system/kerneld.service");
    assert!(unit.contains("ExecStart=/opt/k/kerneld run\n") && unit.contains("ExecReload=/opt/k/kerneld reload\n"), "{unit}");
    assert!(system.read("etc/sysctl.d/60-kerneld.conf").contains("kernel.modprobe = /opt/k/kerneld-request\n"));
    let done = system.kerneld(&["uninstall"]);
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    assert_eq!(system.read("etc/systemd/system/kerneld.service"), "");
    assert_eq!(system.read(SYSCTL), "/sbin/modprobe\n");
    // A folder that others can write to is no place for what root runs.
    std::fs::set_permissions(system.root().join("opt/k"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let done = system.kerneld(&["install", "--helper", "/opt/k/kerneld-request"]);
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(1) && text.contains("can be replaced by others than root"), "{text}");
}

#[test]
fn what_the_administrator_has_set_since_stays() {
    let system = with_helper();
    system.say(&["install"]);
    system.write(SYSCTL, "/opt/own/modprobe\n");
    assert!(system.say(&["uninstall"]).contains("is `/opt/own/modprobe`, which is not kerneld's: it stays"));
    assert_eq!(system.read(SYSCTL), "/opt/own/modprobe\n");
}

#[test]
fn files_of_the_administrator_stay() {
    let system = with_helper();
    std::fs::remove_file(system.root().join("etc/kerneld/policy.toml")).unwrap();
    system.say(&["install"]);
    assert!(system.read("etc/kerneld/policy.toml").contains("mode = \"audit\""));
    system.write("etc/systemd/system/kerneld.service", "changed\n");
    let done = system.kerneld(&["uninstall"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("kerneld.service was changed"), "{done:?}");
    assert_eq!(system.read("etc/systemd/system/kerneld.service"), "changed\n");
}

#[test]
fn a_helper_that_cannot_work_or_be_trusted_is_refused() {
    let system = with_helper();
    let refused = |words: &[&str], why: &str| {
        let done = system.kerneld(words);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && text.contains(why), "{words:?}: {text}");
        assert_eq!(system.read(SYSCTL), "/sbin/modprobe\n");
    };
    refused(&["install", "--helper", "/nosuch"], "cannot be used");
    refused(&["install", "--helper", "kerneld-request"], "no absolute path");
    mode(&system, 0o644);
    refused(&["install"], "is no program");
    mode(&system, 0o775);
    refused(&["install"], "can be changed by others than root");
    mode(&system, 0o755);
    system.say(&["install", "--sysctl-only"]);
    assert_eq!(system.read("etc/sysctl.d/60-kerneld.conf"), "");
}

#[test]
fn a_helper_that_is_not_there_early_is_told_of() {
    use std::os::unix::fs::MetadataExt;
    let system = with_helper();
    let told = || String::from_utf8_lossy(&system.kerneld(&["install", "--dry-run"]).stderr).into_owned();
    assert_eq!(told(), "");
    // Another file system, where this machine has one.
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    if elsewhere.path().metadata().unwrap().dev() == system.root().metadata().unwrap().dev() {
        return;
    }
    let helper = system.root().join("usr/sbin/kerneld-request");
    std::fs::copy(&helper, elsewhere.path().join("helper")).unwrap();
    std::fs::remove_file(&helper).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("helper"), &helper).unwrap();
    assert!(told().contains("mounted after the root"), "{}", told());
}

#[test]
fn the_shipped_files_agree_with_the_program() {
    let unit = include_str!("../../dist/kerneld.service");
    // The daemon keeps these (run/confine.rs); a unit that grants less breaks it, one that grants more is for nothing.
    assert!(unit.contains("\nCapabilityBoundingSet=CAP_SYS_MODULE CAP_SYS_PTRACE CAP_SYS_ADMIN CAP_DAC_READ_SEARCH\n"));
    assert!(unit.contains("Type=notify") && unit.contains("RuntimeDirectoryPreserve=yes") && !unit.contains("ProtectKernelModules=yes"));
    let policy = include_str!("../../dist/policy.toml");
    let parsed = demand::policy::Policy::parse(std::path::Path::new("policy.toml"), policy.as_bytes()).unwrap();
    assert_eq!((parsed.mode, parsed.control.group.as_deref()), (demand::Mode::Audit, Some("kerneld")));
    for script in
        [include_str!("../../dist/initramfs/hook"), include_str!("../../dist/initramfs/script"), include_str!("../../dist/initramfs/last")]
    {
        let mut shell = std::process::Command::new("sh").args(["-n"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), script.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }
}

/// An image outlives what it was made from.
#[test]
fn an_old_initramfs_does_not_undo_an_uninstalling() {
    let system = with_helper();
    system.write("proc/cmdline", "quiet\n");
    system.write("root/usr/sbin/kerneld-request", "");
    let script = |text: &str| {
        let root = system.root().display();
        let here = ["/proc/", "/run/"].iter().fold(text.to_owned(), |text, folder| text.replace(folder, &format!("{root}{folder}")));
        let here = here.replace("[ -x /usr/", &format!("[ -x {root}/usr/"));
        let ran = std::process::Command::new("sh").args(["-c", &here]).env("rootmnt", system.root().join("root")).status().unwrap();
        assert!(ran.success());
        system.read(SYSCTL)
    };
    let (first, last) = (include_str!("../../dist/initramfs/script"), include_str!("../../dist/initramfs/last"));
    assert_eq!(script(first), "/usr/sbin/kerneld-request\n");
    assert_eq!(script(last), "/sbin/modprobe\n", "the program is there, and not installed");
    for folder in ["etc", "usr/lib"] {
        let conf = format!("root/{folder}/sysctl.d/60-kerneld.conf");
        system.write(&conf, "");
        system.write(SYSCTL, "/sbin/modprobe\n");
        script(first);
        assert_eq!(script(last), "/usr/sbin/kerneld-request\n", "{folder}");
        std::fs::remove_file(system.root().join(conf)).unwrap();
    }
    system.write("root/etc/sysctl.d/60-kerneld.conf", "");
    std::fs::remove_file(system.root().join("root/usr/sbin/kerneld-request")).unwrap();
    system.write(SYSCTL, "/sbin/modprobe\n");
    script(first);
    assert_eq!(script(last), "/sbin/modprobe\n", "the program is not there");
    system.write("proc/cmdline", "quiet kerneld.initramfs=off\n");
    std::fs::remove_file(system.root().join("run/kerneld/before-initramfs")).unwrap();
    system.write(SYSCTL, "/opt/own/modprobe\n");
    assert_eq!((script(first), script(last)), ("/opt/own/modprobe\n".to_owned(), "/opt/own/modprobe\n".to_owned()));
}
