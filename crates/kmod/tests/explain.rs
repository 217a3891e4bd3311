//! Every way in which Linux 6.1 refuses a module, as error number and log lines, with the reasons that are given for it.

use std::collections::HashSet;

use kmod::explain::{
    FileKind, KernelFacts, ModuleFacts, Providers, Reason, Refusal, Standing, TreeFacts, TreeState, explain, explain_absence,
    explain_removal, passed_over,
};
use kmod::file::{Class, Import, Machine, Order};
use kmod::kernel::Force;

const AMD64: Machine = Machine { class: Class::Elf64, order: Order::Little, number: 62 };
const ARM: Machine = Machine { class: Class::Elf32, order: Order::Little, number: 40 };

/// `fat` exports `fat_scan`.
struct OneProvider;

impl Providers for OneProvider {
    fn of(&self, symbol: &str) -> Vec<(String, Option<u64>)> {
        if symbol == "fat_scan" { vec![("fat".to_owned(), Some(0x1234_5678))] } else { Vec::new() }
    }

    fn agreed(&self, symbol: &str, _: &str) -> Option<u64> {
        (symbol == "module_layout").then_some(0x9999_0000)
    }
}

fn module() -> ModuleFacts {
    let import = |name: &str| Import { name: name.to_owned(), weak: false, crc: Some(0xdead_beef) };
    ModuleFacts {
        name: "vfat".to_owned(),
        vermagic: Some("6.1.0 SMP mod_unload modversions ".to_owned()),
        machine: Some(AMD64),
        size: 20_000,
        kind: FileKind::Regular,
        signed: Some(true),
        imports: vec![import("fat_scan"), import("printk")],
        parameters: vec!["level".to_owned(), "num".to_owned()],
    }
}

fn kernel() -> KernelFacts {
    KernelFacts {
        release: "6.1.0".to_owned(),
        vermagic: Some("6.1.0 SMP preempt mod_unload modversions ".to_owned()),
        machine: Some(AMD64),
        symbols: Some(HashSet::from(["printk".to_owned()])),
        signatures_enforced: Some(false),
        lockdown: Some("none".to_owned()),
        modules_disabled: Some(false),
        blacklist: Vec::new(),
        modular: Some(true),
        tree: Some(true),
        privileged: Some(true),
        loaded: Some(HashSet::from(["vfat".to_owned()])),
    }
}

/// The reasons as one text, and what was logged.
fn told(errno: i32, log: &[&str], parameters: &str, module: &ModuleFacts, kernel: &KernelFacts) -> String {
    let log: Vec<String> = log.iter().map(|&l| l.to_owned()).collect();
    let reasons = explain(&Refusal { errno, parameters, force: Force::default(), log: &log }, module, kernel, &OneProvider);
    reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_that_are_no_modules_of_this_machine() {
    let cut = ModuleFacts { machine: None, size: 40, ..module() };
    let text = told(libc::ENOEXEC, &["Invalid ELF header len 40"], "", &cut, &kernel());
    assert_eq!(
        text,
        "the file is not an ELF object, or was cut off at 40 bytes\n\
                      the module was made for another kernel: it lacks `preempt` (module `6.1.0 SMP mod_unload modversions`, \
                      kernel `6.1.0 SMP preempt mod_unload modversions`)\nkernel: Invalid ELF header len 40"
    );
    let other = ModuleFacts { machine: Some(ARM), vermagic: kernel().vermagic, ..module() };
    let text = told(libc::ENOEXEC, &[], "", &other, &kernel());
    assert_eq!(text, "the module was made for ARM (32-bit, little endian), the kernel runs on x86-64 (64-bit, little endian)");
    let empty = ModuleFacts { size: 0, ..module() };
    assert_eq!(told(libc::EINVAL, &[], "", &empty, &kernel()), "the file is empty");
}

#[test]
fn another_kernels_module() {
    let log = ["vfat: version magic '6.1.0 SMP mod_unload modversions ' should be '6.1.0 SMP preempt mod_unload modversions '"];
    let text = told(libc::ENOEXEC, &log, "", &module(), &KernelFacts { vermagic: None, ..kernel() });
    assert_eq!(
        text,
        "the module was made for another kernel: it lacks `preempt` (module `6.1.0 SMP mod_unload modversions`, \
                      kernel `6.1.0 SMP preempt mod_unload modversions`)"
    );
    let gone = KernelFacts { tree: Some(false), ..kernel() };
    assert!(told(libc::ENOEXEC, &log, "", &module(), &gone).ends_with("reboot into the new kernel"));
}

#[test]
fn symbols() {
    let text = told(libc::ENOENT, &["vfat: Unknown symbol fat_scan (err -2)"], "", &module(), &kernel());
    assert_eq!(text, "unknown symbol `fat_scan`: load fat first");
    // Without a log, the kernel's own list of symbols tells.
    assert_eq!(told(libc::ENOENT, &[], "", &module(), &kernel()), "unknown symbol `fat_scan`: load fat first");
    let text = told(libc::ENOENT, &["vfat: Unknown symbol nothing (err -2)"], "", &module(), &kernel());
    assert_eq!(text, "unknown symbol `nothing`: no module of the tree provides it");
    let log = ["vfat: disagrees about version of symbol fat_scan", "vfat: Unknown symbol fat_scan (err -22)"];
    let text = told(libc::EINVAL, &log, "", &module(), &kernel());
    assert!(
        text.starts_with("the module was compiled against another version of `fat_scan`: it wants 0xdeadbeef, fat provides 0x12345678"),
        "{text}"
    );
    let log = ["hello: disagrees about version of symbol module_layout"];
    let text = told(libc::ENOEXEC, &log, "", &ModuleFacts { vermagic: None, ..module() }, &kernel());
    assert!(text.starts_with("the module was compiled against another version of `module_layout`"), "{text}");
    assert!(text.ends_with("the kernel provides 0x99990000"), "{text}");
}

#[test]
fn parameters() {
    let text = told(libc::EINVAL, &["hello: `abc' invalid for parameter `num'"], "num=abc", &module(), &kernel());
    assert_eq!(text, "bad value `abc` for `num`; the module has: level num");
    let text = told(libc::ENOSPC, &["hello: `nine' too large for parameter `num'"], "num=nine", &module(), &kernel());
    assert_eq!(text, "bad value `nine` for `num`; the module has: level num");
    let text = told(libc::EINVAL, &[], "bogus=1 level=2 dyndbg=+p", &module(), &kernel());
    assert_eq!(text, "there is no parameter `bogus`; the module has: level num");
}

#[test]
fn values_are_told_as_they_were_given() {
    // The kernel cuts a list where it reads it.
    let log = ["num: can only take 3 arguments", "hello: `1' invalid for parameter `num'"];
    let text = told(libc::EINVAL, &log, "level=1 num=1,2,3,4", &module(), &kernel());
    assert_eq!(text, "bad value `1,2,3,4` for `num`; the module has: level num\nkernel: num: can only take 3 arguments");
    let text = told(libc::EINVAL, &["hello: `abc' invalid for parameter `num'"], "num=3 level=abc", &module(), &kernel());
    assert_eq!(text, "bad value `abc` for `num`; the module has: level num", "what was given is another value");
}

#[test]
fn what_linux_passes_over() {
    let hello = ModuleFacts { name: "hello".to_owned(), ..module() };
    let told = |log: &[&str], parameters: &str| {
        let log: Vec<String> = log.iter().map(|&line| line.to_owned()).collect();
        passed_over(&log, parameters, &hello).iter().map(Reason::to_string).collect::<Vec<_>>()
    };
    let log = ["hello: unknown parameter 'bogus' ignored", "hello: something else", "other: unknown parameter 'num' ignored"];
    assert_eq!(told(&log, "bogus=1"), ["there is no parameter `bogus`; the module has: level num"]);
    // The kernel looks for the `dyndbg` of a module behind the dot, and leaves the word cut off there.
    let log = ["hello: unknown parameter 'hello' ignored"];
    assert_eq!(told(&log, "num=1 hello.num=4"), ["there is no parameter `hello.num`; the module has: level num"]);
    let log = ["do_init_module: 'hello'->init suspiciously returned 5, it should follow 0/-E convention"];
    assert_eq!(told(&log, ""), ["its own start answered 5, neither success nor an error; the kernel takes it for success"]);
}

#[test]
fn removals() {
    let told = |errno, standing, kernel: &KernelFacts| {
        explain_removal(errno, standing, kernel).iter().map(Reason::to_string).collect::<Vec<_>>().join("\n")
    };
    let disabled = KernelFacts { modules_disabled: Some(true), ..kernel() };
    let user = KernelFacts { privileged: Some(false), ..kernel() };
    assert!(told(libc::EPERM, Standing::Removable, &disabled).contains("kernel.modules_disabled is 1"));
    assert!(told(libc::EPERM, Standing::Removable, &user).contains("CAP_SYS_MODULE"));
    assert!(told(libc::EBUSY, Standing::Permanent, &kernel()).contains("no exit function"));
    assert_eq!(told(libc::EBUSY, Standing::Removable, &kernel()), "");
    assert!(told(libc::EBUSY, Standing::Starting, &kernel()).contains("has not come to its end"));
    assert!(told(libc::EBUSY, Standing::Leaving, &kernel()).contains("being removed"));
}

#[test]
fn a_forced_load_loses_its_signature() {
    let locked = KernelFacts { lockdown: Some("integrity".to_owned()), ..kernel() };
    let force = Force { vermagic: true, modversion: false };
    let refusal = Refusal { errno: libc::EPERM, parameters: "", force, log: &[] };
    let told = explain(&refusal, &module(), &locked, &OneProvider)[0].to_string();
    assert_eq!(told, "a forced load counts as unsigned, and lockdown (integrity) insists on signatures");
}

#[test]
fn signatures() {
    let unsigned = ModuleFacts { signed: None, ..module() };
    let enforced = KernelFacts { signatures_enforced: Some(true), ..kernel() };
    let locked = KernelFacts { lockdown: Some("integrity".to_owned()), ..kernel() };
    for (errno, log, module, kernel, expected) in [
        (
            libc::EKEYREJECTED,
            "Loading of unsigned module is rejected",
            &unsigned,
            &enforced,
            "the module is not signed, and module.sig_enforce insists on signatures",
        ),
        (
            libc::EKEYREJECTED,
            "Loading of module with unavailable key is rejected",
            &module(),
            &enforced,
            "the module is signed with a key that the kernel does not have, and module.sig_enforce insists on signatures",
        ),
        (
            libc::EKEYREJECTED,
            "",
            &module(),
            &kernel(),
            "the module was changed after it was signed, or its key is not accepted; \
          the kernel takes unsigned modules, but none with a broken signature",
        ),
        (
            libc::EBADMSG,
            "",
            &module(),
            &kernel(),
            "the signature of the module cannot be read; the kernel takes unsigned modules, but none with a broken signature",
        ),
        (
            libc::EPERM,
            "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7",
            &unsigned,
            &locked,
            "the module is not signed, and lockdown (integrity) insists on signatures",
        ),
    ] {
        let log: Vec<&str> = [log].into_iter().filter(|l| !l.is_empty()).collect();
        let text = told(errno, &log, "", module, kernel);
        assert_eq!(text.lines().next().unwrap(), expected);
    }
}

#[test]
fn permissions() {
    let forbidden = KernelFacts { blacklist: vec!["vfat".to_owned()], ..kernel() };
    assert_eq!(told(libc::EPERM, &[], "", &module(), &forbidden), "the kernel command line forbids the module: module_blacklist=");
    let log = ["Module vfat is blacklisted"];
    assert_eq!(told(libc::EPERM, &log, "", &module(), &kernel()), "the kernel command line forbids the module: module_blacklist=");
    let disabled = KernelFacts { modules_disabled: Some(true), ..kernel() };
    assert!(told(libc::EPERM, &[], "", &module(), &disabled).contains("kernel.modules_disabled is 1"));
    let user = KernelFacts { privileged: Some(false), ..kernel() };
    assert!(told(libc::EPERM, &[], "", &module(), &user).contains("CAP_SYS_MODULE"));
}

#[test]
fn the_modules_own_start() {
    let text = told(libc::ENODEV, &["hello: no such hardware"], "", &module(), &kernel());
    assert_eq!(text, "the module's own start answered: No such device\nkernel: hello: no such hardware");
    assert_eq!(told(libc::EEXIST, &[], "", &module(), &kernel()), "the module is already loaded");
    let absent = KernelFacts { loaded: Some(HashSet::new()), ..kernel() };
    assert_eq!(told(libc::EEXIST, &[], "", &module(), &absent), "the module's own start answered: File exists");
    // Numbers that the kernel answers too, with its reasons in the log.
    let provided = ModuleFacts { imports: Vec::new(), vermagic: kernel().vermagic, ..module() };
    for (errno, text) in [
        (libc::EINVAL, "Invalid argument"),
        (libc::ENOENT, "No such file or directory"),
        (libc::EPERM, "Operation not permitted"),
        (libc::ENOEXEC, "Exec format error"),
        (libc::ERANGE, "Numerical result out of range"),
    ] {
        let wanted = format!("no fault is found in the file: it seems that the module's own start answered: {text}");
        assert_eq!(told(errno, &[], "num=1", &provided, &kernel()), wanted);
    }
    assert_eq!(told(libc::ETXTBSY, &[], "", &module(), &kernel()), "somebody has the file open for writing");
}

#[test]
fn a_tree_in_which_nothing_can_be_found() {
    let told = |state, running, modular| {
        let tree = TreeFacts { directory: "/lib/modules/6.1.0".into(), release: "6.1.0".to_owned(), state, running };
        explain_absence(&tree, modular).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(told(TreeState::Indexed, true, Some(true)), "");
    let gone = "the modules of the running kernel 6.1.0 are gone, as after an upgrade: reboot into the new kernel";
    assert_eq!(told(TreeState::Replaced, true, None), gone);
    let none = "there is no `/lib/modules/6.1.0`: no modules of this release are installed";
    assert_eq!(told(TreeState::Replaced, false, Some(true)), none);
    assert_eq!(told(TreeState::Absent, true, Some(true)), none);
    let bare = "the running kernel 6.1.0 was built without loadable modules; `--kernel SOCKET` names a hosted one";
    assert_eq!(told(TreeState::Absent, true, Some(false)), format!("{bare}; {none}"));
    let unindexed = "`/lib/modules/6.1.0` has no modules.dep, in which modules are found: `depmod 6.1.0` makes it";
    assert_eq!(told(TreeState::Unindexed, true, Some(true)), unindexed);
}

#[test]
fn a_kernel_without_modules_says_so_and_nothing_else() {
    let bare = KernelFacts { modular: Some(false), tree: Some(false), ..kernel() };
    assert_eq!(
        told(libc::ENOSYS, &[], "", &module(), &bare),
        "the running kernel 6.1.0 was built without loadable modules; `--kernel SOCKET` names a hosted one"
    );
    // A module may answer with the same number.
    assert_eq!(told(libc::ENOSYS, &[], "", &module(), &kernel()), "the module's own start answered: Function not implemented");
}
