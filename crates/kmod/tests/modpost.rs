//! Objects of the system's compiler in, modules out: judged by GNU binutils and by the linker.

use std::path::{Path, PathBuf};
use std::process::Command;

use kmod::modpost::{Error, Module, Options, Unversioned, Warning, modpost};
use kmod::symvers::Symvers;
use modlink::Object;
use modlink::module::{ModInfo, Versions, prototype_crc};

const SOURCE: &str = r#"
#define SECTION(name) __attribute__((section(name), used, aligned(1)))
int printk(const char *, ...);
int fat_read(int);
int vfat_lookup(int);
__attribute__((weak)) int perhaps(void);
extern long unused_import;
static const char kproto[] SECTION("__kproto") = "vfat_lookup\0int vfat_lookup(int)\0\0\0nobody\0int nobody(void)";
static const char ksymtab[] SECTION("__ksymtab_strings") = "vfat_lookup";
static const char author[] SECTION(".modinfo") = "author=somebody";
int vfat_lookup(int x) { printk("hello"); return fat_read(x) + (perhaps ? perhaps() : 0); }
int init_module(void) { return vfat_lookup(1); }
void cleanup_module(void) { }
"#;

const SYMVERS: &str = "0x11111111\tprintk\tkhost\tEXPORT_SYMBOL\t\n0x22222222\tfat_read\tfs/fat/fat\tEXPORT_SYMBOL\t\n";

fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program} runs: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{program} {arguments:?}: {text}");
    text
}

fn compile(dir: &Path, compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    let language = if source.contains("template") { "cc" } else { "c" };
    let (input, output) = (dir.join(format!("vfat.{language}")), dir.join("vfat.o"));
    std::fs::write(&input, source).unwrap();
    let fixed = ["-O2", "-ffreestanding", "-fPIC", "-c", "-o", output.to_str().unwrap(), input.to_str().unwrap()];
    run(compiler, &[flags, &fixed].concat());
    output
}

fn symvers() -> Symvers {
    let mut symvers = Symvers::default();
    symvers.add(SYMVERS).unwrap();
    symvers
}

fn options() -> Options {
    Options { name: "vfat".into(), release: Some("2.0.40-khost".into()), unversioned: Unversioned::Warn }
}

fn make(object: &Path) -> Module {
    modpost(&std::fs::read(object).unwrap(), &symvers(), &options()).unwrap()
}

#[test]
fn a_module_says_what_it_is_and_needs() {
    for compiler in ["gcc", "clang"] {
        let dir = tempfile::tempdir().unwrap();
        let module = make(&compile(dir.path(), compiler, SOURCE, &["-ffunction-sections", "-g"]));
        let object = Object::parse(&module.bytes).unwrap();
        let info = ModInfo::of(&object);
        let wanted = [
            ("author", "somebody"),
            ("name", "vfat"),
            ("kernel_version", "2.0.40-khost"),
            ("vermagic", "2.0.40-khost"),
            ("using_checksums", "1"),
            ("depends", "fat"),
        ];
        assert_eq!(info.iter().collect::<Vec<_>>(), wanted);
        let mut versions: Vec<_> = Versions::of(&object).unwrap().iter().collect();
        versions.sort_unstable();
        assert_eq!(versions, [("fat_read", 0x2222_2222), ("printk", 0x1111_1111)]);
        let crc = prototype_crc("int vfat_lookup(int)");
        assert_eq!(object.find("__crc_vfat_lookup").map(|symbol| symbol.value), Some(u64::from(crc)));
        assert_eq!(object.section("__kproto"), None);
        assert_eq!(module.warnings, [Warning::NotExported { symbol: "nobody".into() }], "weak and unused symbols need no version");
        let exports: Vec<_> = module.exports.iter().map(|entry| (entry.symbol.as_str(), entry.crc, entry.module.as_str())).collect();
        assert_eq!(exports, [("vfat_lookup", crc, "vfat")]);
    }
}

#[test]
fn the_result_links_with_gnu_ld_and_keeps_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let grouped = "\ntemplate<class T> T twice(T x) { return x + x; }\nint use(int x) { return twice(x); }\n";
    let cpp = SOURCE.replace("int printk", "extern \"C\" { int printk");
    let cpp = cpp.replace("void cleanup_module(void) { }", "void cleanup_module(void) { } }") + grouped;
    for (compiler, text, flags) in [("gcc", SOURCE, &["-g"][..]), ("clang", SOURCE, &["-g"]), ("g++", &cpp, &["-fno-inline"])] {
        let object = compile(dir.path(), compiler, text, flags);
        let before = run("objdump", &["-dr", "--no-show-raw-insn", object.to_str().unwrap()]);
        let groups = run("readelf", &["-gW", object.to_str().unwrap()]);
        let out = dir.path().join("vfat.ko");
        std::fs::write(&out, make(&object).bytes).unwrap();
        let after = run("objdump", &["-dr", "--no-show-raw-insn", out.to_str().unwrap()]);
        let code = |text: &str| text.lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(code(&before), code(&after), "{compiler}");
        assert_eq!(run("readelf", &["-gW", out.to_str().unwrap()]), groups);
        assert_eq!(groups.contains("COMDAT group section"), compiler == "g++", "{groups}");
        let complaints = run("readelf", &["-aW", out.to_str().unwrap()]);
        assert!(!complaints.contains("Warning") && !complaints.contains("Error"), "{complaints}");
        let linked = dir.path().join("linked.o");
        for linker in ["ld", "ld.lld"] {
            let complaints = run(linker, &["-r", "-o", linked.to_str().unwrap(), out.to_str().unwrap()]);
            assert_eq!(complaints, "", "{linker} after {compiler}");
            let symbols = run("nm", &[linked.to_str().unwrap()]);
            assert!(symbols.contains(" A __crc_vfat_lookup") && symbols.contains(" T vfat_lookup"), "{symbols}");
        }
    }
}

#[test]
fn missing_versions_warn_or_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let source = SOURCE.replace("(\"hello\")", "(\"x\"); extra()").replace("int fat_read", "int extra(void); int fat_read");
    let object = std::fs::read(compile(dir.path(), "gcc", &source, &[])).unwrap();
    let warned = modpost(&object, &symvers(), &options()).unwrap();
    assert!(warned.warnings.contains(&Warning::Unknown { symbol: "extra".into() }), "{:?}", warned.warnings);
    let strict = Options { unversioned: Unversioned::Refuse, ..options() };
    assert_eq!(modpost(&object, &symvers(), &strict), Err(Error::Unversioned { symbols: vec!["extra".into()] }));
    let plain = modpost(&object, &Symvers::default(), &Options { release: None, ..options() }).unwrap();
    let parsed = Object::parse(&plain.bytes).unwrap();
    let info = ModInfo::of(&parsed);
    assert_eq!((info.get("using_checksums"), info.get("kernel_version"), info.get("depends")), (None, None, Some("")));
    assert!(Versions::of(&parsed).unwrap().is_empty());
}

#[test]
fn what_the_author_gave_stays_and_modules_are_not_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    let source = SOURCE.replace("author=somebody", "kernel_version=1.0");
    let object = compile(dir.path(), "gcc", &source, &[]);
    let module = make(&object);
    let parsed = Object::parse(&module.bytes).unwrap();
    assert_eq!(ModInfo::of(&parsed).all("kernel_version").collect::<Vec<_>>(), ["1.0"]);
    assert_eq!(modpost(&module.bytes, &symvers(), &options()), Err(Error::AlreadyModule { sign: "__versions" }));
    let plain = modpost(&std::fs::read(object).unwrap(), &Symvers::default(), &options()).unwrap();
    assert_eq!(modpost(&plain.bytes, &symvers(), &options()), Err(Error::AlreadyModule { sign: "depends=" }));
}

#[test]
fn without_a_list_globals_are_exported_unless_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let source = "int seen; __attribute__((visibility(\"hidden\"))) int unseen; static int local;\n\
                  int init_module(void) { return local++ + unseen; }\nvoid cleanup_module(void) { }\n";
    let module = make(&compile(dir.path(), "gcc", source, &[]));
    assert_eq!(module.exports.iter().map(|entry| entry.symbol.as_str()).collect::<Vec<_>>(), ["seen"]);
}

#[test]
fn more_sections_than_a_halfword_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("many.s"), dir.path().join("vfat.o"));
    let mut text = String::from(".globl init_module\ninit_module: ret\n.globl cleanup_module\ncleanup_module: call printk\nret\n");
    for number in 0..65_400 {
        text.push_str(&format!(".section .text.f{number},\"ax\"\n.byte 0xc3\n"));
    }
    text.push_str(".section __kproto,\"a\"\n.asciz \"late\", \"int late(void)\"\n.text\n.globl late\nlate: ret\n");
    std::fs::write(&source, text).unwrap();
    run("as", &["-o", object.to_str().unwrap(), source.to_str().unwrap()]);
    let module = make(&object);
    let parsed = Object::parse(&module.bytes).unwrap();
    let crc = u64::from(prototype_crc("int late(void)"));
    assert_eq!(parsed.find("__crc_late").map(|symbol| symbol.value), Some(crc));
    assert_eq!(ModInfo::of(&parsed).get("name"), Some("vfat"));
    assert_eq!(Versions::of(&parsed).unwrap().get("printk"), Some(0x1111_1111));
    assert_eq!(parsed.section("__kproto"), None);
}

#[test]
fn what_is_no_object_is_refused() {
    let program = std::fs::read("/proc/self/exe").unwrap();
    assert!(matches!(modpost(&program, &symvers(), &options()), Err(Error::NotRelocatable { .. })));
    assert!(matches!(modpost(b"no object", &symvers(), &options()), Err(Error::Elf { .. })));
    let dir = tempfile::tempdir().unwrap();
    let odd = SOURCE.replace("nobody\\0int nobody(void)", "nobody");
    let object = std::fs::read(compile(dir.path(), "gcc", &odd, &[])).unwrap();
    assert_eq!(modpost(&object, &symvers(), &options()), Err(Error::Prototypes { symbol: "nobody".into() }));
    let name = Options { name: "a\0b".into(), ..options() };
    let object = std::fs::read(compile(dir.path(), "gcc", SOURCE, &[])).unwrap();
    assert_eq!(modpost(&object, &symvers(), &name), Err(Error::BadValue { key: "name" }));
}

/// Truncated and altered objects: an answer, never a panic, and never much more memory than the file.
#[test]
fn mutated_objects_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let seed = std::fs::read(compile(dir.path(), "gcc", SOURCE, &[])).unwrap();
    let (mut made, mut refused, mut state) = (0, 0, 0x9e37_79b9_7f4a_7c15_u64);
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for round in 0..6_000 {
        let mut bytes = seed.clone();
        let table = bytes.len().saturating_sub(64 * 20);
        for _ in 0..=random(3) {
            let at = if round % 2 == 0 { random(bytes.len()) } else { table + random(bytes.len() - table) };
            bytes[at] = [0, 0xff, 0x7f, 1][random(4)];
        }
        if round % 7 == 0 {
            bytes.truncate(random(bytes.len()));
        }
        match modpost(&bytes, &symvers(), &options()) {
            Ok(module) => {
                made += 1;
                assert!(module.bytes.len() < 16 * seed.len(), "{} bytes", module.bytes.len());
            }
            Err(_) => refused += 1,
        }
    }
    assert!(made > 500 && refused > 500, "{made} made, {refused} refused");
}
