//! The book's features, part one: the module list, its symbols and its system calls. `row_NN` is the row of docs/classic.md.

use std::os::unix::fs::FileExt;
use std::path::Path;

use testkit::{World, eventually};
use uapi::{
    Arena, Client, Errno, InitModule, KernelSym, MemoryLayout, ModuleState, PAGE_SIZE, Part, ProcFile, Query, QueryAnswer, Reply, Routines,
    SymbolTable, Syscall,
};

/// A module that exports one function, and one that uses it.
const BASE: &str = r#"
#include "module.h"
int base_value(void);
int base_value(void) { return 42; }
EXPORT_SYMBOL(base_value);
static int start(void) { return 0; }
static void stop(void) { printk(KERN_INFO "base: cleanup\n"); }
module_init(start); module_exit(stop);
"#;
const USER: &str = r#"
#include "module.h"
extern int base_value(void);
static int start(void) { printk(KERN_INFO "user: base says %d\n", base_value()); return 0; }
static void stop(void) { printk(KERN_INFO "user: cleanup\n"); }
module_init(start); module_exit(stop);
"#;

fn insmod(world: &World, object: &Path) {
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
}

fn ksyms(world: &World) -> String {
    world.read(ProcFile::Ksyms)
}

fn create(client: &mut Client, name: &str, layout: MemoryLayout) -> Result<(u64, std::fs::File), Errno> {
    match client.call_with_descriptor(&Syscall::CreateModule { name: name.into(), layout, arena: Arena::Near }) {
        Ok((Reply::Created { base }, Some(descriptor))) => Ok((base, descriptor.into())),
        Ok(other) => panic!("an answer that does not fit: {other:?}"),
        Err(error) => Err(error.errno().expect("an error number")),
    }
}

/// `mov eax, VALUE; ret`
fn returns(value: i32) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend_from_slice(&value.to_le_bytes());
    code.push(0xc3);
    code
}

fn init(client: &mut Client, name: &str, base: u64, table: Option<SymbolTable>) -> Result<Reply, Errno> {
    let call = InitModule {
        name: name.into(),
        routines: Routines { init: base, cleanup: base },
        autoclean: false,
        forced: false,
        table,
        eh_frame: None,
        debug_object: Vec::new(),
    };
    client.call(&Syscall::InitModule(call)).map_err(|error| error.errno().expect("an error number"))
}

#[test]
fn row_01_exports_appear_when_the_module_runs() {
    let world = World::booted(&[]);
    assert!(!ksyms(&world).contains("base_value"));
    insmod(&world, &world.compile("base", BASE, &[]));
    let line = ksyms(&world).lines().find(|line| line.contains("base_value")).expect("the export").to_owned();
    assert!(line.ends_with(" base_value\t[base]"), "{line}");
}

#[test]
fn row_02_the_next_module_uses_them_and_alone_it_fails() {
    let world = World::booted(&[]);
    let user = world.compile("user", USER, &[]);
    let alone = world.run("insmod", &[&user.to_string_lossy()]).fails_with(1);
    assert!(alone.stderr.contains("base_value"), "{alone}");
    assert_eq!(world.loaded(), Vec::<String>::new());
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &user);
    assert_eq!(world.loaded(), ["user", "base"]);
    assert!(world.run("khost", &["dmesg"]).ok().stdout.contains("user: base says 42"));
}

#[test]
fn row_02_a_later_module_overrides() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &world.compile("newer", &BASE.replace("return 42", "return 43"), &[]));
    insmod(&world, &world.compile("user", USER, &[]));
    assert!(world.run("khost", &["dmesg"]).ok().stdout.contains("user: base says 43"));
    let classic = world.read(ProcFile::ModulesClassic);
    assert!(classic.lines().any(|line| line.starts_with("newer ") && line.contains("[user]")), "{classic}");
    assert!(classic.lines().any(|line| line.starts_with("base ") && !line.contains("[user]")), "{classic}");
}

#[test]
fn row_04_cleanup_runs_once_before_the_memory_goes() {
    let world = World::booted(&[]);
    let source = BASE
        .replace("stop(void) {", "stop(void) { kfree(block);")
        .replace("start(void) {", "start(void) { block = kmalloc(100, GFP_KERNEL);");
    insmod(&world, &world.compile("base", &source.replace("int base_value(void);", "int base_value(void); static void *block;"), &[]));
    let _done = world.run("rmmod", &["base"]).ok();
    let log = world.run("khost", &["dmesg"]).ok().stdout;
    assert_eq!(log.matches("base: cleanup").count(), 1, "{log}");
    assert!(!log.contains("leak"), "{log}");
    assert_eq!(world.read(ProcFile::ModuleMaps), "");
}

#[test]
fn row_05_symbols_and_references_go_with_the_module() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &world.compile("user", USER, &[]));
    assert!(world.read(ProcFile::ModulesClassic).contains("[user]"));
    let _done = world.run("rmmod", &["user"]).ok();
    assert!(!world.read(ProcFile::ModulesClassic).contains("[user]"));
    let _done = world.run("rmmod", &["base"]).ok();
    assert!(!ksyms(&world).contains("base_value"));
}

#[test]
fn row_18_anyone_may_read_the_symbols() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    let syms = world.client().kernel_syms().expect("the symbols");
    let markers = syms.iter().filter(|sym| sym.name.starts_with('#')).count();
    assert_eq!(syms.len(), ksyms(&world).lines().count() + markers);
    assert_eq!(markers, 2, "one of `base`, one of the kernel");
}

#[test]
fn row_19_pairs_of_name_and_value() {
    let world = World::booted(&[]);
    let syms = world.client().kernel_syms().expect("the symbols");
    let text: String =
        syms.iter().filter(|sym| !sym.name.starts_with('#')).map(|sym| format!("{:016x} {}\n", sym.value, sym.name)).collect();
    assert_eq!(text, ksyms(&world));
}

#[test]
fn row_20_the_kernel_itself_is_never_listed_and_never_removed() {
    let world = World::booted(&[]);
    assert_eq!(world.run("lsmod", &[]).ok().stdout.lines().count(), 1, "the header only");
    let last = world.client().kernel_syms().expect("the symbols").into_iter().rfind(|sym| sym.name.starts_with('#'));
    assert_eq!(last.expect("a marker").name, "#");
    let refused = create(&mut world.client(), "", MemoryLayout::from_sizes([16, 0, 8, 0, 0])).map(|(base, _)| base);
    assert!(matches!(refused, Err(Errno::EEXIST | Errno::EINVAL)), "{refused:?}");
    let refused = world.client().delete_module(Some("")).expect_err("the kernel stays").errno();
    assert!(matches!(refused, Some(Errno::EINVAL | Errno::ENOENT)), "{refused:?}");
}

#[test]
fn row_21_only_entered_symbols_are_exported() {
    let world = World::booted(&[]);
    let source = USER.replace("base_value", "malloc_usable_size");
    let refused = world.run("insmod", &[&world.compile("user", &source, &[]).to_string_lossy()]).fails_with(1);
    assert!(refused.stderr.contains("malloc_usable_size"), "{refused}");
}

#[test]
fn row_23_ksyms_shows_modules_or_everything() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    let all = world.run("ksyms", &["-a", "-h"]).ok().stdout;
    let modules = world.run("ksyms", &["-h"]).ok().stdout;
    assert_eq!(modules.lines().count(), 1, "{modules}");
    assert_eq!(all.lines().count(), ksyms(&world).lines().count());
    let headed = world.run("ksyms", &[]).ok().stdout;
    assert_eq!(headed.lines().count(), 2, "{headed}");
    assert!(headed.starts_with("Address"), "{headed}");
    let sized = world.run("ksyms", &["-m", "-h"]).ok().stdout;
    assert_eq!(sized.lines().count(), 2, "{sized}");
    assert!(sized.lines().next().is_some_and(|line| line.contains("k)") && line.ends_with("[base]")), "{sized}");
}

#[test]
fn row_25_space_in_whole_pages_and_every_error() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let of_data = |bytes| MemoryLayout::from_sizes([0, 0, bytes, 0, 0]);
    let (_, one) = create(&mut client, "one", of_data(PAGE_SIZE)).expect("a page");
    let (_, two) = create(&mut client, "two", of_data(PAGE_SIZE + 1)).expect("two pages");
    assert_eq!(one.metadata().expect("a size").len(), PAGE_SIZE);
    assert_eq!(two.metadata().expect("a size").len(), 2 * PAGE_SIZE);
    let mut refused = |name: &str, layout| create(&mut client, name, layout).map(|(base, _)| base).expect_err("a refusal");
    assert_eq!(refused("one", of_data(8)), Errno::EEXIST);
    assert_eq!(refused("none", of_data(0)), Errno::EINVAL);
    assert_eq!(refused("huge", of_data(1 << 40)), Errno::ENOMEM);
    assert_eq!(refused(&"n".repeat(64), of_data(8)), Errno::E2BIG);
    assert_eq!(refused("a/b", of_data(8)), Errno::EINVAL);
}

#[test]
fn row_26_newest_first() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("aaa", BASE, &[]));
    insmod(&world, &world.compile("bbb", BASE, &[]));
    assert_eq!(world.loaded(), ["bbb", "aaa"], "the book says `end of the list`; the kernel of its time linked at the head");
}

#[test]
fn row_27_uninitialized_until_init_and_unseen() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let (base, memory) = create(&mut client, "half", MemoryLayout::from_sizes([16, 0, 8, 0, 0])).expect("memory");
    let classic = world.read(ProcFile::ModulesClassic);
    assert_eq!(classic, format!("half{:>16}  (uninitialized)\t\n", 2), "no count column");
    assert!(!ksyms(&world).contains("half"));
    memory.write_all_at(&returns(0), 0).expect("code");
    drop(memory);
    let table = SymbolTable { symbols: vec![KernelSym { value: base, name: "half_export".into() }], references: Vec::new() };
    assert_eq!(init(&mut client, "half", base, Some(table)), Ok(Reply::Done));
    assert_eq!(world.read(ProcFile::ModulesClassic), format!("half{:>16}\t\t0\n", 2));
    assert!(ksyms(&world).contains("half_export\t[half]"));
}

#[test]
fn row_28_the_fields_of_a_module() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &world.compile("user", USER, &[]));
    let ask = |name: &str, which| match world.client().call(&Syscall::QueryModule { name: Some(name.into()), which, buffer: 1 << 16 }) {
        Ok(Reply::Query(answer)) => answer,
        other => panic!("{other:?}"),
    };
    let QueryAnswer::Info(info) = ask("base", Query::Info) else { panic!("no info") };
    assert_eq!((info.state, info.users, info.autoclean), (ModuleState::Running, 0, false));
    assert!(info.size > 0 && info.address % PAGE_SIZE == 0, "{info:?}");
    assert_eq!(ask("user", Query::Deps), QueryAnswer::Names(vec!["base".into()]));
    assert_eq!(ask("base", Query::Refs), QueryAnswer::Names(vec!["user".into()]));
    let QueryAnswer::Symbols(symbols) = ask("base", Query::Symbols) else { panic!("no symbols") };
    assert_eq!(symbols.len(), 1);
    assert!(symbols[0].value >= info.address && symbols[0].value < info.address + info.size, "{symbols:?}");
    let short = world.client().call(&Syscall::QueryModule { name: Some("base".into()), which: Query::Refs, buffer: 1 });
    assert!(matches!(short, Ok(Reply::Query(QueryAnswer::NoSpace { needed: 5 }))), "{short:?}");
}

#[test]
fn row_29_lsmod_lists_modules_and_who_uses_them() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &world.compile("user", USER, &[]));
    let maps = world.read(ProcFile::ModuleMaps);
    let pages = |name: &str| -> u64 {
        let lines =
            maps.lines().filter(|line| line.split(' ').nth(2) == Some(name)).filter_map(|line| line.split(' ').next()?.split_once('-'));
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        lines.map(|(start, end)| (number(end) - number(start)) / PAGE_SIZE).sum()
    };
    let classic = world.run("lsmod", &["--classic"]).ok().stdout;
    let expected = format!("Module:        #pages:  Used by:\nuser{:>16}\t\t0\nbase{:>16}\t[user]\t0\n", pages("user"), pages("base"));
    assert_eq!(classic, expected, "the count is of users: references do not add to it");
    let today = world.run("lsmod", &[]).ok().stdout;
    assert!(today.starts_with("Module                  Size  Used by\n"), "{today}");
    assert!(today.lines().any(|line| line.starts_with("base ") && line.ends_with(" 1 user")), "{today}");
}

#[test]
fn row_30_the_image_that_was_written_is_the_image_that_runs() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let layout = MemoryLayout::from_sizes([100, 10, 8, 0, 0]);
    let (base, memory) = create(&mut client, "image", layout).expect("memory");
    let mut text = returns(0);
    text.extend((6..100_u8).map(|byte| byte ^ 0x5a));
    memory.write_all_at(&text, 0).expect("text");
    memory.write_all_at(b"0123456789", layout.part(Part::Rodata).offset).expect("constants");
    drop(memory);
    assert_eq!(init(&mut client, "image", base, None), Ok(Reply::Done));
    let kernel = std::fs::File::open(format!("/proc/{}/mem", world.kernel_pid())).expect("the kernel's memory");
    let mut seen = vec![0xff_u8; 2 * 4096];
    kernel.read_exact_at(&mut seen, base).expect("the image");
    assert_eq!(&seen[..100], &text[..]);
    assert!(seen[100..4096].iter().all(|byte| *byte == 0), "the rest of the page");
    assert_eq!(&seen[4096..4106], b"0123456789");
    assert!(seen[4106..].iter().all(|byte| *byte == 0), "the rest of the page");
}

#[test]
fn row_30_memory_that_somebody_still_maps_writable_does_not_run() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let (base, memory) = create(&mut client, "held", MemoryLayout::from_sizes([16, 0, 8, 0, 0])).expect("memory");
    memory.write_all_at(&returns(0), 0).expect("code");
    let map = memmap2::MmapOptions::new().map_raw(&memory).expect("a writable mapping");
    assert_eq!(init(&mut client, "held", base, None), Err(Errno::EBUSY));
    drop(map);
    assert_eq!(init(&mut client, "held", base, None), Ok(Reply::Done));
    assert!(memory.write_all_at(&[0xcc], 0).is_err(), "sealed");
}

#[test]
fn row_32_malformed_tables_are_refused() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let sym = |name: &str| KernelSym { value: 1, name: name.into() };
    let tables = [
        SymbolTable { symbols: vec![sym("")], references: vec![] },
        SymbolTable { symbols: vec![sym("a b")], references: vec![] },
        SymbolTable { symbols: vec![sym("#fake")], references: vec![] },
        SymbolTable { symbols: vec![sym(&"x".repeat(4097))], references: vec![] },
        SymbolTable { symbols: vec![sym("line\nfeed")], references: vec![] },
    ];
    for (number, table) in tables.into_iter().enumerate() {
        let name = format!("bad{number}");
        let (base, memory) = create(&mut client, &name, MemoryLayout::from_sizes([16, 0, 8, 0, 0])).expect("memory");
        memory.write_all_at(&returns(0), 0).expect("code");
        drop(memory);
        assert_eq!(init(&mut client, &name, base, Some(table)), Err(Errno::EINVAL), "table {number}");
        client.delete_module(Some(&name)).expect("what is half-made can be removed");
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
}

#[test]
fn row_34_init_runs_once_in_the_call() {
    let world = World::booted(&[]);
    let source = USER
        .replace("extern int base_value(void);", "")
        .replace("base_value()", "++calls")
        .replace("static int start", "static int calls; static int start");
    insmod(&world, &world.compile("user", &source, &[]));
    let log = world.run("khost", &["dmesg"]).ok().stdout;
    assert_eq!(log.matches("user: base says 1").count(), 1, "it had run before insmod came back: {log}");
    assert!(!log.contains("base says 2"), "{log}");
}

#[test]
fn row_35_references_are_recorded_and_bogus_ones_refused() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    let mut client = world.client();
    let good = client.kernel_syms().expect("the symbols").into_iter().find(|sym| sym.name == "#base").expect("a marker").value;
    for (name, references, wanted) in [("bogus", vec![good, good + 1], Err(Errno::EINVAL)), ("right", vec![good], Ok(Reply::Done))] {
        let (base, memory) = create(&mut client, name, MemoryLayout::from_sizes([16, 0, 8, 0, 0])).expect("memory");
        memory.write_all_at(&returns(0), 0).expect("code");
        drop(memory);
        assert_eq!(init(&mut client, name, base, Some(SymbolTable { symbols: vec![], references })), wanted, "{name}");
    }
    let classic = world.read(ProcFile::ModulesClassic);
    assert!(classic.contains("[right]") && !classic.contains("[bogus"), "nothing of the refused table stays: {classic}");
    assert_eq!(client.delete_module(Some("base")).expect_err("referred to").errno(), Some(Errno::EBUSY));
}

#[test]
fn row_36_an_init_that_fails_leaves_nothing() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    let before = (world.read(ProcFile::Modules), ksyms(&world));
    let failing = USER.replace("return 0;", "return base_value() == 42 ? -19 : 0;");
    let refused = world.run("insmod", &[&world.compile("user", &failing, &[]).to_string_lossy()]).fails_with(1);
    assert!(refused.stderr.contains("nitialization of user failed"), "{refused}");
    assert_eq!((world.read(ProcFile::Modules), ksyms(&world)), before);
    let log = world.run("khost", &["dmesg"]).ok().stdout;
    assert!(log.contains("-19") && !log.contains("user: cleanup"), "the log has the module's own value, cleanup was not called: {log}");
}

#[test]
fn row_37_the_stored_cleanup_address_is_the_one_called() {
    let world = World::booted(&[]);
    insmod(&world, &world.compile("base", BASE, &[]));
    insmod(&world, &world.compile("user", USER, &[]));
    let _done = world.run("rmmod", &["user"]).ok();
    let log = world.run("khost", &["dmesg"]).ok().stdout;
    assert!(log.contains("user: cleanup") && !log.contains("base: cleanup"), "{log}");
}

#[test]
fn row_38_running_only_after_init_returned() {
    let world = World::booted(&[]);
    let source = BASE.replace(
        "start(void) { return 0; }",
        "start(void) { msleep(1500); printk(KERN_INFO \"base: sees %d\\n\", get_module_symbol(NULL, \"base_value\") != NULL); return 0; }",
    );
    let object = world.compile("base", &source, &[]);
    let mut insmod = world.command("insmod").arg(&object).spawn().expect("insmod starts");
    eventually("the module is there", || world.loaded() == ["base"]);
    assert!(world.read(ProcFile::ModulesClassic).contains("(uninitialized)"));
    assert!(!ksyms(&world).contains("base_value"));
    assert_eq!(world.client().delete_module(Some("base")).expect_err("init runs").errno(), Some(Errno::EBUSY));
    assert!(insmod.wait().expect("insmod ends").success());
    assert!(ksyms(&world).contains("base_value"));
    assert!(world.run("khost", &["dmesg"]).ok().stdout.contains("base: sees 0"), "not even init itself sees its exports");
}
