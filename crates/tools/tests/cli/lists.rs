//! lsmod, ksyms and kdstat.

use crate::world::{HELLO, Outcome, World, bare};

fn stack() -> World {
    let world = World::new();
    world.compile("fat", &format!("int fat_read(void) {{ return 1; }}\nEXPORT(fat_read);\n{HELLO}"));
    let user = "extern int fat_read(void);\nint init_module(void) { return fat_read() - 1; }\nvoid cleanup_module(void) {}\n";
    for name in ["vfat", "msdos"] {
        world.compile(name, user);
    }
    world.run("insmod fat.o").ok();
    world.run("insmod -k vfat.o").ok();
    world.run("insmod msdos.o").ok();
    world
}

fn size(world: &World, name: &str) -> u64 {
    match world.kernel.query(Some(name), uapi::Query::Info).expect("an answer") {
        uapi::QueryAnswer::Info(info) => info.size,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lsmod_prints_the_table_of_today() {
    let world = stack();
    let table = world.run("lsmod").ok();
    let row = |name: &str, rest: &str| format!("{name:<19} {:>8}  {rest}\n", size(&world, name));
    let rows = [row("msdos", "0"), row("vfat", "0"), row("fat", "2 msdos,vfat")].concat();
    assert_eq!(table, format!("Module                  Size  Used by\n{rows}"));
}

#[test]
fn lsmod_prints_the_table_of_linux_2_0_byte_for_byte() {
    let world = stack();
    let table = world.run("lsmod --classic").ok();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("Module:        #pages:  Used by:"));
    for (name, rest) in [("msdos", "\t\t0"), ("vfat", "\t\t0 (autoclean)"), ("fat", "\t[msdos vfat]\t0")] {
        let line = lines.next().unwrap();
        let pages: u64 = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(pages >= size(&world, name).div_ceil(4096) && pages < 10, "{line}");
        assert_eq!(line, format!("{name}{pages:>width$}{rest}", width = 20 - name.len()));
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn lsmod_prints_trees_and_json() {
    let world = stack();
    assert_eq!(world.run("lsmod --tree").ok(), "fat\n├─ msdos\n└─ vfat\n");
    let json: serde_json::Value = serde_json::from_str(&world.run("lsmod --json").ok()).unwrap();
    assert_eq!(json[2]["name"], "fat");
    assert_eq!(json[2]["holders"], serde_json::json!(["msdos", "vfat"]));
    assert_eq!(json[2]["refcnt"], 2);
    assert_eq!(json[1]["size"], size(&world, "vfat"));
    assert!(json[1]["flags"].as_str().unwrap().contains("autoclean"), "{json}");
    world.run("lsmod --tree --json").fails();
}

#[test]
fn lsmod_and_ksyms_read_linux_without_a_hosted_kernel() {
    let table = Outcome::of(&mut bare("lsmod"));
    let list = std::fs::read_to_string("/proc/modules");
    match list {
        Ok(list) => assert_eq!(table.ok().lines().count(), list.lines().count() + 1),
        Err(_) => assert!(table.fails().contains("without loadable modules")),
    }
    if std::fs::read("/proc/kallsyms").is_ok() {
        assert!(Outcome::of(bare("ksyms").arg("-a")).ok().starts_with("Address "));
    }
}

#[test]
fn ksyms_shows_modules_everything_sizes_or_json() {
    let world = stack();
    let modules = world.run("ksyms -h").ok();
    assert_eq!(modules.lines().count(), 1, "{modules}");
    assert!(modules.ends_with(" fat_read\t[fat]\n") && modules.find(' ') == Some(16), "{modules}");
    let all = world.run("ksyms -a").ok();
    assert!(all.starts_with("Address          Symbol    \tDefined by\n"), "{all}");
    assert!(all.lines().any(|line| line.ends_with(" note")) && all.contains("\t[fat]\n"), "{all}");
    let sized = world.run("ksyms -m -h").ok();
    let classic = world.run("lsmod --classic").ok();
    let row = classic.lines().find(|line| line.starts_with("fat ")).unwrap();
    let kilobytes = row.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4;
    assert!(sized.contains(&format!(" --- ({kilobytes}k) ---\t[fat]\n")), "{sized}");
    let json: serde_json::Value = serde_json::from_str(&world.run("ksyms -a --json").ok()).unwrap();
    let groups: Vec<_> = json.as_array().unwrap().iter().map(|group| group["module"].clone()).collect();
    assert_eq!(groups, [serde_json::json!("msdos"), "vfat".into(), "fat".into(), serde_json::Value::Null]);
    assert_eq!(json[2]["symbols"][0]["name"], "fat_read");
    assert_eq!(json[2]["size"], size(&world, "fat"));
}

#[test]
fn kdstat_speaks_with_the_daemon_through_the_kernel() {
    let world = World::new();
    let nobody = world.run("kdstat").fails();
    assert!(nobody.contains("no kerneld is running"), "{nobody}");
    assert!(Outcome::of(&mut bare("kdstat")).fails().contains("--kernel"));
    world.run("kdstat nonsense").fails();
    let mut client = uapi::Client::connect(&world.socket()).unwrap();
    let (_, channel) = client.call_with_descriptor(&uapi::Syscall::KerneldOpen).unwrap();
    let channel = channel.expect("a channel");
    let daemon = std::thread::spawn(move || {
        use uapi::kerneld::{Message, ToKernel};
        let mut texts = Vec::new();
        for status in [0, 0, 3] {
            uapi::wire::send_packet(&channel, &ToKernel::Receive { msgtyp: 255 }).unwrap();
            let asked: Message = uapi::wire::receive_packet(&channel).unwrap();
            assert_eq!(asked.mtype, 255);
            let reply = Message { mtype: u32::try_from(asked.id).unwrap(), id: status, pid: 0, text: format!("told `{}`", asked.text) };
            uapi::wire::send_packet(&channel, &ToKernel::Send(reply)).unwrap();
            texts.push(asked.text);
        }
        texts
    });
    assert_eq!(world.run("kdstat").ok(), "told ``\n");
    assert_eq!(world.run("kdstat delay=180").ok(), "told `delay=180`\n");
    let refused = world.run("kdstat flush");
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), "told `flush`\n"));
    assert_eq!(daemon.join().unwrap(), ["", "delay=180", "flush"]);
}
