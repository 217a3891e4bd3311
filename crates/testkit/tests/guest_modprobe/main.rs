//! modprobe and its friends on real kernels: configuration, removal, the kernel's own calls, compressed files.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use testkit::Programs;
use testkit::guest::{Flavour, Guest, Session, subset};

/// A guest with the tools, some modules, a FAT image `/disk`, and compressed copies of the module dummy in `/packed`.
fn guest(flavour: Flavour, modules: &[&str]) -> Guest {
    let mut guest = bare(flavour, modules);
    guest.tools(&Programs::static_modutils()).expect("the tools");
    guest
}

/// The same without tools.
fn bare(flavour: Flavour, modules: &[&str]) -> Guest {
    let mut guest = Guest::new(flavour).expect("a guest");
    let root = tempfile::tempdir().expect("a folder");
    let tree = subset(guest.machine(), modules, root.path()).expect("modules");
    guest.tree(&tree).expect("a tree");
    guest.archive().file("disk", 0o644, &testkit::guest::fat_disk());
    guest
}

/// Every form in which a module file may come, made from one of the machine's.
fn packed(guest: &mut Guest, module: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("dummy.ko");
    let source = guest.machine().modules().join(module);
    let content = if module.ends_with(".xz") {
        output(Command::new("xz").arg("-dc").arg(&source))
    } else {
        std::fs::read(&source).expect("a module")
    };
    std::fs::write(&plain, &content).expect("a copy");
    let pack = |program: &str, options: &[&str]| output(Command::new(program).args(options).arg("-c").arg(&plain));
    let xz = pack("xz", &["--check=crc32", "--lzma2=dict=1MiB"]);
    for (name, content) in [
        ("dummy.ko.gz", pack("gzip", &[])),
        ("dummy.ko.zst", pack("zstd", &["-q"])),
        ("crc64.ko.xz", pack("xz", &["--check=crc64", "--lzma2=dict=1MiB"])),
        ("dictionary.ko.xz", pack("xz", &["--check=crc32", "--lzma2=dict=64MiB"])),
        ("cut.ko.xz", xz[..xz.len() / 2].to_vec()),
        ("dummy.ko.xz", xz),
        ("text.ko.xz", b"no module, but for its name\n".to_vec()),
        ("none.ko", content),
    ] {
        guest.archive().file(&format!("packed/{name}"), 0o644, &content);
    }
}

fn output(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn configuration(guest: &mut Guest) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_modprobe/test.conf");
    guest.archive().copy(&file, "etc/modprobe.d/test.conf").expect("a configuration");
}

/// The modules of the session about configuration.
const CONFIGURED: &[&str] = &["loop", "brd", "scsi_debug", "dummy", "veth", "msdos", "vfat", "zram", "tun", "nls_ascii", "nls_cp437"];

/// What the session about configuration works with.
fn configured(mut guest: Guest) -> Guest {
    configuration(&mut guest);
    packed(&mut guest, "kernel/drivers/net/dummy.ko");
    guest.append("brd.rd_nr=3");
    guest
}

#[test]
fn loading_and_unloading_as_configured() {
    let guest = configured(guest(Flavour::Debian61, CONFIGURED));
    guest.play(&Session::parse(include_str!("modprobe.session"))).expect("a boot");
}

/// Where Debian's kmod 30 does something else: the beginning of the command, and how it differs.
const KMOD_DIFFERS: &[(&str, &str)] = &[
    ("modprobe scsi_debug && cat", "it leaves two dependencies of dependencies behind"),
    ("modprobe -r --remove-holders fat", "it wants to remove a dependency twice"),
    ("timeout 10 /sbin/modprobe -r -w 300", "it waits for ever"),
    ("for kind in gz", "Debian builds it without gzip"),
    ("insmod -f /packed/dummy.ko.zst", "it takes the symbol versions out of a copy, whose signature is then wrong"),
    ("printf 'install msdos", "a softdep makes it forget the install command"),
    ("grep -c '^msdos", "so that module is there"),
    ("echo 'forbid tun'", "it has no such rule"),
    ("modprobe --ignore-forbid", "it has no such option"),
];

#[test]
fn kmod_does_the_same_but_for_what_is_listed() {
    let mut guest = configured(bare(Flavour::Debian61, CONFIGURED));
    guest.oracle().expect("kmod");
    let session = Session::parse(include_str!("modprobe.session"));
    let script = session.script(guest.archive());
    let (_, differences) = session.judge(&guest.boot(&script).expect("a boot"));
    let is = |difference: &str, command: &str| difference.starts_with(&format!("$ {command}"));
    let unlisted: Vec<_> = differences.iter().filter(|found| !KMOD_DIFFERS.iter().any(|(command, _)| is(found, command))).collect();
    assert!(unlisted.is_empty(), "kmod differs:\n{}", unlisted.iter().map(|text| format!("{text}\n\n")).collect::<String>());
    for (command, how) in KMOD_DIFFERS {
        assert!(differences.iter().any(|found| is(found, command)), "kmod does not differ any more: {command}: {how}");
    }
}

#[test]
fn the_kernels_helper_before_anything_is_mounted() {
    let guest = guest(Flavour::Debian61, &["vfat", "loop", "dummy", "nls_ascii", "nls_cp437"]);
    guest.play(&Session::parse(include_str!("bare.session"))).expect("a boot");
}

#[test]
fn the_kernel_decompresses_or_else_the_tools_do() {
    let mut guest = guest(Flavour::Debian612, &["vfat", "dummy"]);
    packed(&mut guest, "kernel/drivers/net/dummy.ko.xz");
    guest.play(&Session::parse(include_str!("compressed.session"))).expect("a boot");
}
