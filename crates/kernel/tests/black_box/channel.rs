//! kerneld's channel, with daemons that the tests play themselves.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kernel::{InterruptContext, Kernel, Peer, Wait};
use uapi::kerneld::{FIRST_ID, MAX_TEXT, Message, Request, ToKernel};
use uapi::{Errno, Reply, Syscall, wire};

use crate::world::World;

/// An attached daemon.
struct Daemon(OwnedFd);

impl Daemon {
    fn attach(world: &World) -> Self {
        Self::try_attach(world).unwrap()
    }

    fn try_attach(world: &World) -> Result<Self, Errno> {
        match world.kernel.dispatch(&Peer::kernel(), Syscall::KerneldOpen) {
            (Ok(Reply::Channel), Some(channel)) => Ok(Self(channel)),
            (Err(errno), None) => Err(errno),
            other => panic!("{other:?}"),
        }
    }

    /// `msgrcv`: asks, and waits for the message.
    fn receive(&self, msgtyp: i64) -> Message {
        wire::send_packet(&self.0, &ToKernel::Receive { msgtyp }).unwrap();
        wire::receive_packet(&self.0).unwrap()
    }

    fn answer(&self, request: &Message, status: i64, text: &str) {
        let mtype = u32::try_from(request.id).unwrap();
        wire::send_packet(&self.0, &ToKernel::Send(Message { mtype, id: status, pid: 7, text: text.into() })).unwrap();
    }
}

/// The kernel notices on another thread that a daemon is gone.
fn attach_when_there_is_room(world: &World) -> Daemon {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match Daemon::try_attach(world) {
            Ok(daemon) => return daemon,
            Err(errno) => assert!(errno == Errno::ENOSPC && Instant::now() < until, "{errno}"),
        }
    }
}

/// Sends on a thread of its own, as the sender waits.
fn request(kernel: &Kernel, what: Request, text: &str) -> std::thread::JoinHandle<(i32, String)> {
    let (kernel, text) = (kernel.clone(), text.to_owned());
    std::thread::spawn(move || {
        let reply = kernel.kerneld_send(what, &text, Wait::Reply);
        (reply.status, reply.text)
    })
}

const ENODEV: i32 = -19;

#[test]
fn without_a_daemon_the_answer_is_enodev_at_once() {
    let world = World::new();
    let start = Instant::now();
    assert_eq!(world.kernel.request_module("vfat"), ENODEV);
    assert_eq!(world.kernel.kerneld_send(Request::System, "true", Wait::No).status, ENODEV);
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[test]
fn row_11_a_request_is_taken_and_answered() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    for (status, text) in [(0, ""), (7, "output"), (-2, "")] {
        let sender = request(&world.kernel, Request::RequestModule, "vfat");
        let message = daemon.receive(-255);
        assert_eq!((message.mtype, message.text.as_str()), (2, "vfat"));
        assert!(message.id >= i64::from(FIRST_ID));
        daemon.answer(&message, status, text);
        assert_eq!(sender.join().unwrap(), (i32::try_from(status).unwrap(), text.to_owned()));
    }
}

#[test]
fn a_message_that_wants_no_reply_has_id_0() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    assert_eq!(world.kernel.kerneld_send(Request::Blanker, "on", Wait::No).status, 0);
    let message = daemon.receive(0);
    assert_eq!((message.mtype, message.id, message.text.as_str()), (7, 0, "on"));
}

#[test]
fn a_clients_message_carries_its_process() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let send = |mtype, text: &str| Syscall::KerneldSend { mtype, text: text.into(), wait: false };
    let client = Peer::new(0, 4242);
    let answer = world.kernel.dispatch(&client, send(255, "debug")).0;
    assert_eq!(answer, Ok(Reply::Kerneld { status: 0, text: String::new() }));
    assert_eq!(daemon.receive(-255).pid, 4242);
    for mtype in [0, FIRST_ID, u32::MAX] {
        assert_eq!(world.kernel.dispatch(&client, send(mtype, "x")).0, Err(Errno::EINVAL), "{mtype}");
    }
    assert_eq!(world.kernel.dispatch(&client, send(1, &"x".repeat(MAX_TEXT + 1))).0, Err(Errno::EINVAL));
}

#[test]
fn a_request_that_nobody_takes_is_given_up_after_a_second_and_stays() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let start = Instant::now();
    assert_eq!(request(&world.kernel, Request::RequestModule, "vfat").join().unwrap().0, ENODEV);
    let took = start.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert_eq!(world.log.count("Ouch, no kerneld for message 2147418113"), 1, "{}", world.log.text());
    let stale = daemon.receive(-255);
    assert_eq!(stale.text, "vfat", "it may still be served");
    daemon.answer(&stale, 0, "");
    let sender = request(&world.kernel, Request::RequestModule, "fat");
    let message = daemon.receive(-255);
    daemon.answer(&message, 3, "");
    assert_eq!(sender.join().unwrap().0, 3, "the late reply confused nobody");
}

#[test]
fn once_taken_the_wait_has_no_limit() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let sender = request(&world.kernel, Request::RequestModule, "vfat");
    let message = daemon.receive(2);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!sender.is_finished());
    daemon.answer(&message, 0, "");
    assert_eq!(sender.join().unwrap().0, 0);
}

#[test]
fn the_death_of_a_daemon_answers_what_it_took() {
    let world = World::new();
    let (first, second) = (Daemon::attach(&world), Daemon::attach(&world));
    let sender = request(&world.kernel, Request::RequestModule, "vfat");
    first.receive(-255);
    let start = Instant::now();
    drop(first);
    assert_eq!(sender.join().unwrap().0, ENODEV);
    assert!(start.elapsed() < Duration::from_millis(800));
    let sender = request(&world.kernel, Request::RequestModule, "fat");
    let message = second.receive(-255);
    second.answer(&message, 0, "");
    assert_eq!(sender.join().unwrap().0, 0, "the other one serves on");
}

#[test]
fn the_last_daemon_takes_the_queue_with_it() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let sender = request(&world.kernel, Request::RequestModule, "vfat");
    world.kernel.kerneld_send(Request::Blanker, "on", Wait::No);
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    drop(daemon);
    assert_eq!(sender.join().unwrap().0, ENODEV, "unread, and answered at once");
    assert!(start.elapsed() < Duration::from_millis(700));
    let next = Daemon::attach(&world);
    world.kernel.kerneld_send(Request::RequestModule, "new", Wait::No);
    assert_eq!(next.receive(0).text, "new", "nothing of the old queue is left");
}

#[test]
fn row_10_there_are_at_most_20_daemons() {
    let world = World::new();
    let mut daemons: Vec<Daemon> = (0..20).map(|_| Daemon::attach(&world)).collect();
    assert_eq!(Daemon::try_attach(&world).err(), Some(Errno::ENOSPC));
    daemons.pop();
    daemons.push(attach_when_there_is_room(&world));
}

#[test]
fn daemons_share_by_type_and_by_turn() {
    let world = World::new();
    let (loader, router) = (Daemon::attach(&world), Daemon::attach(&world));
    world.kernel.kerneld_send(Request::RequestRoute, "10.0.0.1", Wait::No);
    world.kernel.kerneld_send(Request::RequestModule, "vfat", Wait::No);
    assert_eq!(loader.receive(2).text, "vfat");
    assert_eq!(router.receive(6).text, "10.0.0.1");
    wire::send_packet(&loader.0, &ToKernel::Receive { msgtyp: -255 }).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    wire::send_packet(&router.0, &ToKernel::Receive { msgtyp: -255 }).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    world.kernel.kerneld_send(Request::System, "first", Wait::No);
    world.kernel.kerneld_send(Request::System, "second", Wait::No);
    assert_eq!(wire::receive_packet::<Message>(&loader.0).unwrap().text, "first", "who waits longest is first");
    assert_eq!(wire::receive_packet::<Message>(&router.0).unwrap().text, "second");
}

#[test]
fn a_full_queue_does_not_stop_an_interrupt() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let context = InterruptContext::enter();
    let text = "x".repeat(MAX_TEXT);
    let mut sent = 0;
    while world.kernel.kerneld_send(Request::System, &text, Wait::Reply).status == 0 {
        sent += 1;
        assert!(sent < 100, "the queue has a limit");
    }
    drop(context);
    assert_eq!(sent, 4);
    assert_eq!(daemon.receive(0).id, 0, "no reply is waited for in interrupt context");
    assert!(!InterruptContext::is_active());
}

#[test]
fn a_full_queue_makes_others_wait_for_room() {
    let world = World::new();
    let daemon = Daemon::attach(&world);
    let text = "x".repeat(MAX_TEXT);
    for _ in 0..4 {
        assert_eq!(world.kernel.kerneld_send(Request::System, &text, Wait::No).status, 0);
    }
    let (kernel, done) = (world.kernel.clone(), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&done);
    let sender = std::thread::spawn(move || {
        let status = kernel.kerneld_send(Request::RequestModule, &"vfat".repeat(100), Wait::No).status;
        flag.store(true, Ordering::SeqCst);
        status
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(!done.load(Ordering::SeqCst));
    daemon.receive(1);
    assert_eq!(sender.join().unwrap(), 0);
    assert_eq!(daemon.receive(2).text, "vfat".repeat(100));
}

#[test]
fn hostile_packets_detach_their_daemon_and_nothing_else() {
    let world = World::new();
    let good = Daemon::attach(&world);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        let bad = attach_when_there_is_room(&world);
        let mut packet = wire::encode(&ToKernel::Send(Message { mtype: FIRST_ID, id: 1, pid: 2, text: "text".into() })).unwrap();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % 97).unwrap() % packet.len();
            packet[at] = state.to_le_bytes()[4];
        }
        if round % 10 == 0 {
            packet = vec![0xff; 20_000];
        }
        // The kernel may be done with this daemon already.
        let _ = rustix::net::send(&bad.0, &packet, rustix::net::SendFlags::NOSIGNAL);
        let _ = rustix::net::send(&bad.0, &packet, rustix::net::SendFlags::NOSIGNAL);
    }
    let until = Instant::now() + Duration::from_secs(5);
    while world.log.count("detached") < 200 {
        assert!(Instant::now() < until, "{}", world.log.count("detached"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let sender = request(&world.kernel, Request::RequestModule, "vfat");
    let message = good.receive(-255);
    good.answer(&message, 0, "");
    assert_eq!(sender.join().unwrap().0, 0);
}

#[test]
fn only_who_took_a_request_can_answer_it() {
    let world = World::new();
    let (taker, other) = (Daemon::attach(&world), Daemon::attach(&world));
    let sender = request(&world.kernel, Request::RequestModule, "vfat");
    let message = taker.receive(-255);
    other.answer(&message, 99, "");
    std::thread::sleep(Duration::from_millis(100));
    assert!(!sender.is_finished());
    taker.answer(&message, 0, "");
    assert_eq!(sender.join().unwrap().0, 0);
    assert_eq!(world.log.count("which it did not take"), 1);
}

#[test]
fn a_daemon_that_asks_and_does_not_read_is_detached() {
    let world = World::new();
    let lazy = Daemon::attach(&world);
    let text = "x".repeat(MAX_TEXT);
    for _ in 0..2000 {
        if wire::send_packet(&lazy.0, &ToKernel::Receive { msgtyp: 0 }).is_err() {
            break;
        }
        if world.kernel.kerneld_send(Request::System, &text, Wait::No).status == ENODEV {
            break;
        }
    }
    assert_eq!(world.kernel.request_module("vfat"), ENODEV, "it is gone");
}

#[test]
fn request_module_works_from_module_code() {
    let world = Arc::new(World::with(|builder| builder.oops(kernel::Oops::Diagnose)));
    let daemon = Daemon::attach(&world);
    let inside = Arc::clone(&world);
    let mut vfat = crate::image::sample("vfat");
    vfat.init = crate::image::calling(move || inside.kernel.request_module("fat"));
    let (loader, helper) = (Arc::clone(&world), Arc::clone(&world));
    let load = std::thread::spawn(move || loader.load(&vfat).map(drop));
    let message = daemon.receive(-255);
    assert_eq!(message.text, "fat");
    let own = World { kernel: helper.kernel.clone(), log: helper.log.clone(), peer: Peer::kernel() };
    own.load(&crate::image::sample("fat")).unwrap();
    daemon.answer(&message, 0, "");
    assert_eq!(load.join().unwrap(), Ok(()));
    assert_eq!(world.names(), ["fat", "vfat"]);
}
