//! Packets from outside, damaged in thousands of ways; and the wire form of every call, as it was saved: programs and kernels of
//! one version talk to each other only as long as it stays.
//!
//! What is called with damaged packets is in `support/targets.rs`, for the fuzzer to call it too.

#[path = "support/targets.rs"]
mod targets;

use targets::{packet_target, stream_target};
use uapi::kerneld::{Message, ToKernel};
use uapi::{Arena, Errno, InitModule, KernelSym, MemoryLayout, ModuleInfo, ModuleState, ProcFile, Query, QueryAnswer, Reply};
use uapi::{Routines, SymbolTable, Syscall, Uname, wire};

/// `name hex` lines: one message each, as it crosses the socket.
const SAVED: &str = include_str!("wire.txt");

/// How many damaged packets are made of each saved one.
const ROUNDS: usize = 2_000;

fn symbol(name: &str) -> KernelSym {
    KernelSym { value: 0x5555_0000_1234, name: name.to_owned() }
}

fn calls() -> Vec<(&'static str, Syscall)> {
    let table = SymbolTable { symbols: vec![symbol("fat_read"), symbol("fat_statfs")], references: vec![1, 7] };
    let init = InitModule {
        name: "fat".to_owned(),
        routines: Routines { init: 0x1000, cleanup: 0x2000 },
        autoclean: true,
        forced: false,
        table: Some(table),
        eh_frame: Some((4096, 64)),
        debug_object: vec![0x7f, b'E', b'L', b'F'],
    };
    let layout = MemoryLayout::from_sizes([4096, 100, 8, 0, 1]);
    vec![
        ("uname", Syscall::Uname),
        ("create_module", Syscall::CreateModule { name: "fat".to_owned(), layout, arena: Arena::Low }),
        ("init_module", Syscall::InitModule(init)),
        ("delete_module", Syscall::DeleteModule { name: Some("fat".to_owned()) }),
        ("autoclean", Syscall::DeleteModule { name: None }),
        ("get_kernel_syms", Syscall::GetKernelSyms),
        ("query_module", Syscall::QueryModule { name: Some("fat".to_owned()), which: Query::Info, buffer: 512 }),
        ("read", Syscall::ReadProc(ProcFile::ModuleMaps)),
        ("kerneld_open", Syscall::KerneldOpen),
        ("kerneld_send", Syscall::KerneldSend { mtype: 255, text: "delay=180".to_owned(), wait: true }),
        ("embedder", Syscall::Embedder { request: "mount".to_owned(), body: vec![0, 1, 255] }),
    ]
}

fn answers() -> Vec<(&'static str, Result<Reply, Errno>)> {
    let uname = Uname {
        sysname: "khost".to_owned(),
        release: "2.0.40".to_owned(),
        machine: "x86_64".to_owned(),
        pid: 4711,
        debugger: false,
        taint: "D".to_owned(),
    };
    let info = ModuleInfo { address: 0x1000, size: 300, state: ModuleState::Running, autoclean: true, visited: false, users: 2 };
    vec![
        ("done", Ok(Reply::Done)),
        ("refused", Err(Errno::EBUSY)),
        ("uname_reply", Ok(Reply::Uname(uname))),
        ("created", Ok(Reply::Created { base: 0x5555_0000_0000 })),
        ("kernel_syms", Ok(Reply::KernelSyms(vec![symbol("#fat"), symbol("fat_read"), symbol("#")]))),
        ("names", Ok(Reply::Query(QueryAnswer::Names(vec!["vfat".to_owned(), "fat".to_owned()])))),
        ("info", Ok(Reply::Query(QueryAnswer::Info(info)))),
        ("no_space", Ok(Reply::Query(QueryAnswer::NoSpace { needed: 700 }))),
        ("text", Ok(Reply::Text("fat 4096 0 - Live 0x0\n".to_owned()))),
        ("channel", Ok(Reply::Channel)),
        ("kerneld_reply", Ok(Reply::Kerneld { status: -19, text: String::new() })),
        ("embedder_reply", Ok(Reply::Embedder(vec![9]))),
    ]
}

fn channel() -> (Message, [(&'static str, ToKernel); 2]) {
    let request = Message { mtype: 2, id: 0x7fff_0001, pid: 0, text: "vfat".to_owned() };
    let reply = Message { mtype: 0x7fff_0001, id: -4, pid: 12, text: "output".to_owned() };
    (request, [("msgrcv", ToKernel::Receive { msgtyp: -255 }), ("msgsnd", ToKernel::Send(reply))])
}

/// Every message as its line in `wire.txt`.
fn lines() -> String {
    fn line<T: serde::Serialize>(name: &str, message: &T) -> String {
        let hex: String = wire::encode(message).expect("a message").iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {hex}\n")
    }
    let (request, from_daemons) = channel();
    let calls = calls().iter().map(|(name, call)| line(name, call)).collect::<String>();
    let answers = answers().iter().map(|(name, answer)| line(name, answer)).collect::<String>();
    let daemons = from_daemons.iter().map(|(name, message)| line(name, message)).collect::<String>();
    calls + &answers + &line("kerneld_msg", &request) + &daemons
}

fn saved() -> Vec<Vec<u8>> {
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    SAVED.lines().map(|line| bytes(line.split_once(' ').expect("a name and bytes").1)).collect()
}

#[test]
fn the_wire_form_of_every_message_is_the_saved_one() {
    assert_eq!(lines(), SAVED, "where this is meant, save the new form, and expect old programs to fail");
}

#[test]
fn damaged_packets_are_refused_or_read_never_worse() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).expect("48 bits") % limit.max(1)
    };
    let (mut accepted, mut refused) = (0, 0);
    for seed in saved() {
        for round in 0..ROUNDS {
            let mut bytes = seed.clone();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << below(8)),
                    // The longest numbers: lengths, sizes, offsets.
                    2 => drop(bytes.splice(at..at, [0xff; 9].into_iter().take(1 + below(9)).chain([0x01]))),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = below(256).to_le_bytes()[0]),
                }
            }
            match packet_target(&bytes) {
                0 => refused += 1,
                _ => accepted += 1,
            }
            if round % 50 == 0 {
                let length = u32::try_from(bytes.len()).expect("short").to_le_bytes();
                stream_target(&[&length[..], &bytes, &bytes].concat());
            }
        }
    }
    assert!(accepted > 5_000 && refused > 5_000, "{accepted} accepted, {refused} refused");
}
