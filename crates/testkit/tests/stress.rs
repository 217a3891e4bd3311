//! Many clients, many loads, rude ends: nothing is lost and nothing leaks.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{World, eventually};
use uapi::{Arena, Client, MemoryLayout, ProcFile, Reply, Syscall};

const MODULE: &str = r#"
#include "module.h"
static char big[100000];
int NAME(void); int NAME(void) { return big[0]; }
static int start(void) { big[1] = 1; void *block = kmalloc(1000, GFP_KERNEL); kfree(block); return 0; }
static void stop(void) { }
module_init(start); module_exit(stop);
"#;

/// Lines of the kernel's map, and its resident memory in KiB.
fn footprint(world: &World) -> (usize, u64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", world.kernel_pid())).expect("the kernel runs");
    let resident = read("status").lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
    (read("maps").lines().count(), resident.expect("a size"))
}

/// The addresses at the start of a line of a map.
fn range(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    Some((u64::from_str_radix(start.trim_start_matches("0x"), 16).ok()?, u64::from_str_radix(end.trim_start_matches("0x"), 16).ok()?))
}

fn descriptors(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.kernel_pid())).expect("the kernel runs").count()
}

#[test]
fn a_thousand_loads_and_unloads_leave_the_kernel_as_it_was() {
    let world = World::booted(&[]);
    let object = world.compile("cycle", MODULE, &["-DNAME=cycle"]).to_string_lossy().into_owned();
    let cycle = || {
        let _done = world.run("insmod", &[&object]).ok();
        let _done = world.run("rmmod", &["cycle"]).ok();
    };
    (0..50).for_each(|_| cycle());
    let (maps, resident) = footprint(&world);
    let open = descriptors(&world);
    (0..1000).for_each(|_| cycle());
    let (maps_after, resident_after) = footprint(&world);
    // Threads of the allocator come and go; a thousand leaked mappings would not hide behind them.
    assert!(maps_after <= maps + 16, "maps: {maps} before, {maps_after} after");
    assert!(resident_after <= resident + 2048, "KiB: {resident} before, {resident_after} after");
    assert!(descriptors(&world) <= open + 2, "descriptors: {open} before");
    assert_eq!(world.read(ProcFile::ModuleMaps), "");
}

#[test]
fn a_hundred_clients_at_once_lose_no_entry() {
    let world = World::booted(&[]);
    let object = world.compile("shared", MODULE, &["-DNAME=shared"]).to_string_lossy().into_owned();
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (world, object) = (&world, &object);
            scope.spawn(move || {
                let name = format!("client{number}");
                let _done = world.run("insmod", &["-x", "-o", &name, object]).ok();
                assert!(world.loaded().contains(&name));
                if number % 2 == 0 {
                    let _done = world.run("rmmod", &[&name]).ok();
                }
            });
        }
    });
    let mut left = world.loaded();
    left.sort();
    let mut expected: Vec<String> = (0..100).filter(|number| number % 2 == 1).map(|number| format!("client{number}")).collect();
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn one_name_asked_for_by_many_is_loaded_once() {
    let world = World::booted(&[]);
    let object = world.compile("once", MODULE, &["-DNAME=once"]).to_string_lossy().into_owned();
    let wins = std::thread::scope(|scope| {
        let all: Vec<_> = (0..30).map(|_| scope.spawn(|| world.run("insmod", &[&object]).code)).collect();
        all.into_iter().map(|one| one.join().expect("a run")).filter(|code| *code == Some(0)).count()
    });
    assert_eq!(wins, 1);
    assert_eq!(world.loaded(), ["once"]);
}

#[test]
fn an_insmod_killed_between_its_calls_leaves_nothing_behind() {
    let world = World::booted(&[]);
    let mut client = world.client();
    let call = Syscall::CreateModule { name: "half".into(), layout: MemoryLayout::from_sizes([4096, 0, 64, 0, 0]), arena: Arena::Near };
    let created = client.call_with_descriptor(&call).expect("memory");
    assert!(matches!(created, (Reply::Created { .. }, Some(_))));
    assert_eq!(world.loaded(), ["half"]);
    drop(client);
    eventually("the half-made module is gone", || world.loaded().is_empty());
    assert_eq!(world.read(ProcFile::ModuleMaps), "");
}

#[test]
fn insmods_killed_at_any_moment_leave_a_kernel_that_serves() {
    let world = World::booted(&[]);
    let object = world.compile("victim", MODULE, &["-DNAME=victim"]);
    let mut killed = 0;
    for round in 0..200_u64 {
        let mut insmod = world.command("insmod").arg(&object).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("insmod starts");
        std::thread::sleep(Duration::from_micros(round * 40));
        insmod.kill().expect("a child can be killed");
        killed += usize::from(insmod.wait().expect("an end").signal().is_some());
        // Either the module came in whole, or it is gone, or it can be removed.
        eventually("the entry is whole or gone", || !world.read(ProcFile::ModulesClassic).contains("(uninitialized)"));
        if !world.loaded().is_empty() {
            let _done = world.run("rmmod", &["victim"]).ok();
        }
    }
    assert!(killed > 20, "only {killed} were killed in time");
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
}

#[test]
fn garbage_on_the_socket_harms_nobody() {
    use std::io::{Read, Write};
    let world = World::booted(&[]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300_usize {
        let mut socket = std::os::unix::net::UnixStream::connect(world.socket()).expect("the kernel listens");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut bytes: Vec<u8> = (0..round % 97)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        if round % 2 == 0 {
            let length = u32::try_from(bytes.len()).expect("short").to_le_bytes();
            bytes.splice(0..0, length);
        }
        let _sent = socket.write_all(&bytes);
        let _closed = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _end = socket.read_to_end(&mut answer);
    }
    assert_eq!(world.loaded(), Vec::<String>::new());
    assert!(footprint(&world).1 < 200 << 10, "memory stays bounded");
}

#[test]
fn after_rmmod_no_page_of_the_module_is_mapped() {
    let world = World::booted(&[]);
    let object = world.compile("mapped", MODULE, &["-DNAME=mapped"]);
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
    let maps = world.read(ProcFile::ModuleMaps);
    assert!(maps.contains("mapped") && !maps.contains("rwx"), "{maps}");
    let whole = std::fs::read_to_string(format!("/proc/{}/maps", world.kernel_pid())).expect("the kernel runs");
    assert!(!whole.lines().any(|line| line.contains("rwx")), "{whole}");
    let pages: Vec<(u64, u64)> = maps.lines().filter_map(range).collect();
    assert!(pages.len() >= 2, "{maps}");
    let _done = world.run("rmmod", &["mapped"]).ok();
    let after = std::fs::read_to_string(format!("/proc/{}/maps", world.kernel_pid())).expect("the kernel runs");
    let accessible = after.lines().filter(|line| !line.contains(" ---p ")).filter_map(range);
    let left: Vec<_> = accessible.filter(|(start, end)| pages.iter().any(|page| page.0 < *end && *start < page.1)).collect();
    assert!(left.is_empty(), "{left:x?}: {after}");
    assert!(Client::connect(&world.socket()).is_ok());
}

#[test]
fn gdb_sees_functions_and_lines_of_a_loaded_module() {
    let world = World::booted(&["--gdb"]);
    let source = MODULE.replace("static int start(void) {", "static int start(void) { msleep(6000);");
    let object = world.compile("seen", &source, &["-DNAME=seen", "-g", "-O0"]);
    let mut insmod = world.command("insmod").arg(&object).spawn().expect("insmod starts");
    eventually("init runs", || world.loaded() == ["seen"]);
    std::thread::sleep(Duration::from_millis(500));
    let gdb = Command::new("gdb")
        .args(["-batch", "-nx", "-iex", "set debuginfod enabled off", "-p", &world.kernel_pid().to_string(), "-ex", "thread apply all bt"])
        .stdin(Stdio::null())
        .output()
        .expect("gdb (package gdb) runs");
    let text = String::from_utf8_lossy(&gdb.stdout).into_owned();
    assert!(insmod.wait().expect("insmod ends").success());
    assert!(
        text.lines().any(|line| line.contains("start") && line.contains("seen.c:")),
        "{text}\n{}",
        String::from_utf8_lossy(&gdb.stderr)
    );
}

#[test]
fn perf_gets_a_map_of_names_where_it_is_asked_for() {
    let world = World::booted(&["--perf-map"]);
    let source = MODULE
        .replace("static int start", "static int __attribute__((noinline)) only_this_file_knows(void) { return big[7]; } static int start");
    let object = world.compile("mapped", &source.replace("big[1] = 1;", "big[1] = only_this_file_knows();"), &["-DNAME=perf_sees_me"]);
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
    let map = format!("/tmp/perf-{}.map", world.kernel_pid());
    let text = std::fs::read_to_string(&map).expect("the map");
    std::fs::remove_file(map).expect("the map is the kernel's");
    assert!(text.lines().any(|line| line.ends_with(" perf_sees_me [mapped]")), "{text}");
    assert!(text.lines().any(|line| line.ends_with(" only_this_file_knows [mapped]")), "{text}");
    assert!(text.lines().all(|line| line.split(' ').take(2).all(|field| u64::from_str_radix(field, 16).is_ok())), "{text}");
}
