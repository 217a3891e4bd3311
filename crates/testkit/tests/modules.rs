//! The sample modules are well-formed: both compilers take them without a warning, and what comes out is what it should be.

use std::path::Path;
use std::process::Command;

use testkit::modules::{self, Compiler, Error, Format, Recipe};
use testkit::{Outcome, workspace};

/// The names of all samples of a kind.
fn samples(kind: &str) -> Vec<String> {
    let folder = workspace().join("modules").join(kind);
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder of samples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "c"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// The symbols of an object, as `nm` prints them: type letter and name.
fn symbols(object: &Path) -> Vec<(String, String)> {
    let text = Outcome::of(Command::new("nm").arg(object)).ok().stdout;
    text.lines()
        .map(|line| {
            let mut words = line.split_whitespace().rev();
            let name = words.next().expect("a name").to_owned();
            (words.next().expect("a type").to_owned(), name)
        })
        .collect()
}

/// The undefined symbols of an object.
fn needs(object: &Path) -> Vec<String> {
    symbols(object).into_iter().filter(|(letter, _)| letter == "U").map(|(_, name)| name).collect()
}

/// The content of a section as text, its strings separated by blanks.
fn strings_of(object: &Path, section: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let _done = Outcome::of(Command::new("objcopy").args(["-O", "binary", "-j", section]).arg(object).arg(file.path())).ok();
    let bytes = std::fs::read(file.path()).expect("the section");
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

#[test]
fn both_compilers_build_every_sample() {
    for kind in ["fs", "misc", "bad"] {
        for name in samples(kind) {
            for compiler in [Compiler::Gcc, Compiler::Clang] {
                let object = Recipe::sample(&name).compiler(compiler).build();
                let header = Outcome::of(Command::new("readelf").arg("-h").arg(&object)).ok().stdout;
                assert!(header.contains("REL (Relocatable file)"), "{name}: {header}");
                let lacks = match name.as_str() {
                    "no_init" => "init_module",
                    "no_cleanup" => "cleanup_module",
                    _ => "",
                };
                for routine in ["init_module", "cleanup_module"] {
                    let defined = symbols(&object).contains(&("T".into(), routine.into()));
                    assert_eq!(defined, routine != lacks, "{name} ({compiler:?}) and {routine}");
                }
            }
        }
    }
}

#[test]
fn the_file_systems_stand_on_fat() {
    let exports = strings_of(&Recipe::sample("fat").build(), "__ksymtab_strings");
    assert!(exports.split(' ').any(|name| name == "fat_read_super"), "{exports}");
    for name in ["vfat", "msdos"] {
        let object = Recipe::sample(name).build();
        let wanted = needs(&object);
        assert!(wanted.contains(&"fat_read_super".to_owned()), "{wanted:?}");
        for symbol in wanted.iter().filter(|symbol| symbol.starts_with("fat_")) {
            assert!(exports.split(' ').any(|export| export == symbol), "{name} needs {symbol}, which fat does not export");
        }
        assert_eq!(strings_of(&object, "__ksymtab_strings"), "", "{name} exports nothing");
    }
}

#[test]
fn the_module_in_rust_needs_the_kernel_only() {
    let object = Recipe::sample("rot13").build();
    let allowed = ["printk", "memcpy", "memmove", "memset", "memcmp", "mod_use_count_"];
    let strange: Vec<String> = needs(&object).into_iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert_eq!(strange, Vec::<String>::new());
    assert_eq!(strings_of(&object, "__ksymtab_strings"), "rot13");
    assert!(strings_of(&object, ".modinfo").contains("license=MIT OR Apache-2.0"));
    let sections = Outcome::of(Command::new("readelf").args(["-SW"]).arg(&object)).ok().stdout;
    assert!(!sections.contains(".llvmbc") && !sections.contains(".comment"), "{sections}");
    assert!(std::fs::metadata(&object).expect("the object").len() < 32 << 10, "only what it uses of core is in it");
}

#[test]
fn a_tree_has_a_folder_for_each_kind() {
    let root = tempfile::tempdir().expect("a folder");
    let recipes = ["fat", "vfat", "hello", "trap"].map(Recipe::sample);
    let tree = modules::build_tree(root.path(), "2.0.40", &recipes).expect("a tree");
    assert_eq!(tree, root.path().join("lib/modules/2.0.40"));
    for file in ["fs/fat.o", "fs/vfat.o", "misc/hello.o", "bad/trap.o"] {
        assert!(tree.join(file).is_file(), "{file}");
    }
}

#[test]
fn builders_at_the_same_time_share_one_result() {
    let flag = format!("-DBUILT_BY={}", std::process::id());
    let build = || Recipe::sample("fat").flags(&[&flag]).build();
    let paths: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it builds")).collect()
    });
    assert!(paths.windows(2).all(|pair| pair[0] == pair[1]), "{paths:?}");
    let before = std::fs::metadata(&paths[0]).and_then(|file| file.modified()).expect("a time");
    assert_eq!(build(), paths[0]);
    assert_eq!(std::fs::metadata(&paths[0]).and_then(|file| file.modified()).expect("a time"), before, "it was not built again");
    std::fs::remove_dir_all(paths[0].parent().expect("its folder")).expect("removed");
}

#[test]
fn failures_say_what_is_wrong() {
    let error = Recipe::sample("no_such_sample").try_build().expect_err("there is none");
    assert!(matches!(&error, Error::Unknown { name } if name == "no_such_sample"), "{error}");
    let error = Recipe::sample("hello").flags(&["-DMODULE_PARM=42"]).try_build().expect_err("it does not compile");
    assert!(matches!(&error, Error::Refused { message, .. } if message.contains("hello.c")), "{error}");
}

#[test]
fn the_file_systems_exist_as_aout_too() {
    for name in ["fat", "vfat", "msdos", "hello", "counter", "globals"] {
        let bytes = std::fs::read(Recipe::sample(name).format(Format::Aout).build()).expect("the object");
        assert_eq!(bytes[..2], [0x07, 0x01], "{name} is OMAGIC");
        let object = modlink::Object::parse(&bytes).expect("it can be read back");
        assert_eq!(object.format(), modlink::Format::Aout);
        let names: Vec<&str> = object.symbols().map(|symbol| symbol.name).collect();
        assert!(names.contains(&"init_module") && names.contains(&"cleanup_module"), "{name}: {names:?}");
    }
}
