//! The book's features, part three: loading on demand, the daemon and its channel, and the idle timer.
//! `row_NN` is the row of docs/classic.md.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use testkit::{World, eventually};
use uapi::kerneld::{FIRST_ID, MAX_DAEMONS, Message, Request, ToKernel};
use uapi::{Client, Errno, ProcFile, Reply, Syscall, wire};

/// The base of a stack, which counts its users like its referrer does.
const TOYBASE: &str = r#"
#include "module.h"
void toy_get(void); void toy_put(void);
void toy_get(void) { MOD_INC_USE_COUNT; }
void toy_put(void) { MOD_DEC_USE_COUNT; }
EXPORT_SYMBOL(toy_get); EXPORT_SYMBOL(toy_put);
static int start(void) { return 0; }
static void stop(void) { }
module_init(start); module_exit(stop);
"#;

/// A file system that mounts anything.
const TOYFS: &str = r#"
#include "module.h"
extern void toy_get(void); extern void toy_put(void);
static void put_super(struct super_block *sb) { (void)sb; toy_put(); MOD_DEC_USE_COUNT; }
static const struct super_operations operations = { .put_super = put_super };
static int read_super(struct super_block *sb, const char *options, int silent)
{
	(void)options; (void)silent;
	MOD_INC_USE_COUNT; toy_get();
	sb->s_op = &operations; sb->s_root.i_mode = S_IFDIR | 0755; sb->s_root.i_ino = 1;
	return 0;
}
static struct file_system_type type = { .name = "toyfs", .fs_flags = FS_REQUIRES_DEV, .read_super = read_super };
static int start(void) { return register_filesystem(&type); }
static void stop(void) { unregister_filesystem(&type); }
module_init(start); module_exit(stop);
"#;

/// A world with the toy file system in its tree, a device to mount, and a kernel; no daemon yet.
fn world(kernel: &[&str]) -> World {
    let mut world = World::new();
    for (name, source) in [("toybase", TOYBASE), ("toyfs", TOYFS)] {
        world.install(&world.compile(name, source, &[]), "fs");
    }
    let root = world.path("").to_string_lossy().into_owned();
    let _done = world.run("depmod", &["-b", &root, testkit::RELEASE]).ok();
    std::fs::write(world.path("disk"), vec![0_u8; 1 << 16]).expect("a device");
    world.boot(kernel);
    world
}

fn mount(world: &World, kind: &str, point: &str) -> testkit::Outcome {
    world.run("khost", &["mount", "-t", kind, &world.path("disk").to_string_lossy(), point])
}

fn rmmod_refused(world: &World, name: &str) {
    let refused = world.run("rmmod", &[name]).fails_with(1);
    assert!(refused.stderr.contains("in use") || refused.stderr.contains("Device or resource busy"), "{refused}");
}

#[test]
fn row_03_what_is_used_cannot_be_removed() {
    let mut world = world(&[]);
    world.kerneld(&["keep"]);
    let _done = mount(&world, "toyfs", "/mnt").ok();
    assert_eq!(world.loaded(), ["toyfs", "toybase"]);
    rmmod_refused(&world, "toyfs");
    rmmod_refused(&world, "toybase");
    let _done = world.run("khost", &["umount", "/mnt"]).ok();
    rmmod_refused(&world, "toybase");
    let _done = world.run("rmmod", &["toyfs", "toybase"]).ok();
}

#[test]
fn row_08_a_mount_loads_the_file_system_by_an_alias() {
    let mut world = world(&[]);
    std::fs::write(world.path("etc/modprobe.d/toy.conf"), "alias iso9660 toyfs\n").expect("a file");
    let start = Instant::now();
    let refused = mount(&world, "toyfs", "/mnt").fails_with(1);
    assert!(refused.stderr.contains("No such device"), "{refused}");
    assert!(start.elapsed() < Duration::from_secs(1), "without a daemon the answer comes at once");
    world.kerneld(&["keep"]);
    let refused = mount(&world, "iso9660", "/mnt").fails_with(1);
    assert!(refused.stderr.contains("No such device"), "the alias brings a module that registers another name: {refused}");
    assert_eq!(world.loaded(), ["toyfs", "toybase"]);
    assert!(world.read(ProcFile::Modules).lines().all(|line| line.contains("(autoclean)")));
    let _done = mount(&world, "toyfs", "/mnt").ok();
}

#[test]
fn row_09_the_daemon_is_a_process_with_privileges() {
    let mut world = world(&[]);
    let pid = world.kerneld(&["keep"]);
    assert_ne!(pid, world.kernel_pid());
    if std::fs::metadata("/proc/self").map(|process| std::os::unix::fs::MetadataExt::uid(&process)).ok() != Some(0) {
        println!("skipped in part: only root can start a program as another user");
        return;
    }
    std::fs::set_permissions(world.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("an open folder");

    let modprobe = std::fs::canonicalize(world.path("bin/modprobe")).expect("a program");
    let copy = world.path("bin/nobodys");
    std::fs::copy(modprobe, &copy).expect("a copy that another user may read");
    let rmmod = world.command("nobodys").args(["rmmod", "toyfs"]).uid(65534).gid(65534).output().expect("it runs");
    assert!(!rmmod.status.success() && !String::from_utf8_lossy(&rmmod.stderr).contains("panicked"), "{rmmod:?}");
    let lsmod = world.command("nobodys").arg("lsmod").uid(65534).gid(65534).output().expect("it runs");
    assert!(lsmod.status.success(), "anyone may read: {lsmod:?}");
}

/// Attaches as a daemon.
fn attach(world: &World) -> Result<OwnedFd, Errno> {
    match world.client().call_with_descriptor(&Syscall::KerneldOpen) {
        Ok((Reply::Channel, Some(channel))) => Ok(channel),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.errno().expect("an error number")),
    }
}

#[test]
fn row_10_twenty_daemons_and_not_one_more() {
    let world = world(&[]);
    let mut channels: Vec<OwnedFd> = (0..MAX_DAEMONS).map(|_| attach(&world).expect("a channel")).collect();
    assert_eq!(attach(&world).map(|_| ()), Err(Errno::ENOSPC));
    channels.pop();
    eventually("a place is free again", || attach(&world).is_ok());
    drop(channels);
    eventually("no daemon is left", || send(&world, Request::System, "x", true).0 == -Errno::ENODEV.number());
}

fn send(world: &World, request: Request, text: &str, wait: bool) -> (i32, String) {
    match Client::connect(&world.socket()).expect("the kernel").call(&Syscall::KerneldSend {
        mtype: request.code(),
        text: text.into(),
        wait,
    }) {
        Ok(Reply::Kerneld { status, text }) => (status, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_11_every_request_has_an_id_and_gets_its_reply() {
    let world = world(&[]);
    let channel = attach(&world).expect("a channel");
    let types = [
        Request::System,
        Request::RequestModule,
        Request::ReleaseModule,
        Request::DelayedReleaseModule,
        Request::CancelReleaseModule,
        Request::RequestRoute,
        Request::Blanker,
    ];
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| types.map(|request| send(&world, request, request.name(), true)));
        for (number, request) in types.iter().enumerate() {
            wire::send_packet(&channel, &ToKernel::Receive { msgtyp: -255 }).expect("a packet");
            let message: Message = wire::receive_packet(&channel).expect("a message");
            assert_eq!((message.mtype, message.text.as_str()), (request.code(), request.name()));
            assert_eq!(message.id, i64::from(FIRST_ID) + i64::try_from(number).expect("small"));
            let reply = Message {
                mtype: u32::try_from(message.id).expect("an id"),
                id: 40 + i64::from(request.code()),
                pid: 0,
                text: "out".into(),
            };
            wire::send_packet(&channel, &ToKernel::Send(reply)).expect("a packet");
        }
        let replies = asker.join().expect("all were answered");
        for (reply, request) in replies.iter().zip(types) {
            assert_eq!(*reply, (40 + i32::try_from(request.code()).expect("small"), "out".to_owned()));
        }
    });
    assert_eq!(send(&world, Request::System, "no reply is wanted", false).0, 0);
    wire::send_packet(&channel, &ToKernel::Receive { msgtyp: 1 }).expect("a packet");
    assert_eq!(wire::receive_packet::<Message>(&channel).expect("a message").id, 0);
}

#[test]
fn row_11_a_message_that_nobody_reads_is_given_up_after_a_second() {
    let world = world(&[]);
    let channel = attach(&world).expect("a channel");
    let start = Instant::now();
    assert_eq!(send(&world, Request::System, "x", true).0, -Errno::ENODEV.number());
    assert!((900..5000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(world.run("khost", &["dmesg"]).ok().stdout.contains("Ouch, no kerneld for message"));
    drop(channel);
}

#[test]
fn row_11_a_daemon_that_dies_with_a_message_in_hand_is_noticed_at_once() {
    let world = world(&[]);
    let channel = attach(&world).expect("a channel");
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| send(&world, Request::System, "x", true));
        wire::send_packet(&channel, &ToKernel::Receive { msgtyp: 0 }).expect("a packet");
        let _message: Message = wire::receive_packet(&channel).expect("a message");
        drop(channel);
        let start = Instant::now();
        assert_eq!(asker.join().expect("an answer").0, -Errno::ENODEV.number());
        assert!(start.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn row_12_a_route_is_asked_for_once_and_the_next_lookup_has_it() {
    let mut world = world(&[]);
    let calls = world.path("calls");
    let program = world.script("request-route", &format!("echo \"$@\" >> {}; sleep 1; khost route add \"$1\" ppp0", calls.display()));
    world.kerneld(&["keep", "--request-route", &program]);
    std::thread::scope(|scope| {
        let lookups: Vec<_> = (0..4).map(|_| scope.spawn(|| world.run("khost", &["route", "lookup", "10.1.2.3"]))).collect();
        for lookup in lookups {
            let refused = lookup.join().expect("a lookup").fails_with(1);
            assert!(refused.stderr.contains("Network is unreachable"), "the current lookup still fails: {refused}");
        }
    });
    assert_eq!(std::fs::read_to_string(&calls).expect("calls"), "10.1.2.3\n");
    let found = world.run("khost", &["route", "lookup", "10.1.2.3"]).ok();
    assert!(found.stdout.contains("ppp0"), "{found}");
}

#[test]
fn row_13_the_exit_status_of_the_program_comes_back() {
    let mut world = world(&[]);
    let program = world.script("stub", "exit 7");
    world.kerneld(&["keep", "--modprobe", &program]);
    assert_eq!(send(&world, Request::RequestModule, "anything", true).0, 7);
    let shown = world.run("khost", &["request", "anything"]);
    assert!(shown.stdout.contains('7') || shown.stderr.contains('7'), "{shown}");
}

/// Loads the stack by a mount and takes the mount away.
fn use_once(world: &World) {
    let _done = mount(world, "toyfs", "/mnt").ok();
    let _done = world.run("khost", &["umount", "/mnt"]).ok();
}

#[test]
fn row_40_idle_modules_go_pass_by_pass() {
    let mut world = world(&[]);
    world.kerneld(&["keep"]);
    use_once(&world);
    let tick = || world.client().delete_module(None).expect("a pass");
    assert_eq!(world.loaded(), ["toyfs", "toybase"]);
    tick();
    assert_eq!(world.loaded(), ["toyfs", "toybase"], "the first pass only clears the marks of use");
    tick();
    assert_eq!(world.loaded(), ["toybase"], "the second removes the top");
    tick();
    assert_eq!(world.loaded(), Vec::<String>::new(), "the third its base");
}

#[test]
fn row_40_used_and_hand_loaded_modules_stay() {
    let mut world = world(&[]);
    world.kerneld(&["keep"]);
    let _done = mount(&world, "toyfs", "/mnt").ok();
    let manual = world.compile("manual", &TOYBASE.replace("toy_", "manual_"), &[]);
    let _done = world.run("insmod", &[&manual.to_string_lossy()]).ok();
    for _ in 0..5 {
        world.client().delete_module(None).expect("a pass");
    }
    assert_eq!(world.loaded(), ["manual", "toyfs", "toybase"]);
}

#[test]
fn row_41_the_timer_ticks_and_a_request_postpones_it() {
    let mut world = world(&[]);
    world.kerneld(&["delay=2"]);
    use_once(&world);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let _status = send(&world, Request::RequestModule, "nosuch", true);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(world.loaded(), ["toyfs", "toybase"], "each request starts the delay anew");
    eventually("all idle modules are gone", || world.loaded().is_empty());
}

#[test]
fn row_41_keep_means_no_timer() {
    let mut world = world(&[]);
    world.kerneld(&["keep", "delay=1"]);
    use_once(&world);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(world.loaded(), ["toyfs", "toybase"]);
}

#[test]
fn row_42_the_delay_is_set_at_the_start() {
    let mut world = world(&[]);
    world.kerneld(&["delay=3"]);
    use_once(&world);
    let start = Instant::now();
    eventually("the top is gone", || world.loaded() == ["toybase"]);
    let top = start.elapsed();
    eventually("the base is gone", || world.loaded().is_empty());
    let base = start.elapsed();
    assert!((2500..7000).contains(&top.as_millis()), "{top:?}");
    assert!((2000..4500).contains(&(base - top).as_millis()), "one tick later: {:?}", base - top);
}

#[test]
fn row_42_the_delay_can_be_changed_and_asked_for() {
    let mut world = world(&[]);
    world.kerneld(&[]);
    let shown = world.run("kdstat", &[]).ok().stdout;
    assert!(shown.contains("delay=60") && shown.contains("nokeep") && shown.contains("no jobs waiting"), "{shown}");
    let shown = world.run("kdstat", &["delay=180"]).ok().stdout + &world.run("kdstat", &[]).ok().stdout;
    assert!(shown.contains("delay=180"), "{shown}");
}
