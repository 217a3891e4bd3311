//! Requesters are found in a tracefs and a `/proc` that are folders.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use demand::who::{Finder, TracingFault};
use demand::{Attribution, Kind, Origin, Paths, RequestName, Requester};

const FIRST_USER: u64 = 4_026_531_837;
const FIRST_PID: u64 = 4_026_531_836;

/// A system that is a folder.
struct World {
    root: tempfile::TempDir,
}

/// A thread in it.
struct Thread<'a> {
    tid: u32,
    process: u32,
    parent: u32,
    uid: u32,
    start: u64,
    flags: u64,
    comm: &'a str,
    wchan: &'a str,
    stack: &'a str,
    cgroup: &'a str,
    user_namespace: u64,
}

/// A process of a user that waits for a module; it began 10 s after the machine.
const WAITING: Thread<'static> = Thread {
    tid: 88,
    process: 88,
    parent: 1,
    uid: 1000,
    start: 1000,
    flags: 0,
    comm: "trig",
    wchan: "call_usermodehelper_exec",
    stack: "[<0>] call_usermodehelper_exec+0x1\n[<0>] __request_module+0x2\n",
    cgroup: "/user.slice/user-1000.slice/session-3.scope",
    user_namespace: FIRST_USER,
};

impl World {
    fn new() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(world.path("/proc/sys/kernel")).unwrap();
        fs::write(world.path("/proc/sys/kernel/modprobe"), "/usr/sbin/kerneld-request\n").unwrap();
        // init and a worker of the kernel, which starts helpers.
        world.thread(&Thread { tid: 1, process: 1, uid: 0, wchan: "do_epoll_wait", comm: "init", ..WAITING });
        world.thread(&Thread { tid: 2, process: 2, parent: 0, uid: 0, flags: 0x0020_8040, comm: "kthreadd", wchan: "kthreadd", ..WAITING });
        world
    }

    fn traced() -> Self {
        let world = Self::new();
        let instance = world.path("/sys/kernel/tracing/instances/kerneld");
        fs::create_dir_all(instance.join("events/module/module_request")).unwrap();
        fs::write(instance.join("trace_clock"), "local [boot] mono\n").unwrap();
        fs::write(instance.join("trace_pipe"), "").unwrap();
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn paths(&self) -> Paths {
        Paths::under(self.root.path())
    }

    fn thread(&self, thread: &Thread<'_>) {
        fill(&self.path(&format!("/proc/{}", thread.tid)), thread);
        let Thread { tid, process, parent, start, flags, comm, .. } = thread;
        // A thread is found below every thread of its process. The `stat` beside them, for which the kernel adds up the times of all threads,
        // is not to be read.
        for above in [process, tid] {
            let stat = format!("{tid} ({comm}) D {parent} 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 {start} 1 1\n");
            let task = self.path(&format!("/proc/{above}/task/{tid}"));
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("stat"), stat).unwrap();
        }
    }

    /// The thread is at work.
    fn runs(&self, tid: u32) {
        fs::write(self.path(&format!("/proc/{tid}/wchan")), "0").unwrap();
        let stat = format!("{tid} (x) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 1 1\n");
        fs::write(self.path(&format!("/proc/{tid}/task/{tid}/stat")), stat).unwrap();
    }

    fn gone(&self, tid: u32) {
        fs::remove_dir_all(self.path(&format!("/proc/{tid}"))).unwrap();
    }

    /// The thread asks for a module, so many milliseconds after the machine began.
    fn asks(&self, tid: u32, milliseconds: u64, name: &str) {
        self.asks_and(1, tid, milliseconds, name);
    }

    /// The same of one who waits (1), or does not (0).
    fn asks_and(&self, waits: u8, tid: u32, milliseconds: u64, name: &str) {
        let line = format!(
            "{:>16}-{tid:<7} [000] .....   {}.{:03}000: module_request: {name} wait={waits} call_site=__sock_create\n",
            "trig",
            milliseconds / 1000,
            milliseconds % 1000
        );
        let pipe = self.path("/sys/kernel/tracing/instances/kerneld/trace_pipe");
        fs::OpenOptions::new().append(true).open(pipe).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

fn fill(folder: &Path, thread: &Thread<'_>) {
    fs::create_dir_all(folder.join("ns")).unwrap();
    let Thread { tid, process, uid, comm, .. } = thread;
    let status = format!("Name:\t{comm}\nTgid:\t{process}\nPid:\t{tid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
    for (name, text) in [
        ("status", status.as_str()),
        ("comm", &format!("{comm}\n")),
        ("wchan", thread.wchan),
        ("stack", thread.stack),
        ("loginuid", "4294967295"),
        ("cgroup", &format!("0::{}\n", thread.cgroup)),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    for (name, target) in [
        ("ns/user", format!("user:[{}]", thread.user_namespace)),
        ("ns/pid", format!("pid:[{FIRST_PID}]")),
        ("exe", "/usr/bin/trig".to_owned()),
    ] {
        let link = folder.join(name);
        let _ = fs::remove_file(&link);
        symlink(target, link).unwrap();
    }
}

fn name(text: &str) -> RequestName {
    RequestName::new(text.as_bytes(), Origin::Helper).unwrap()
}

fn pids(found: &[Requester]) -> Vec<Option<u32>> {
    found.iter().map(|requester| requester.pid).collect()
}

/// Waits until a finder that was opened before hears of every request: then those who wait are not asked any more.
fn started() {
    std::thread::sleep(std::time::Duration::from_millis(3_100));
}

#[test]
fn the_waiting_task_of_the_event_is_described_in_full() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    assert_eq!(finder.tracing(), Ok(()));
    world.thread(&WAITING);
    world.asks(88, 10_500, "net-pf-3");
    let found = finder.requesters(&name("net-pf-3"));
    let wanted = Requester {
        pid: Some(88),
        uid: Some(1000),
        comm: Some("trig".to_owned()),
        exe: Some("/usr/bin/trig".to_owned()),
        cgroup: Some("/user.slice/user-1000.slice/session-3.scope".to_owned()),
        unit: Some("session-3.scope".to_owned()),
        call_site: Some("__sock_create".to_owned()),
        ..Requester::bare(Kind::User, Attribution::Trace)
    };
    assert_eq!(found, [wanted]);
    started();
    assert_eq!(finder.requesters(&name("net-pf-4")), [], "nobody asked for that");
}

#[test]
fn a_thread_is_shown_as_its_process() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&Thread { tid: 90, ..WAITING });
    world.asks(90, 10_500, "net-pf-3");
    assert_eq!(pids(&finder.requesters(&name("net-pf-3"))), [Some(88)]);
}

#[test]
fn all_who_wait_for_the_name_are_candidates_and_nobody_else() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    for (tid, uid, wanted) in [(88, 1000, "net-pf-3"), (89, 0, "net-pf-3"), (90, 0, "net-pf-4"), (91, 0, "net-pf-3")] {
        world.thread(&Thread { tid, process: tid, uid, ..WAITING });
        world.asks(tid, 10_500, wanted);
    }
    // 91 has gone on: its request is over.
    world.runs(91);
    // 90 asked for the name once, but waits for another now.
    world.asks(90, 10_400, "net-pf-3");
    world.asks(90, 10_600, "net-pf-4");
    let mut found = pids(&finder.requesters(&name("net-pf-3")));
    found.sort();
    assert_eq!(found, [Some(88), Some(89)]);
}

#[test]
fn a_task_that_is_gone_leaves_nobody_known() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.asks(88, 10_500, "net-pf-3");
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].pid, found[0].uid), (Kind::Unknown, Some(88), None));
}

#[test]
fn a_number_that_was_given_to_another_task_is_not_taken_for_the_first() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.asks(88, 10_500, "net-pf-3");
    // The administrator's process has the number now, and waits for a helper too.
    world.thread(&Thread { uid: 0, start: 1200, ..WAITING });
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(found.iter().map(|r| r.kind).collect::<Vec<_>>(), [Kind::Unknown]);
}

#[test]
fn a_task_that_is_not_asleep_yet_is_waited_for() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    world.runs(88);
    world.asks(88, 10_500, "net-pf-3");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_micros(300));
            let draft = world.path("/proc/88/wchan.new");
            fs::write(&draft, WAITING.wchan).unwrap();
            fs::rename(draft, world.path("/proc/88/wchan")).unwrap();
        });
        assert_eq!(pids(&finder.requesters(&name("net-pf-3"))), [Some(88)]);
    });
}

#[test]
fn kernel_threads_and_tasks_that_wait_for_something_else() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&Thread { tid: 70, process: 70, uid: 0, flags: 0x0020_8040, parent: 2, comm: "kworker/0:1", ..WAITING });
    world.asks(70, 10_500, "crypto-aes");
    let found = finder.requesters(&name("crypto-aes"));
    assert_eq!((found[0].kind, found[0].uid), (Kind::Kernel, None));
    // A request for a key has a helper too.
    world.thread(&Thread { stack: "[<0>] call_usermodehelper_exec+0x1\n[<0>] call_sbin_request_key+0x2\n", ..WAITING });
    world.asks(88, 10_500, "net-pf-3");
    started();
    assert_eq!(finder.requesters(&name("net-pf-3")), []);
}

#[test]
fn a_finder_that_has_just_opened_asks_those_who_wait() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!((pids(&found), found[0].by), (vec![Some(88)], Attribution::Blocked), "no event was heard of it, but it waits");
    started();
    assert_eq!(finder.requesters(&name("net-pf-3")), []);
}

#[test]
fn what_the_start_of_a_module_asks_for_is_asked_by_whoever_wanted_the_module() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    let outer = [Requester { uid: Some(1000), ..Requester::bare(Kind::User, Attribution::Trace) }];
    let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    world.thread(&Thread { tid: own, process: own, uid: 0, comm: "kerneld", ..WAITING });
    world.asks(own, 10_500, "nls_cp437");
    let acting = finder.acting_for(&outer);
    assert_eq!(finder.requesters(&name("nls_cp437")), outer);
    drop(acting);
    assert_eq!(finder.requesters(&name("nls_cp437"))[0].kind, Kind::Root);
}

#[test]
fn a_helper_that_loads_by_itself_asks_for_those_who_wait_for_it() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    world.thread(&Thread { tid: 200, process: 200, parent: 2, uid: 0, comm: "kerneld-request", ..WAITING });
    world.asks(200, 10_500, "nls_cp437");
    let found = finder.requesters(&name("nls_cp437"));
    assert_eq!(found[0].pid, Some(88), "{found:?}");
    assert!(found.iter().all(|requester| requester.pid != Some(200)), "{found:?}");
    world.gone(88);
    world.asks(200, 10_600, "nls_cp850");
    assert_eq!(finder.requesters(&name("nls_cp850"))[0].kind, Kind::Unknown);
}

#[test]
fn without_tracing_everybody_who_waits_is_a_candidate() {
    let world = World::new();
    let finder = Finder::open(&world.paths());
    assert_eq!(finder.tracing(), Err(&TracingFault::NotMounted));
    world.thread(&WAITING);
    world.thread(&Thread { tid: 200, process: 200, parent: 2, uid: 0, comm: "kerneld-request", wchan: "unix_wait", ..WAITING });
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(pids(&found), [Some(88)]);
    assert_eq!(found[0].by, Attribution::Blocked);
    // A second helper, for which nobody waits: whoever asked has been killed, and may have asked for this.
    world.thread(&Thread { tid: 201, process: 201, parent: 2, uid: 0, comm: "kerneld-request", wchan: "unix_wait", ..WAITING });
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(pids(&found), [Some(88), None]);
    assert_eq!(found[1], Requester::unknown());
    // Nobody waits at all.
    world.gone(88);
    assert_eq!(finder.requesters(&name("net-pf-3")), []);
}

/// Whoever reads the file is stopped in the middle of it each time, until `meanwhile` is done.
fn read_by_turns<T>(path: &Path, mut meanwhile: impl FnMut() + Send, read: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    let text = fs::read_to_string(path).unwrap();
    let draft = path.with_extension("draft");
    let pipe = || {
        rustix::fs::mknodat(rustix::fs::CWD, &draft, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        fs::rename(&draft, path).unwrap();
    };
    pipe();
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    std::thread::scope(|scope| {
        let reader = scope.spawn(read);
        while !reader.is_finished() {
            // There is somebody at the other end.
            if let Ok(mut open) = fs::OpenOptions::new().write(true).custom_flags(nonblock).open(path) {
                meanwhile();
                pipe();
                open.write_all(text.as_bytes()).unwrap();
            }
            std::thread::yield_now();
        }
        reader.join().unwrap()
    })
}

/// `/proc` is not one moment. Here another helper is born while the administrator, for whom it works, is being read.
#[test]
fn who_waits_for_another_helper_that_was_not_there_yet_is_not_all_there_is() {
    for (comm, flags) in [("kerneld-request", 0), ("kworker/u8:1", 0), ("kworker/u8:1", 0x0020_0000)] {
        let world = World::new();
        let root = Thread { tid: 300, process: 300, uid: 0, cgroup: "/", ..WAITING };
        world.thread(&root);
        world.thread(&Thread {
            tid: 60,
            process: 60,
            parent: 2,
            uid: 0,
            flags: 0x0020_8040,
            comm: "kworker/u8:1",
            wchan: "worker_thread",
            ..WAITING
        });
        // That of a task that was killed.
        world.thread(&Thread { tid: 200, process: 200, parent: 60, uid: 0, comm: "kerneld-request", wchan: "0", ..WAITING });
        let finder = Finder::blocked_only(&world.paths());
        let born = || world.thread(&Thread { tid: 301, process: 301, parent: 60, uid: 0, comm, flags, wchan: "0", ..WAITING });
        let found = read_by_turns(&world.path("/proc/300/cgroup"), born, || finder.requesters(&name("net-pf-15")));
        assert_eq!(pids(&found), [Some(300), None], "{comm}");
    }
}

/// The worker that starts a helper takes a moment to do so, after whoever asks has gone to sleep.
#[test]
fn who_has_just_gone_to_sleep_does_not_stand_for_a_helper() {
    let world = World::new();
    world.thread(&WAITING);
    world.thread(&Thread { tid: 200, process: 200, parent: 2, uid: 0, comm: "kerneld-request", wchan: "0", ..WAITING });
    let start = Instant::now();
    assert_eq!(pids(&Finder::blocked_only(&world.paths()).requesters(&name("net-pf-15"))), [Some(88)]);
    assert!(start.elapsed() >= Duration::from_millis(10), "{:?}", start.elapsed());
}

/// A worker of the kernel that has not started its helper yet, or has seen it end, and has not woken who waits for it.
#[test]
fn a_worker_without_its_helper_works_for_somebody() {
    let world = World::new();
    let stack = |function: &'static str| Thread {
        tid: 60,
        process: 60,
        parent: 2,
        uid: 0,
        flags: 0x0420_8060,
        comm: "kworker/u8:1-events_unbound",
        wchan: "do_wait",
        stack: function,
        ..WAITING
    };
    let helper = Thread { tid: 200, process: 200, uid: 0, comm: "kerneld-request", wchan: "0", ..WAITING };
    world.thread(&Thread { tid: 300, process: 300, uid: 0, cgroup: "/", ..WAITING });
    world.thread(&Thread { parent: 61, ..helper });
    world.thread(&Thread { tid: 61, process: 61, ..stack("[<0>] do_wait+0x1\n[<0>] call_usermodehelper_exec_work+0x2\n") });
    let asked = || pids(&Finder::blocked_only(&world.paths()).requesters(&name("net-pf-15")));
    world.thread(&stack("[<0>] worker_thread+0x1\n"));
    assert_eq!(asked(), [Some(300)]);
    world.thread(&stack("[<0>] kernel_clone+0x1\n[<0>] call_usermodehelper_exec_work+0x2\n"));
    assert_eq!(asked(), [Some(300), None]);
    // It has a helper, that of somebody who waits for a key.
    world.thread(&Thread { tid: 201, process: 201, parent: 60, comm: "request-key", ..helper });
    assert_eq!(asked(), [Some(300)]);
}

/// And here the administrator goes on, and waits for the next, while a user's is left.
#[test]
fn who_has_gone_on_meanwhile_does_not_stand_for_a_helper() {
    let world = World::new();
    let switches = |count: u64| {
        let path = world.path("/proc/300/status");
        let text = fs::read_to_string(&path).unwrap();
        let own = text.lines().filter(|line| !line.starts_with("vol")).map(|line| format!("{line}\n")).collect::<String>();
        let draft = path.with_extension("draft");
        fs::write(&draft, format!("{own}voluntary_ctxt_switches:\t{count}\n")).unwrap();
        fs::rename(draft, path).unwrap();
    };
    world.thread(&Thread { tid: 300, process: 300, uid: 0, cgroup: "/", ..WAITING });
    world.thread(&Thread { tid: 200, process: 200, parent: 2, uid: 0, comm: "kerneld-request", wchan: "0", ..WAITING });
    switches(7);
    let finder = Finder::blocked_only(&world.paths());
    assert_eq!(pids(&finder.requesters(&name("net-pf-15"))), [Some(300)]);
    let mut count = 7;
    let goes_on = || {
        count += 1;
        switches(count);
    };
    let found = read_by_turns(&world.path("/proc/300/cgroup"), goes_on, || finder.requesters(&name("net-pf-15")));
    assert_eq!(found.last(), Some(&Requester::unknown()), "{found:?}");
}

/// The crypto API has the parts of an algorithm asked for by a thread of the kernel: for whoever waits for the whole.
#[test]
fn what_an_algorithm_is_made_of_is_asked_for_by_whoever_waits_for_it() {
    let kernel = Thread { parent: 2, uid: 0, flags: 0x0020_8040, cgroup: "/", ..WAITING };
    let making = Thread { tid: 70, process: 70, comm: "cryptomgr_probe", ..kernel };
    let wants = Thread { wchan: "crypto_larval_wait", stack: "[<0>] crypto_larval_wait+0x24\n[<0>] alg_bind+0x1\n", ..WAITING };
    let part = Thread { tid: 71, process: 71, comm: "cryptomgr_probe", wchan: wants.wchan, ..kernel };
    let kinds = |found: &[Requester]| found.iter().map(|found| (found.kind, found.uid)).collect::<Vec<_>>();
    let (user, root, nobody) = ((Kind::User, Some(1000)), (Kind::Root, Some(0)), (Kind::Unknown, None));
    for traced in [true, false] {
        let world = if traced { World::traced() } else { World::new() };
        let finder = Finder::open(&world.paths());
        let asks = |milliseconds: u64| {
            if traced {
                world.asks(70, milliseconds, "crypto-serpent");
            }
            kinds(&finder.requesters(&name("crypto-serpent")))
        };
        world.thread(&making);
        world.thread(&Thread { tid: 200, process: 200, parent: 2, uid: 0, comm: "kerneld-request", wchan: "0", ..WAITING });
        assert_eq!(asks(10_500), [nobody], "whoever wants it has been killed");
        world.thread(&wants);
        assert_eq!(asks(10_600), [user]);
        world.thread(&part);
        assert_eq!(asks(10_700), [user], "a part of a part");
        world.thread(&Thread { tid: 89, process: 89, uid: 0, cgroup: "/", ..wants });
        let mut both = asks(10_800);
        both.sort();
        assert_eq!(both, [root, user], "either may want it");
        world.gone(88);
        assert_eq!(asks(10_900), [root]);
        world.thread(&Thread { tid: 72, process: 72, ..making });
        assert_eq!(asks(10_950), [root, nobody], "one is made of which nobody knows for whom");
    }
}

#[test]
fn who_started_a_helper_is_its_parent_unless_that_has_ended() {
    let world = World::new();
    let finder = Finder::blocked_only(&world.paths());
    let kinds = |helper: u32| finder.starter_of(helper).map(|found| found.iter().map(|found| (found.kind, found.pid)).collect::<Vec<_>>());
    let helper = Thread { tid: 200, process: 200, uid: 0, cgroup: "/", comm: "kerneld-request", wchan: "0", ..WAITING };
    world.thread(&Thread { tid: 300, process: 300, uid: 0, cgroup: "/", comm: "iptables", wchan: "do_wait", ..WAITING });
    world.thread(&Thread { parent: 300, ..helper });
    assert_eq!(kinds(200), Some(vec![(Kind::Root, Some(300))]));
    world.thread(&Thread { parent: 2, ..helper });
    assert_eq!(kinds(200), None, "the kernel");
    // A user has killed the program with more rights that started it.
    world.thread(&Thread { parent: 1, uid: 1000, ..helper });
    assert_eq!(kinds(200), Some(vec![(Kind::Root, Some(1)), (Kind::User, Some(200))]));
}

#[test]
fn a_stack_that_cannot_be_read_leaves_room_for_others() {
    let world = World::new();
    world.thread(&Thread { stack: "", ..WAITING });
    let found = Finder::blocked_only(&world.paths()).requesters(&name("net-pf-3"));
    assert_eq!(pids(&found), [Some(88), None]);
}

#[test]
fn a_flood_of_candidates_is_bounded_and_counts_as_unknown_too() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    for tid in 1000..1040 {
        world.thread(&Thread { tid, process: tid, ..WAITING });
        world.asks(tid, 10_500, "net-pf-3");
    }
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(found.len(), 17);
    assert_eq!(found.last(), Some(&Requester::unknown()));
}

#[test]
fn who_was_killed_while_asking_is_no_candidate_for_what_others_ask() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    for tid in 1000..1100 {
        world.asks(tid, 10_400, "net-pf-3");
    }
    world.thread(&Thread { uid: 0, cgroup: "/", ..WAITING });
    world.asks(88, 10_500, "net-pf-3");
    for _ in 0..2 {
        let found = finder.requesters(&name("net-pf-3"));
        assert_eq!(found.iter().map(|found| (found.kind, found.pid)).collect::<Vec<_>>(), [(Kind::Root, Some(88))]);
    }
}

#[test]
fn who_does_not_wait_is_nobody_and_counts_for_one_request() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    world.asks_and(0, 88, 10_500, "net-pf-3");
    let found = finder.requesters(&name("net-pf-3"));
    assert_eq!(found.iter().map(|found| (found.kind, found.pid)).collect::<Vec<_>>(), [(Kind::Unknown, Some(88))]);
    started();
    assert_eq!(finder.requesters(&name("net-pf-3")), []);
}

#[test]
fn who_is_about_to_wait_is_still_found_after_somebody_else_was() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    for tid in [88, 89] {
        world.thread(&Thread { tid, process: tid, ..WAITING });
        world.asks(tid, 10_500, "net-pf-3");
    }
    world.runs(89);
    assert_eq!(pids(&finder.requesters(&name("net-pf-3"))), [Some(88)]);
    world.gone(88);
    world.thread(&Thread { tid: 89, process: 89, ..WAITING });
    assert_eq!(pids(&finder.requesters(&name("net-pf-3"))), [Some(89)]);
}

/// With many who ask for the same, each of their requests looks at all of them.
#[test]
fn who_waits_is_read_once() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    world.asks(88, 10_500, "net-pf-3");
    let found = finder.requesters(&name("net-pf-3"));
    fs::remove_file(world.path("/proc/88/status")).unwrap();
    assert_eq!(finder.requesters(&name("net-pf-3")), found);
    // Its next request may be of another program.
    world.thread(&Thread { uid: 1001, ..WAITING });
    world.asks(88, 10_600, "net-pf-3");
    assert_eq!(finder.requesters(&name("net-pf-3"))[0].uid, Some(1001));
}

#[test]
fn a_program_that_was_replaced_while_it_runs_keeps_its_name() {
    let world = World::traced();
    let finder = Finder::open(&world.paths());
    world.thread(&WAITING);
    fs::remove_file(world.path("/proc/88/exe")).unwrap();
    symlink("/usr/bin/trig (deleted)", world.path("/proc/88/exe")).unwrap();
    world.asks(88, 10_500, "net-pf-3");
    assert_eq!(finder.requesters(&name("net-pf-3"))[0].exe.as_deref(), Some("/usr/bin/trig"));
}

#[test]
fn what_is_missing_in_tracefs_is_named() {
    let world = World::new();
    fs::create_dir_all(world.path("/sys/kernel/tracing/instances")).unwrap();
    let finder = Finder::open(&world.paths());
    assert_eq!(finder.tracing().unwrap_err().to_string(), "the kernel has no trace event `module/module_request`");
}

/// Without tracing every thread is looked at, and a user may have as many as he likes.
#[test]
fn thousands_of_threads_do_not_keep_others_waiting() {
    const THREADS: usize = 6000;
    let end = std::sync::Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
    let wait = || {
        let end = end.clone();
        let wait = move || drop(end.1.wait_while(end.0.lock().unwrap(), |end| !*end));
        std::thread::Builder::new().stack_size(16 << 10).spawn(wait)
    };
    let threads: Vec<_> = (0..THREADS).map_while(|_| wait().ok()).collect();
    // The real /proc: how long the kernel takes to tell is what this is about.
    let finder = Finder::blocked_only(&Paths::default());
    let start = Instant::now();
    let _ = finder.requesters(&name("fs-vfat"));
    let took = start.elapsed();
    *end.0.lock().unwrap() = true;
    end.1.notify_all();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(took < Duration::from_millis(1500), "{took:?} for {THREADS} threads");
}
