//! What file systems ask for: those of `/etc/fstab`, and those that are mounted.

use std::fs;

use demand::resolve::Resolver;
use demand::{Origin, Paths, RequestName};

use super::need::{Needs, because};
use crate::linux::mountinfo;
use crate::linux::policy::plan_of;

/// Types of file systems that convert names, and so ask for code pages.
const WITH_CODE_PAGES: &[&str] = &["vfat", "msdos", "exfat", "ntfs", "ntfs3", "cifs", "smb3", "iso9660", "udf", "hfs", "hfsplus", "jfs"];

/// Code pages that are asked for where neither options nor the kernel's configuration say another.
const CODE_PAGES: &[&str] = &["cp437", "ascii", "iso8859-1", "utf8"];

/// Types in `fstab` that are none.
const NO_TYPES: &[&str] = &["none", "swap", "auto", "ignore", "bind"];

/// Adds what mounting asks for.
pub(super) fn learn(paths: &Paths, release: &str, modules: &Resolver, needs: &mut Needs) {
    let defaults = code_pages_of_the_kernel(paths, release);
    let fstab = fs::read_to_string(paths.file("/etc/fstab")).unwrap_or_default();
    for (line, number) in fstab.lines().zip(1..) {
        let fields: Vec<&str> = line.split_whitespace().take_while(|field| !field.starts_with('#')).collect();
        let [_, point, types, rest @ ..] = fields.as_slice() else { continue };
        let options = rest.first().copied().unwrap_or_default();
        let reason = format!("/etc/fstab:{number}, {point}");
        loop_device(options, &reason, modules, needs);
        for kind in types.split(',').filter(|kind| !NO_TYPES.contains(kind)) {
            mount(kind, options, &defaults, &reason, modules, needs);
        }
        if *types == "auto" {
            needs.gaps.insert(format!("{reason}: the type is found out when it is mounted"));
        }
    }
    let mounted = fs::read_to_string(paths.file("/proc/self/mountinfo")).unwrap_or_default();
    for line in mountinfo::parse(&mounted) {
        mount(line.kind, line.options, &defaults, &format!("mounted on {}", line.place), modules, needs);
    }
}

fn mount(kind: &str, options: &str, defaults: &[String], reason: &str, modules: &Resolver, needs: &mut Needs) {
    ask(&format!("fs-{kind}"), reason, modules, needs);
    // A helper in user space mounts these types: `fuse.sshfs` is `fuse` to the kernel.
    if let Some((kernels, _)) = kind.split_once('.') {
        ask(&format!("fs-{kernels}"), reason, modules, needs);
    }
    if WITH_CODE_PAGES.contains(&kind) {
        let given = options.split(',').filter_map(|option| option.split_once('='));
        let pages = given.filter_map(|(key, value)| match key {
            "codepage" => Some(if value.starts_with("cp") { value.to_owned() } else { format!("cp{value}") }),
            "iocharset" | "nls" => Some(value.to_owned()),
            _ => None,
        });
        for page in pages.chain(defaults.iter().cloned()) {
            ask(&format!("nls_{page}"), reason, modules, needs);
        }
    }
}

/// What a loop device asks for.
fn loop_device(options: &str, reason: &str, modules: &Resolver, needs: &mut Needs) {
    if options.split(',').any(|option| option == "loop" || option.starts_with("loop=")) {
        for name in ["char-major-10-237", "block-major-7-0", "block-major-7"] {
            ask(name, reason, modules, needs);
        }
    }
}

/// Adds a name, if a module has it.
fn ask(name: &str, reason: &str, modules: &Resolver, needs: &mut Needs) {
    let Ok(request) = RequestName::new(name.as_bytes(), Origin::Helper) else { return };
    if !plan_of(modules, &request).is_empty() {
        because(&mut needs.requests, name, reason.to_owned());
    }
}

/// The code pages that the kernel was configured to ask for, as far as its configuration can be read.
fn code_pages_of_the_kernel(paths: &Paths, release: &str) -> Vec<String> {
    let text = fs::read_to_string(paths.file(&format!("/boot/config-{release}"))).unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    let page = value("CONFIG_FAT_DEFAULT_CODEPAGE").map(|number| format!("cp{number}"));
    let sets = ["CONFIG_FAT_DEFAULT_IOCHARSET", "CONFIG_NLS_DEFAULT"].map(value);
    let mut found: Vec<String> = sets.into_iter().flatten().chain(page).filter(|page| !page.is_empty()).collect();
    if found.is_empty() {
        found = CODE_PAGES.iter().map(|page| (*page).to_owned()).collect();
    }
    found
}
