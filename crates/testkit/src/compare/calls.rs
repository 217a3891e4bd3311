//! Calls as clients of kmod and people at a terminal make them: standard output, standard error and exit status.

use super::programs::{Answer, Pair, Whose};
use super::{Listed, Report};

/// The calls of initramfs-tools, dracut, dkms, systemd and the kernel's makefiles, and what goes wrong at a terminal. `ROOT` stands for the
/// root of the tree, `RELEASE` for its release, `FILE` for the module vfat in it, `CONF` for a folder with configuration, `BYTE` for a byte that is no
/// text. Nothing here loads anything.
const CALLS: &str = r"
modprobe --all --set-version=RELEASE -d ROOT --ignore-install --quiet --show-depends vfat nosuch xfs loop
modprobe --all --set-version=RELEASE -d ROOT --quiet --show-depends vfat xfs
modprobe -d ROOT -S RELEASE --dry-run vfat
modprobe -d ROOT -S RELEASE --dry-run nosuch
modprobe -n -v -d ROOT -S RELEASE vfat
modprobe -nv -dROOT -SRELEASE fs-vfat
modprobe -n -q -d ROOT -S RELEASE nosuch
modprobe -n -a -d ROOT -S RELEASE nosuch vfat neither
modprobe -n -abq -d ROOT -S RELEASE nosuch vfat
modprobe -a -D -d ROOT -S RELEASE vfat nosuch loop
modprobe -D -d ROOT -S RELEASE vfat nosuch
modprobe -D -d ROOT -S RELEASE vfat a=1 b=-2 -v
modprobe -D -d ROOT -S RELEASE -- vfat -q
modprobe -D -d ROOT -S RELEASE vfat x=BYTE
modprobe -D -d ROOT -S RELEASE BYTE
modprobe -D -d ROOT -S RELEASE a[b
modprobe -R -d ROOT -S RELEASE a]b
modprobe -R -d ROOT -S RELEASE fs-vfat
modprobe -R -d ROOT -S RELEASE vfat loop
modprobe -R -d ROOT -S RELEASE nosuch
modprobe -qR -d ROOT -S RELEASE nosuch
modprobe -R -d ROOT -S 9.9 vfat
modprobe --resolve-alias -d ROOT -S RELEASE fs-vfat
modprobe --show -d ROOT -S RELEASE vfat
modprobe --show -d ROOT -d /nosuch -S RELEASE vfat
modprobe -D -C  -d ROOT -S RELEASE vfat
modprobe -D -C /nosuch -d ROOT -S RELEASE vfat
modprobe -D -C CONF/two -C CONF/one -d ROOT -S RELEASE my-fs
modprobe -D -C CONF/two/b.conf -C CONF/one/a.conf -C CONF/two/a.conf -d ROOT -S RELEASE vfat
modprobe -n -v -C CONF/one -d ROOT -S RELEASE loop
modprobe -n -b -C CONF/two -d ROOT -S RELEASE my-fs
modprobe -D -C CONF/two -d ROOT -S RELEASE loop
modprobe -R -C CONF/one -d ROOT -S RELEASE my-x
modprobe
modprobe -D
modprobe -R
modinfo -k RELEASE -b ROOT vfat
modinfo -k RELEASE -b ROOT -F filename vfat
modinfo -k RELEASE -b ROOT nosuch vfat neither
modinfo -k RELEASE -b ROOT fs-vfat
modinfo -k RELEASE -b ROOT -m fs-vfat
modinfo -k RELEASE -F firmware FILE
modinfo FILE
modinfo -n -b ROOT -k RELEASE loop
modinfo -a -d -l FILE
modinfo -adp FILE
modinfo -F license -p FILE
modinfo -p -F license FILE
modinfo -0 -F author FILE
modinfo -b ROOT -k RELEASE -p kvm
modinfo -b ROOT -k RELEASE -F parm kvm
modinfo -b ROOT -k RELEASE -F parmtype kvm
modinfo -b ROOT -k RELEASE -0 -p loop
modinfo -F nosuch FILE
modinfo -F BYTE FILE
modinfo BYTE
modinfo /nosuch.ko
modinfo -k 9.9 -b ROOT vfat
modinfo
depmod abc
depmod -b ROOT 6
depmod -b ROOT 6.x
depmod -b ROOT BYTE
depmod -v -v -b /nosuch -b ROOT 6
depmod -n -b ROOT RELEASE relative.ko
depmod -n -b ROOT FILE
depmod -n -F /dev/null -P ab -b ROOT RELEASE
";

/// The folders of `CONF`.
pub(super) const CONFIGURATION: [(&str, &[u8]); 4] = [
    ("one/a.conf", b"options vfat one=1\nalias my-* vfat\nblacklist loop\n"),
    ("one/b.conf", b"options vfat b=\"x y\"\n"),
    ("two/a.conf", b"options\tvfat two=\xff\ninstall nls-utf8 /bin/true  $CMDLINE_OPTS\nalias my-fs vfat\nblacklist vfat\n"),
    ("two/b.conf", b"options vfat \\\n  y=2 \\\n z=3\nalias my-x fat\ninstall loop printf '\t' \\\\n \\x \"\\\"\"\n"),
];

/// Makes every call with both programs.
pub(super) fn compare(pair: &Pair, report: &mut Report) {
    for line in CALLS.lines().filter(|line| !line.is_empty()) {
        let [theirs, ours] = [Whose::Theirs, Whose::Ours].map(|whose| pair.call(whose, line));
        let shown = without_build_id(&theirs, &ours, report);
        report.texts("calls", line, &theirs.to_string(), &shown);
    }
}

/// Ours without the build id, where kmod has none.
fn without_build_id(theirs: &Answer, ours: &Answer, report: &mut Report) -> String {
    let (theirs, ours) = (theirs.to_string(), ours.to_string());
    if theirs.contains("build-id:") || !ours.contains("build-id:") {
        return ours;
    }
    report.listed(Listed::BuildId);
    ours.split_inclusive('\n').filter(|line| !line.contains("build-id:")).collect()
}
