//! The table of version checks: kernel with and without symbol versions, module with and without, release right and wrong.

use kernel::Modversions;

use crate::world::{HELLO, RELEASE, World};

/// CRC of `note` in a kernel with versions.
fn note_crc(world: &World) -> String {
    let mut client = uapi::Client::connect(&world.socket()).unwrap();
    let name = client.kernel_syms().unwrap().into_iter().find(|symbol| symbol.name.starts_with("note_R")).unwrap().name;
    name.trim_start_matches("note_R").to_owned()
}

/// Makes `hello.o`, with or without versions, for a release.
fn make(world: &World, crc: Option<&str>, release: &str) {
    let plain = world.compile_with("plain", HELLO, &[]);
    std::fs::write(world.path("symvers"), format!("0x{}\tnote\tkhost\tEXPORT_SYMBOL\t\n", crc.unwrap_or_default())).unwrap();
    let versions = if crc.is_some() { "--symvers symvers" } else { "" };
    world.run(&format!("modpost {versions} --release {release} --name hello -o hello.o {}", plain.display())).ok();
}

#[test]
fn releases_are_compared_unless_both_sides_have_versions() {
    for kernel in [Modversions::Off, Modversions::On] {
        let world = World::with(kernel);
        let right = if kernel == Modversions::On { note_crc(&world) } else { "0badcafe".to_owned() };
        for crc in [None, Some(right.as_str())] {
            for release in [RELEASE, "1.2.13"] {
                make(&world, crc, release);
                let both = kernel == Modversions::On && crc.is_some();
                let fits = both || release == RELEASE;
                let case = format!("{kernel:?} {crc:?} {release}");
                let done = world.run("insmod hello.o");
                if fits {
                    done.ok();
                    world.run("rmmod hello").ok();
                    continue;
                }
                let complaint = done.fails();
                assert!(
                    complaint.contains("1.2.13") && complaint.contains(RELEASE) && complaint.contains("version"),
                    "{case}: {complaint}"
                );
                assert!(world.loaded().is_empty(), "{case}");
                for force in ["-f", "--force", "--force-vermagic"] {
                    let warning = world.run(&format!("insmod {force} hello.o")).warns();
                    assert!(warning.contains("insmod: WARNING: ") && warning.contains("1.2.13"), "{case}: {warning}");
                    world.run("rmmod hello").ok();
                }
            }
        }
    }
}

#[test]
fn a_wrong_checksum_is_refused_even_by_force() {
    let world = World::with(Modversions::On);
    make(&world, Some("0badcafe"), RELEASE);
    for force in ["", "-f", "--force-modversion"] {
        let complaint = world.run(&format!("insmod {force} hello.o")).fails();
        assert!(complaint.contains("wrong version") && complaint.contains("`note`"), "{complaint}");
        assert!(complaint.contains("0badcafe") && complaint.contains(&note_crc(&world)), "both checksums are told: {complaint}");
        assert!(world.loaded().is_empty());
    }
}

#[test]
fn exports_of_modules_carry_checksums_too() {
    let world = World::with(Modversions::On);
    let crc = note_crc(&world);
    std::fs::write(world.path("symvers"), format!("0x{crc}\tnote\tkhost\tEXPORT_SYMBOL\t\n")).unwrap();
    let base = "int base_value(void) { return 42; }\nEXPORT(base_value); PROTO(base_value, \"int base_value(void)\");\n";
    world.compile("base", &format!("{base}{HELLO}"));
    world.run("modpost --symvers symvers --write-symvers symvers base.o").ok();
    let lines = std::fs::read_to_string(world.path("symvers")).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    world.run("insmod base.o").ok();
    let table = world.run("ksyms -h").ok();
    assert!(table.contains(" base_value_R") && table.contains("\t[base]"), "{table}");
    world.compile(
        "user",
        "extern int base_value(void);\nint init_module(void) { note(KEY, base_value()); return 0; }\nvoid cleanup_module(void) {}\n",
    );
    world.run("modpost --symvers symvers user.o").ok();
    world.run("insmod user.o").ok();
    assert_eq!(world.notes(), [1, 42]);
    world.run("rmmod -r user").ok();
    let changed = base.replace("int base_value(void)\"", "long base_value(void)\"");
    world.compile("base", &format!("{changed}{HELLO}"));
    world.run("modpost --symvers symvers base.o").ok();
    world.run("insmod base.o").ok();
    let complaint = world.run("insmod -f user.o").fails();
    assert!(complaint.contains("wrong version") && complaint.contains("base_value") && complaint.contains("base"), "{complaint}");
}

#[test]
fn a_module_without_any_version_loads_with_a_warning() {
    let world = World::new();
    world.compile_with("hello", HELLO, &[]);
    let warning = world.run("insmod hello.o").warns();
    assert!(warning.contains("couldn't find the kernel version the module was compiled for"), "{warning}");
}
