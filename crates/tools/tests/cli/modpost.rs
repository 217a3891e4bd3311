//! modpost at its door: files in, files out.

use crate::world::{HELLO, World};

const SYMVERS: &str = "0x11111111\tnote\tkhost\tEXPORT_SYMBOL\t\n";

#[test]
fn an_object_is_replaced_by_the_module_or_written_elsewhere() {
    let world = World::new();
    std::fs::write(world.path("symvers"), SYMVERS).unwrap();
    let object = world.compile_with("hello", HELLO, &[]);
    let before = std::fs::read(&object).unwrap();
    world.run("modpost --symvers symvers -o out.ko --release 1.0 hello.o").ok();
    assert_eq!(std::fs::read(&object).unwrap(), before);
    let made = std::fs::read(world.path("out.ko")).unwrap();
    assert!(contains(&made, b"name=out\0kernel_version=1.0\0"));
    world.run("modpost --symvers symvers --name other hello.o").ok();
    assert!(contains(&std::fs::read(&object).unwrap(), b"name=other\0using_checksums=1\0depends=\0"));
    let leftovers =
        std::fs::read_dir(world.dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "tmp"));
    assert_eq!(leftovers.count(), 0);
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn missing_versions_warn_or_fail_and_files_are_named() {
    let world = World::new();
    std::fs::write(world.path("symvers"), SYMVERS.replace("note", "other")).unwrap();
    std::fs::write(world.path("broken"), "what\n").unwrap();
    world.compile_with("hello", HELLO, &[]);
    let warning = world.run("modpost --symvers symvers -o out.ko hello.o").warns();
    assert!(warning.contains("modpost: WARNING: hello.o: no version is known of `note`"), "{warning}");
    let cases = [
        ("modpost --symvers symvers --strict hello.o", "hello.o: no version is known of `note`"),
        ("modpost --symvers broken hello.o", "broken: line 1 is not"),
        ("modpost --symvers nosuch hello.o", "nosuch: No such file"),
        ("modpost --symvers /dev/zero hello.o", "/dev/zero: longer than"),
        ("modpost nosuch.o", "nosuch.o: No such file"),
        ("modpost symvers", "symvers: not a 64-bit"),
        ("modpost out.ko", "out.ko: the object is a module already"),
    ];
    for (line, wanted) in cases {
        let complaint = world.run(line).fails();
        assert!(complaint.contains(wanted), "{line}: {complaint}");
    }
}

#[test]
fn own_exports_replace_the_earlier_lines() {
    let world = World::new();
    std::fs::write(world.path("symvers"), format!("{SYMVERS}0x00000009\tgone\tbase\tEXPORT_SYMBOL\t\n")).unwrap();
    world.compile(
        "base",
        &format!("int base_value(void) {{ return 1; }} EXPORT(base_value); PROTO(base_value, \"int base_value(void)\");{HELLO}"),
    );
    world.run("modpost --symvers symvers --write-symvers symvers base.o").ok();
    let text = std::fs::read_to_string(world.path("symvers")).unwrap();
    assert!(text.starts_with(SYMVERS) && text.contains("\tbase_value\tbase\tEXPORT_SYMBOL\t") && !text.contains("gone"), "{text}");
}

/// Only plain files are replaced; a link leads to the file that is.
#[test]
fn devices_and_links_stay_what_they_are() {
    let world = World::new();
    world.compile_with("hello", HELLO, &[]);
    let (pipe, link) = (world.path("pipe"), world.path("link.ko"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    world.run("modpost -o pipe --name hello hello.o").ok();
    assert!(contains(&reader.join().unwrap(), b"name=hello\0"));
    assert!(!std::fs::metadata(&pipe).unwrap().is_file());
    std::fs::write(world.path("real.ko"), "").unwrap();
    std::os::unix::fs::symlink("real.ko", &link).unwrap();
    world.run("modpost -o link.ko hello.o").ok();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(contains(&std::fs::read(world.path("real.ko")).unwrap(), b"name=link\0"));
}
