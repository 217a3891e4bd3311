//! Guests with Debian 12's own userland: systemd is the first process, udevd looks after devices, users log in by PAM and logind.

use std::path::{Path, PathBuf};

use super::{Archive, Flavour, Guest, Machine, Place};
use crate::debian::{self, FetchError};

/// The name of what they are unpacked to.
const BUNDLE: &str = "debian-root";

/// The packages of such a root: systemd, udev and D-Bus, what these need, and the usual small programs. Unpacked, not installed.
const PACKAGES: &[&str] = &[
    "bash",
    "coreutils",
    "cpio",
    "dash",
    "dbus",
    "dbus-bin",
    "dbus-daemon",
    "dbus-system-bus-common",
    "findutils",
    "grep",
    "gzip",
    "initramfs-tools",
    "initramfs-tools-core",
    "klibc-utils",
    "kmod",
    "libacl1",
    "libapparmor1",
    "libattr1",
    "libaudit1",
    "libblkid1",
    "libc-bin",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcrypt1",
    "libdbus-1-3",
    "libexpat1",
    "libgcc-s1",
    "libgcrypt20",
    "libgmp10",
    "libgpg-error0",
    "libip4tc2",
    "libklibc",
    "libkmod2",
    "liblz4-1",
    "liblzma5",
    "libmount1",
    "libpam-modules",
    "libpam-systemd",
    "libpam0g",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libsmartcols1",
    "libssl3",
    "libsystemd-shared",
    "libsystemd0",
    "libtinfo6",
    "libudev1",
    "libuuid1",
    "libzstd1",
    "linux-base",
    "mount",
    "sed",
    "systemd",
    "systemd-sysv",
    "udev",
    "util-linux",
    "zlib1g",
];

/// What of them nobody looks at here.
const LEFT_OUT: &[&str] = &["usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man", "lib/udev/hwdb.d"];

/// What the packages' scripts would write while they are installed, and what an administrator would.
const FILES: &[(&str, &str)] = &[
    ("etc/passwd", include_str!("debian/passwd")),
    ("etc/group", include_str!("debian/group")),
    ("etc/shadow", "root:*:20000:0:99999:7:::\nuser:*:20000:0:99999:7:::\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
    ("etc/fstab", ""),
    ("etc/hostname", "guest\n"),
    ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("etc/pam.d/login", "auth sufficient pam_rootok.so\naccount required pam_permit.so\nsession required pam_systemd.so\n"),
    ("etc/pam.d/common-account", "account required pam_permit.so\n"),
    ("etc/pam.d/common-session-noninteractive", "session required pam_permit.so\n"),
    ("etc/systemd/system/test.service", include_str!("debian/test.service")),
];

/// Links of the same kind. The test's unit is part of what the machine boots into; nobody is asked for a password on the console.
const LINKS: &[(&str, &str)] = &[
    ("init", "lib/systemd/systemd"),
    ("bin/sh", "dash"),
    ("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target"),
    ("etc/systemd/system/multi-user.target.wants/test.service", "../test.service"),
    ("etc/systemd/system/getty.target", "/dev/null"),
    ("etc/systemd/system/systemd-firstboot.service", "/dev/null"),
    ("etc/mtab", "../proc/self/mounts"),
    ("var/run", "/run"),
];

/// What mkinitramfs wants of dpkg, which is not there.
const DPKG: &str = "#!/bin/sh\n[ \"$1\" = --print-architecture ] && echo amd64\n";

/// MiB: the root lies in memory.
const MEMORY: u32 = 1024;

/// A program of these packages, to be run on this machine.
pub(super) fn program(path: &str) -> Result<PathBuf, FetchError> {
    Ok(debian::bundle(BUNDLE, PACKAGES)?.join(path))
}

impl Guest {
    /// A guest with Debian 12's systemd, udev and small programs, and kmod's tools and library, but nothing in `/lib/modules`. The
    /// script of [`boot`](Self::boot) is a service of its own, `test.service`, started when the machine is up.
    ///
    /// # Errors
    /// [`FetchError`] where a package cannot be had.
    pub fn systemd(flavour: Flavour) -> Result<Self, FetchError> {
        let machine = Machine::new(flavour)?;
        let failed = |error: std::io::Error| FetchError { package: "systemd".to_owned(), reason: error.to_string() };
        let tree = debian::bundle(BUNDLE, PACKAGES)?;
        let mut archive = Archive::merged();
        for folder in
            ["proc", "sys", "dev", "tmp", "media", "mnt", "run", "root", "home/user", "steps", "etc/modprobe.d", "var/log", "var/lib"]
        {
            archive.folder(folder);
        }
        copy(&tree, "", &mut archive).map_err(failed)?;
        archive.copy(&debian::package("busybox-static")?.join("bin/busybox"), "bin/busybox").map_err(failed)?;
        for (path, text) in FILES {
            archive.file(path, 0o644, text.as_bytes());
        }
        for (path, target) in LINKS {
            archive.link(path, target);
        }
        Ok(Self::with(machine, archive, MEMORY))
    }

    /// Puts the root of [`systemd`](Self::systemd) on a disk, which an initramfs by Debian's `mkinitramfs` mounts: with the modules, hooks
    /// and scripts that the archive's `/etc/initramfs-tools` names, and virtio's driver for the disk.
    ///
    /// # Errors
    /// [`FetchError`] where a package cannot be had.
    pub fn on_disk(&mut self) -> Result<&mut Self, FetchError> {
        let failed = |error: std::io::Error| FetchError { package: "initramfs-tools".to_owned(), reason: error.to_string() };
        let release = self.machine.release();
        let config = format!("boot/config-{release}");
        let package = self.machine.modules().ancestors().find(|above| above.join(&config).exists()).unwrap_or(Path::new("/"));
        self.archive.copy(&package.join(&config), &config).map_err(failed)?;
        self.archive.file("usr/bin/dpkg", 0o755, DPKG.as_bytes());
        self.archive.file("etc/initramfs-tools/modules", 0o644, b"virtio_pci\nvirtio_blk\next4\n");
        self.archive.file("etc/initramfs-tools/conf.d/test", 0o644, b"MODULES=list\nCOMPRESS=gzip\nRESUME=none\n");
        self.archive.folder("var/tmp");
        self.place = Place::Disk;
        Ok(self)
    }
}

/// Copies a folder of the packages but for what is left out.
fn copy(tree: &Path, below: &str, archive: &mut Archive) -> std::io::Result<()> {
    let mut names: Vec<_> = std::fs::read_dir(tree.join(below))?.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = if below.is_empty() { name.to_string_lossy().into_owned() } else { format!("{below}/{}", name.to_string_lossy()) };
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        if tree.join(&path).symlink_metadata()?.is_dir() {
            archive.folder(&path);
            copy(tree, &path, archive)?;
        } else {
            archive.copy(&tree.join(&path), &path)?;
        }
    }
    Ok(())
}
