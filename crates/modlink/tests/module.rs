//! What makes an object a module: versions, symbols, references, exports.

mod support;

use std::fs;

use modlink::{
    Addr, Error, LayoutOptions, Object,
    module::{
        Checksums, Export, Exports, Force, KernelSymbol, KernelSymbols as _, Linked, ModInfo, Options, Reference, Versions, Warning,
        prepare,
    },
};
use support::Work;

/// A module's source: what it says about itself, then code.
fn source(info: &[&str], versions: &[(&str, u32)], code: &str) -> String {
    let mut source = String::new();
    for (number, text) in info.iter().enumerate() {
        source += &format!("__attribute__((section(\".modinfo\"), used)) static const char info{number}[] = \"{text}\";\n");
    }
    for (number, (name, crc)) in versions.iter().enumerate() {
        source += &format!(
            "__attribute__((section(\"__versions\"), used)) static const struct {{ unsigned long crc; char name[56]; }} v{number} = {{ {crc:#x}, \"{name}\" }};\n"
        );
    }
    source + code
}

const CODE: &str = "extern int service(int);
    int answer(int x) { return service(x); }
    int init_module(void) { return answer(1); } void cleanup_module(void) {}";

fn compile(text: &str) -> Vec<u8> {
    let work = Work::new();
    fs::read(work.source("gcc", "-O1 -fPIC -fno-toplevel-reorder", "module.c", text)).expect("object")
}

const fn symbol(name: &str, value: u64) -> KernelSymbol<'_> {
    KernelSymbol { name, value }
}

/// Links a module and hands the result to `look`.
fn with<T>(
    bytes: &[u8],
    options: &Options<'_>,
    kernel: &[KernelSymbol<'_>],
    look: impl FnOnce(&Linked<'_>, &[u8]) -> T,
) -> Result<T, Error> {
    let object = Object::parse(bytes)?;
    let prepared = prepare(&object, options, kernel)?;
    let mut out = vec![0; usize::try_from(prepared.layout().size()).expect("size")];
    let linked = prepared.link(Addr(0x40_0000), &mut out)?;
    let result = look(&linked, &[]);
    drop(linked);
    Ok(result)
}

fn load(bytes: &[u8], options: &Options<'_>, kernel: &[KernelSymbol<'_>]) -> Result<Vec<Reference>, Error> {
    with(bytes, options, kernel, |linked, _| linked.references.to_vec())
}

fn release(release: &str) -> Options<'_> {
    Options { release, ..Options::default() }
}

const PLAIN: &[KernelSymbol<'_>] = &[symbol("#", 0), symbol("service", 0x40_1000)];
const VERSIONED: &[KernelSymbol<'_>] = &[symbol("#", 0), symbol("Using_Versions", 1), symbol("service_R12345678", 0x40_1000)];

#[test]
fn the_four_way_table_of_kernels_and_modules() {
    let plain = compile(&source(&["kernel_version=2.0.35"], &[], CODE));
    let versioned = |crc| compile(&source(&["kernel_version=2.0.35"], &[("service", crc)], CODE));
    let (right, wrong) = (versioned(0x1234_5678), versioned(0x8765_4321));
    // Kernel, module, whether it loads on its own release, whether on another one.
    for (kernel, module, same, other) in [
        (PLAIN, &plain, true, false),
        (PLAIN, &right, true, false),
        (PLAIN, &wrong, true, false),
        (VERSIONED, &plain, true, false),
        (VERSIONED, &right, true, true),
        (VERSIONED, &wrong, false, false),
    ] {
        assert_eq!(load(module, &release("2.0.35"), kernel).is_ok(), same);
        assert_eq!(load(module, &release("2.0.36"), kernel).is_ok(), other);
    }
}

#[test]
fn force_overrides_a_release_but_never_a_checksum() {
    let module = compile(&source(&["kernel_version=2.0.35"], &[], CODE));
    let forced = Options { force: Force::Yes, ..release("2.0.36") };
    let mismatch = Error::VersionMismatch { module: "2.0.35".into(), kernel: "2.0.36".into() };
    assert_eq!(load(&module, &release("2.0.36"), PLAIN), Err(mismatch));
    let object = Object::parse(&module).expect("object");
    let prepared = prepare(&object, &forced, PLAIN).expect("forced");
    assert_eq!(prepared.warnings(), [Warning::VersionMismatch { module: "2.0.35".into(), kernel: "2.0.36".into() }]);

    let module = compile(&source(&[], &[("service", 0x8765_4321)], CODE));
    let error = load(&module, &Options { force: Force::Yes, ..release("2.0.35") }, VERSIONED).expect_err("checksum");
    assert_eq!(
        error.to_string(),
        "wrong version: `service` (compiled with 87654321, the kernel has 12345678); the symbols from kernel `2.0.35` don't match"
    );
    let unknown = compile(CODE);
    let object = Object::parse(&unknown).expect("object");
    for options in [release("2.0.35"), forced] {
        assert_eq!(prepare(&object, &options, PLAIN).expect("nothing that could be wrong").warnings(), [Warning::NoVersion]);
    }
}

#[test]
fn a_module_says_its_release_in_one_of_three_ways() {
    for text in [
        source(&["kernel_version=2.0.35"], &[], CODE),
        source(&["license=GPL", "vermagic=2.0.35 SMP mod_unload "], &[], CODE),
        format!("const char kernel_version[] = \"2.0.35\"; {CODE}"),
    ] {
        let module = compile(&text);
        assert!(load(&module, &release("2.0.35"), PLAIN).is_ok(), "{text}");
        assert!(load(&module, &release("2.0.3"), PLAIN).is_err(), "{text}");
    }
}

#[test]
fn names_of_old_modules_carry_their_checksums_themselves() {
    let code = CODE.replace("service", "service_R12345678") + "int Using_Versions;";
    let module = compile(&source(&["kernel_version=2.0.35"], &[], &code));
    assert!(load(&module, &release("2.0.36"), VERSIONED).is_ok());
    assert!(load(&module, &release("2.0.35"), PLAIN).is_ok());
    let other = [symbol("#", 0), symbol("Using_Versions", 1), symbol("service_R12345679", 0x40_1000)];
    assert!(matches!(load(&module, &release("2.0.35"), &other), Err(Error::WrongVersions { .. })));
}

#[test]
fn the_newest_module_wins_and_becomes_a_reference() {
    let module = compile(&source(
        &["kernel_version=1"],
        &[],
        "
        extern int service(int), other(void), kernel_only(void);
        int init_module(void) { return service(1) + other() + kernel_only(); } void cleanup_module(void) {}",
    ));
    let kernel = [
        symbol("#newest", 0x111),
        symbol("service", 0x40_2000),
        symbol("#older", 0x222),
        symbol("service", 0x40_3000),
        symbol("other", 0x40_4000),
        symbol("#unused", 0x333),
        symbol("nothing", 0x40_5000),
        symbol("#", 0),
        symbol("service", 0x40_6000),
        symbol("kernel_only", 0x40_7000),
    ];
    let references = load(&module, &release("1"), &kernel).expect("load");
    assert_eq!(references, [Reference { name: "newest".into(), value: 0x111 }, Reference { name: "older".into(), value: 0x222 }]);
    let found = with(&module, &release("1"), &kernel, |linked, _| {
        ["service", "other", "kernel_only"].map(|name| {
            let import = linked.image.layout().imports().find(|import| import.name == name).expect("import");
            linked.image.addr(import.index).expect("value").0
        })
    });
    assert_eq!(found, Ok([0x40_2000, 0x40_4000, 0x40_7000]));
}

#[test]
fn undefined_symbols_are_named_and_weak_ones_are_not_needed() {
    let module = compile(&source(
        &["kernel_version=1"],
        &[],
        "
        extern int one(void), two(void), perhaps(void) __attribute__((weak));
        int init_module(void) { return perhaps ? perhaps() : one() + two(); } void cleanup_module(void) {}",
    ));
    let error = load(&module, &release("1"), PLAIN).expect_err("undefined");
    assert!(matches!(&error, Error::Undefined { symbols } if symbols.len() == 2), "{error}");
    assert!(load(&module, &release("1"), &[symbol("#", 0), symbol("one", 0x40_1000), symbol("two", 0x40_1000)]).is_ok());
}

#[test]
fn a_module_needs_a_start_and_an_end_in_its_text() {
    for (code, error) in [
        ("int init_module(void) { return 0; }", Error::MissingRoutine { name: "cleanup_module" }),
        ("void cleanup_module(void) {}", Error::MissingRoutine { name: "init_module" }),
        ("int init_module = 1; void cleanup_module(void) {}", Error::RoutineNotCode { name: "init_module" }),
        (
            "int init_module(void) { return 0; } __attribute__((section(\".init.text\"))) void cleanup_module(void) {}",
            Error::RoutineNotCode { name: "cleanup_module" },
        ),
    ] {
        let module = compile(&source(&["kernel_version=1"], &[], code));
        assert_eq!(load(&module, &release("1"), PLAIN), Err(error));
    }
    let code = "__attribute__((section(\".init.text\"))) int init_module(void) { return 0; } void cleanup_module(void) {}";
    let module = compile(&source(&["kernel_version=1"], &[], code));
    assert!(load(&module, &release("1"), PLAIN).is_ok());
}

fn exports(code: &str, options: &Options<'_>) -> Result<Vec<(String, Option<u32>)>, Error> {
    let module = compile(&source(&["kernel_version=1"], &[], code));
    let take = |export: &Export<'_>| (export.name.to_string(), export.crc);
    with(&module, options, PLAIN, |linked, _| {
        for export in &linked.exports {
            let bare = export.name.split("_R").next().unwrap_or_default();
            assert_eq!(linked.image.symbol(bare), Some(export.addr));
        }
        linked.exports.iter().map(take).collect()
    })
}

const BOTH: &str = "int init_module(void) { return 0; } void cleanup_module(void) {}";

#[test]
fn all_globals_are_exported_unless_a_list_says_which() {
    let all = format!(
        "int one(void) {{ return 1; }} int two = 2; static int three; int *four(void) {{ return &three; }}
        __attribute__((visibility(\"hidden\"))) int five; int kernel_version_; const char kernel_version[] = \"1\";
        __attribute__((section(\".init.data\"))) int once = 1; {BOTH}"
    );
    let mut names: Vec<_> = exports(&all, &release("1")).expect("load").into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["four", "kernel_version_", "one", "two"]);
    assert_eq!(exports(&all, &Options { exports: Exports::None, ..release("1") }), Ok(vec![]));

    let list = "__attribute__((section(\"__ksymtab_strings\"), used)) static const char list[] = \"one\\0five\\0one\";";
    let names = exports(&format!("{list}{all}"), &release("1"));
    assert_eq!(names, Ok(vec![("one".into(), None), ("five".into(), None)]));
    let list = "__attribute__((section(\"__ksymtab_strings\"), used)) static const char list[] = \"gone\";";
    assert_eq!(exports(&format!("{list}{BOTH}"), &release("1")), Err(Error::ExportNotDefined { symbol: "gone".into() }));
}

#[test]
fn exports_of_modules_with_checksums_carry_them() {
    let code = format!("int one(void) {{ return 1; }} int two; asm(\".globl __crc_one; __crc_one = 0xdeadbeef\"); {BOTH}");
    let names = exports(&code, &release("1")).expect("load");
    assert_eq!(names, [("one".into(), Some(0xdead_beef)), ("two".into(), None)]);
    let code = format!("int Using_Versions; {code}");
    let names = exports(&code, &release("1")).expect("load");
    assert_eq!(names, [("one_Rdeadbeef".into(), Some(0xdead_beef)), ("two".into(), None)]);
}

#[test]
fn a_list_of_symbols_says_whether_the_kernel_has_checksums() {
    for (list, expected) in [
        (PLAIN, Checksums::Without),
        (VERSIONED, Checksums::With),
        (&[symbol("#mod", 1), symbol("Using_Versions", 1), symbol("#", 0), symbol("x", 1)][..], Checksums::Without),
        (&[symbol("#mod", 1), symbol("x", 1), symbol("#", 0), symbol("_Using_Versions", 1)][..], Checksums::With),
        (&[][..], Checksums::Without),
    ] {
        assert_eq!(list.checksums(), expected);
    }
}

#[test]
fn modinfo_and_versions_are_read_as_they_are_written() {
    let module = compile(&source(&["license=GPL", "alias=a", "empty=", "alias=b=c", "no pair"], &[("one", 1), ("two", 0xffff_ffff)], CODE));
    let object = Object::parse(&module).expect("object");
    let info = ModInfo::of(&object);
    assert_eq!(info.all("alias").collect::<Vec<_>>(), ["a", "b=c"]);
    assert_eq!((info.get("license"), info.get("empty"), info.get("none")), (Some("GPL"), Some(""), None));
    assert_eq!(info.iter().count(), 4);
    let versions = Versions::of(&object).expect("versions");
    assert_eq!((versions.get("one"), versions.get("two"), versions.get("three")), (Some(1), Some(0xffff_ffff), None));
    let short = compile("__attribute__((section(\"__versions\"), used)) static const char bad[63];");
    let object = Object::parse(&short).expect("object");
    assert_eq!(Versions::of(&object).map(|_| ()), Err(Error::BadVersions { size: 63 }));
}

#[test]
fn init_memory_is_apart_and_the_use_count_is_zero() {
    let code = "extern long mod_use_count_; __attribute__((section(\".init.text\"))) int init_module(void) { mod_use_count_++; return 0; }
        void cleanup_module(void) { mod_use_count_--; }";
    let module = compile(&source(&["kernel_version=1"], &[], code));
    let object = Object::parse(&module).expect("object");
    let options = Options { layout: LayoutOptions { page_size: 0x4000, ..LayoutOptions::default() }, ..release("1") };
    let prepared = prepare(&object, &options, PLAIN).expect("prepare");
    let mut out = vec![0xaa; usize::try_from(prepared.layout().size()).expect("size")];
    let linked = prepared.link(Addr(0x40_0000), &mut out).expect("link");
    let parts = prepared.layout().parts().clone();
    assert_eq!(parts.init_text.start % 0x4000, 0);
    assert!(parts.init_text.contains(&(linked.init.0 - 0x40_0000)) && parts.text.contains(&(linked.cleanup.0 - 0x40_0000)));
    assert_eq!(linked.use_count, Addr(0x40_0000 + parts.data.start));
    let count = usize::try_from(parts.data.start).expect("small");
    assert_eq!(out[count..count + 8], [0; 8]);
}
