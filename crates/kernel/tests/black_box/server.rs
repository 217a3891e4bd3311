//! The socket: clients, crowds, deaths, garbage.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::{Error, Limits};
use uapi::{Arena, Client, Errno, Reply, Syscall, wire};

use crate::image::{calling, sample};
use crate::world::World;

fn socket() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kernel");
    (directory, path)
}

/// Waits until something is so; connections end on other threads.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "not within 10 seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn create(client: &mut Client, name: &str) -> (u64, File) {
    let call = Syscall::CreateModule { name: name.to_owned(), layout: sample(name).layout(), arena: Arena::Near };
    match client.call_with_descriptor(&call).unwrap() {
        (Reply::Created { base }, Some(memory)) => (base, File::from(memory)),
        other => panic!("{other:?}"),
    }
}

fn load(client: &mut Client, name: &str) -> u64 {
    let (base, memory) = create(client, name);
    memory.write_all_at(&sample(name).image(base), 0).unwrap();
    assert_eq!(client.call(&Syscall::InitModule(sample(name).request(base))).unwrap(), Reply::Done);
    base
}

#[test]
fn a_client_loads_reads_and_unloads() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let mut client = Client::connect(server.path()).unwrap();
    let base = load(&mut client, "fat");
    assert_eq!(world.kernel.module_at(base).unwrap().as_str(), "fat");
    assert!(client.read(uapi::ProcFile::Modules).unwrap().starts_with("fat "));
    client.delete_module(Some("fat")).unwrap();
    assert_eq!(client.delete_module(Some("fat")).unwrap_err().errno(), Some(Errno::ENOENT));
}

#[test]
fn a_hundred_clients_at_once() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let threads: Vec<_> = (0..100)
        .map(|number| {
            let path = server.path().to_owned();
            std::thread::spawn(move || {
                let mut client = Client::connect(&path).unwrap();
                let name = format!("module{number}");
                for _ in 0..5 {
                    let base = load(&mut client, &name);
                    assert!(client.kernel_syms().unwrap().iter().any(|symbol| symbol.name == format!("#{name}")));
                    assert!(client.read(uapi::ProcFile::Modules).unwrap().contains(&format!("{base:#018x}")));
                    client.delete_module(Some(&name)).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(world.names().is_empty());
    eventually("all connections are gone", || server.connections() == 0);
}

#[test]
fn one_name_a_hundred_clients_and_one_winner_at_a_time() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let path = server.path().to_owned();
            std::thread::spawn(move || {
                let mut client = Client::connect(&path).unwrap();
                let mut won = 0;
                for _ in 0..20 {
                    let call = Syscall::CreateModule { name: "same".into(), layout: sample("same").layout(), arena: Arena::Near };
                    match client.call_with_descriptor(&call) {
                        Ok((Reply::Created { base }, Some(memory))) => {
                            File::from(memory).write_all_at(&sample("same").image(base), 0).unwrap();
                            client.call(&Syscall::InitModule(sample("same").request(base))).unwrap();
                            client.delete_module(Some("same")).unwrap();
                            won += 1;
                        }
                        Err(error) => assert_eq!(error.errno(), Some(Errno::EEXIST)),
                        other => panic!("{other:?}"),
                    }
                }
                won
            })
        })
        .collect();
    let won: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(won > 0);
    assert!(world.names().is_empty());
}

#[test]
fn a_client_that_dies_between_its_calls_leaves_nothing() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let mut client = Client::connect(server.path()).unwrap();
    create(&mut client, "created");
    let (base, memory) = create(&mut client, "written");
    memory.write_all_at(&sample("written").image(base), 0).unwrap();
    load(&mut client, "whole");
    assert_eq!(world.names().len(), 3);
    drop(client);
    eventually("half-made modules are gone", || world.names() == ["whole"]);
    let mut next = Client::connect(server.path()).unwrap();
    load(&mut next, "created");
}

#[test]
fn init_finishes_when_its_client_dies_meanwhile() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let (started, wait) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let mut slow = sample("slow");
    slow.init = calling(move || {
        started.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        0
    });
    let stream = UnixStream::connect(server.path()).unwrap();
    let call = Syscall::CreateModule { name: "slow".into(), layout: slow.layout(), arena: Arena::Near };
    wire::send(&stream, &call, None).unwrap();
    let (answer, memory): (Result<Reply, Errno>, _) = wire::receive(&stream, wire::MAX_FRAME).unwrap();
    let Ok(Reply::Created { base }) = answer else { panic!("{answer:?}") };
    File::from(memory.unwrap()).write_all_at(&slow.image(base), 0).unwrap();
    wire::send(&stream, &Syscall::InitModule(slow.request(base)), None).unwrap();
    wait.recv().unwrap();
    drop(stream);
    go.send(()).unwrap();
    eventually("the module runs", || world.classic().contains("\t\t0\n"));
    eventually("its connection is gone", || server.connections() == 0);
    assert_eq!(world.names(), ["slow"]);
}

#[test]
fn garbage_ends_one_connection_and_no_other() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    let mut good = Client::connect(server.path()).unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let seed = wire::encode(&Syscall::InitModule(sample("fat").request(0x1000))).unwrap();
    for round in 0_u32..300 {
        let mut stream = UnixStream::connect(server.path()).unwrap();
        let mut body = seed.clone();
        for _ in 0..=round % 4 {
            let at = usize::try_from(next() % 1_000_000).unwrap() % body.len();
            body[at] = next().to_le_bytes()[0];
        }
        let length = match round % 5 {
            0 => u32::MAX,
            1 => u32::try_from(body.len()).unwrap() + 1,
            _ => u32::try_from(body.len()).unwrap(),
        };
        // The kernel may have hung up on the header already.
        let _ = stream.write_all(&length.to_le_bytes()).and_then(|()| stream.write_all(&body));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(world.log.count("dropped: ") > 50, "{}", world.log.count("dropped: "));
    assert_eq!(good.uname().unwrap().sysname, "test", "others are served on");
    assert!(world.names().is_empty());
}

#[test]
fn a_live_kernel_keeps_its_socket_and_a_dead_ones_is_replaced() {
    let (world, (_directory, path)) = (World::new(), socket());
    let server = world.kernel.serve(&path).unwrap();
    assert!(matches!(World::new().kernel.serve(&path), Err(Error::SocketInUse { .. })));
    assert!(Client::connect(&path).unwrap().uname().is_ok());
    drop(server);
    assert!(!path.exists(), "the file is removed");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "what a killed kernel leaves");
    let server = world.kernel.serve(&path).unwrap();
    assert!(Client::connect(&path).unwrap().uname().is_ok());
    std::fs::remove_file(&path).unwrap();
    let second = World::new();
    let other = second.kernel.serve(&path).unwrap();
    drop(server);
    assert!(path.exists(), "another kernel's file is not removed");
    drop(other);
    std::fs::write(&path, "a file").unwrap();
    assert!(matches!(world.kernel.serve(&path), Err(Error::Socket { .. })), "a file that is no socket is not removed");
    let nowhere = path.with_file_name("none/kernel");
    let error = world.kernel.serve(&nowhere).unwrap_err().to_string();
    assert!(error.contains(nowhere.to_str().unwrap()), "the error names the socket: {error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn connections_are_bounded() {
    let limits = Limits { connections: 4, ..Limits::default() };
    let (world, (_directory, path)) = (World::with(|builder| builder.limits(limits)), socket());
    let server = world.kernel.serve(&path).unwrap();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(server.path()).unwrap()).collect();
    for client in &mut clients {
        client.uname().unwrap();
    }
    assert!(Client::connect(server.path()).unwrap().uname().is_err(), "the fifth is hung up on");
    assert_eq!(world.log.count("too many connections"), 1);
    clients.pop();
    eventually("a place is free", || server.connections() == 3);
    Client::connect(server.path()).unwrap().uname().unwrap();
}

#[test]
fn a_server_that_is_dropped_ends_its_connections() {
    let (world, (_directory, path)) = (Arc::new(World::new()), socket());
    let server = world.kernel.serve(&path).unwrap();
    let mut client = Client::connect(server.path()).unwrap();
    create(&mut client, "half");
    drop(server);
    assert!(client.uname().is_err());
    eventually("what the connection left is gone", || world.names().is_empty());
}
