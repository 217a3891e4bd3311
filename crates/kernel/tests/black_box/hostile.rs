//! Mutated requests at the door: no panic, and the kernel serves on.

use kernel::Peer;
use uapi::{Arena, Errno, MemoryLayout, Query, Reply, Syscall, wire};

use crate::image::{Sample, sample};
use crate::world::World;

/// Wherever a request has it start, the code returns at once.
fn returns_everywhere() -> Sample {
    Sample { init: vec![0xc3; 64], cleanup: vec![0xc3; 64], more: vec![vec![0xc3; 64]; 58], ..sample("target") }
}

fn seeds(base: u64) -> Vec<Syscall> {
    let target = returns_everywhere();
    vec![
        Syscall::CreateModule { name: "target".into(), layout: target.layout(), arena: Arena::Near },
        Syscall::CreateModule { name: "low".into(), layout: MemoryLayout::from_sizes([1, 1, 8, 1, 1]), arena: Arena::Low },
        Syscall::InitModule(
            Sample { references: vec![1, 2], exports: vec!["a".into()], eh_frame: Some((4096, 8)), ..target }.request(base),
        ),
        Syscall::DeleteModule { name: Some("target".into()) },
        Syscall::DeleteModule { name: None },
        Syscall::QueryModule { name: Some("target".into()), which: Query::Symbols, buffer: 77 },
        Syscall::ReadProc(uapi::ProcFile::Modules),
        Syscall::KerneldSend { mtype: 2, text: "vfat".into(), wait: false },
        Syscall::Embedder { request: "mount".into(), body: vec![1, 2, 3] },
    ]
}

#[test]
fn mutated_requests_never_panic_and_never_stick() {
    let world = World::new();
    let mut state = 0x0123_4567_89ab_cdef_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut decoded, mut served) = (0, 0);
    for round in 0..20_000_u32 {
        let base = match world.create_written(&returns_everywhere()) {
            Ok(base) => base,
            Err(Errno::EEXIST) => world.kernel.use_count_of("target").unwrap_or(0).saturating_sub(2 * 4096),
            Err(errno) => panic!("{errno}"),
        };
        let all = seeds(base);
        let mut bytes = wire::encode(&all[usize::try_from(round).unwrap() % all.len()]).unwrap();
        for _ in 0..next() % 4 {
            let at = usize::try_from(next() % 1_000_003).unwrap() % bytes.len();
            bytes[at] = next().to_le_bytes()[3];
        }
        let Ok(call) = wire::decode::<Syscall>(&bytes) else { continue };
        decoded += 1;
        let reader = Peer::new(65_000, 1);
        let peer = if round % 4 == 0 { &reader } else { &world.peer };
        served += u32::from(world.kernel.dispatch(peer, call).0.is_ok());
        if round % 16 == 0 {
            world.kernel.disconnect(&world.peer);
            for name in world.names() {
                let _ = world.delete(&name);
            }
        }
    }
    assert!(decoded > 5_000 && served > 1_000, "{decoded} decoded, {served} served");
    assert!(matches!(world.call(Syscall::Uname), Ok(Reply::Uname(_))));
}
