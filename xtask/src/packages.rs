//! Programs of Debian that tasks need: which package has them and why, and their installation.

use std::process::Command;

use crate::step::{self, Error};

/// A program, the package that has it, and what it is for.
type Need = (&'static str, &'static str, &'static str);

/// What the demo cannot do without.
pub(crate) const DEMO: &[Need] = &[("gcc", "gcc", "compiles the sample modules"), ("ld", "binutils", "links the sample module in Rust")];

/// What guests cannot do without; the machine and its kernel are fetched as files and not installed.
pub(crate) const GUESTS: &[Need] = &[("depmod", "kmod", "says which modules a module of Debian's kernel needs")];

/// What the tests compare with and look through.
pub(crate) const TESTS: &[Need] = &[
    ("gcc", "gcc", "compiles the sample modules"),
    ("g++", "g++", "makes objects with COMDAT groups"),
    ("clang", "clang", "makes objects of a second compiler"),
    ("ld", "binutils", "is the linker that images are compared with"),
    ("ld.lld", "lld", "is the second linker that images are compared with"),
    ("mkfs.vfat", "dosfstools", "makes FAT images"),
    ("mcopy", "mtools", "fills FAT images, and reads them as a second opinion"),
    ("gdb", "gdb", "shows that debuggers see loaded modules"),
    ("depmod", "kmod", "is the tool whose output is compared with"),
    ("xz", "xz-utils", "makes compressed modules"),
    ("zstd", "zstd", "makes compressed modules"),
    ("gzip", "gzip", "makes compressed modules"),
    ("gcc-12", "gcc-12", "compiles modules for the guests' kernels, which it built"),
    ("make", "make", "builds modules for the guests' kernels"),
    ("openssl", "openssl", "makes a key to sign a module with"),
    ("git", "git", "lists the files that the tidy tests read"),
];

/// Where programs are looked for, beside the caller's path.
const SYSTEM_FOLDERS: &[&str] = &["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Makes sure that the programs are there: installs what is missing as root, or says how to.
pub(crate) fn ensure(needs: &[Need]) -> Result<(), Error> {
    let missing: Vec<&Need> = needs.iter().filter(|(program, ..)| !present(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (program, package, why) in &missing {
        eprintln!("`{program}` is missing: it {why}; the package `{package}` has it");
    }
    let mut packages: Vec<String> = missing.iter().map(|(_, package, _)| (*package).to_owned()).collect();
    packages.dedup();
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    if !root || !present("apt-get") {
        return Err(Error::Missing { packages });
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=500"]);
        apt
    };
    step::run(apt().arg("update"))?;
    step::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&packages))?;
    let still: Vec<String> = needs.iter().filter(|(program, ..)| !present(program)).map(|(_, package, _)| (*package).to_owned()).collect();
    if still.is_empty() { Ok(()) } else { Err(Error::Missing { packages: still }) }
}

/// Whether a program is on the path or in a system folder.
pub(crate) fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(Into::into)).any(|folder| folder.join(program).is_file())
}
