//! `/proc` texts, byte for byte.

use uapi::{ProcFile, Reply, Syscall};

use crate::image::{Sample, returning, sample};
use crate::world::World;

fn stack() -> World {
    let world = World::new();
    let fat = Sample { autoclean: true, more: vec![returning(0)], exports: vec!["fat_read".into()], ..sample("fat") };
    let fat = world.load(&fat).unwrap();
    for name in ["vfat", "msdos"] {
        let user = Sample { references: vec![world.identity("fat")], ..sample(name) };
        let user = world.load(&user).unwrap();
        for module in [fat, user] {
            world.kernel.call(module.inc(), [0; 6]).unwrap();
        }
    }
    world.create(&sample("a_module_with_a_name_of_its_own")).unwrap();
    world
}

#[test]
fn row_29_the_classic_text_is_that_of_linux_2_0() {
    let expected = "\
a_module_with_a_name_of_its_own 4  (uninitialized)\t
msdos              4\t\t1
vfat               4\t\t1
fat                4\t[msdos vfat]\t2 (autoclean)
";
    assert_eq!(stack().classic(), expected);
}

#[test]
fn todays_text_counts_users_and_referrers() {
    let world = stack();
    let text = world.kernel.proc(ProcFile::Modules);
    let columns = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = text.lines().map(columns).collect();
    let without_address: Vec<String> = rows.iter().map(|row| [&row[..5], &row[6..]].concat().join(" ")).collect();
    let expected = [
        "a_module_with_a_name_of_its_own 9064 0 - Loading",
        "msdos 9064 1 - Live",
        "vfat 9064 1 - Live",
        "fat 9064 4 msdos,vfat, Live (autoclean)",
    ];
    assert_eq!(without_address, expected);
    for row in &rows {
        let address = u64::from_str_radix(row[5].strip_prefix("0x").unwrap(), 16).unwrap();
        assert_eq!(row[5].len(), 18);
        assert_eq!(world.kernel.module_at(address).unwrap().as_str(), row[0]);
    }
}

#[test]
fn row_22_ksyms_have_16_digits_and_names() {
    let world = stack();
    let address = world.kernel.get_module_symbol(Some("fat"), "fat_read").unwrap();
    let expected = format!("{address:016x} fat_read\t[fat]\n0000000000001000 printk\n");
    assert_eq!(world.call(Syscall::ReadProc(ProcFile::Ksyms)), Ok(Reply::Text(expected)));
}

#[test]
fn the_classic_text_stops_before_its_page_is_full() {
    let world = World::with(|builder| builder.limits(kernel::Limits { half_made: 500, ..kernel::Limits::default() }));
    for number in 0..200 {
        world.create(&sample(&format!("module{number:03}"))).unwrap();
    }
    let text = world.classic();
    assert!((3997..=4096).contains(&text.len()), "{}", text.len());
    assert!(text.ends_with('\n'));
    assert!(text.starts_with("module199 "), "the newest come first");
    assert_eq!(world.kernel.proc(ProcFile::Modules).lines().count(), 200, "today's text has all");
}

#[test]
fn kmsg_is_what_the_embedder_says() {
    let world = World::with(|builder| builder.kmsg(|| "<6>hello\n".to_owned()));
    assert_eq!(world.kernel.proc(ProcFile::Kmsg), "<6>hello\n");
    assert_eq!(World::new().kernel.proc(ProcFile::Kmsg), "");
}

#[test]
fn an_embedder_can_find_modules_by_address() {
    let world = World::new();
    let fat = world.load(&sample("fat")).unwrap();
    let name = |found: Option<uapi::ModuleName>| found.map(|name| name.to_string());
    assert_eq!(name(world.kernel.module_at(fat.base + 10)), Some("fat".into()));
    assert_eq!(name(world.kernel.module_at(fat.base - 1)), None);
    assert_eq!(name(world.kernel.module_of_use_count(fat.use_count)), Some("fat".into()));
    assert_eq!(name(world.kernel.module_of_use_count(fat.use_count + 8)), None);
    assert_eq!(world.kernel.use_count_of("fat"), Some(fat.use_count));
}
