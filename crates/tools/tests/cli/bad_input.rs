//! Truncated and altered objects through the whole of insmod: a clear refusal or a module, nothing half-made left, never a panic.
//!
//! The kernel gives memory and takes it back; only initialization is refused on the way, so that no altered code runs.

use kmod::hosted::{Detail, Hosted};
use kmod::kernel::{Depth, Force, Globals, Insert, Lifetime};
use uapi::{Errno, Syscall};

use crate::proxy::{Fate, Proxy};
use crate::world::{HELLO, Outcome, World};

const SOURCE: &str = "int table[100]; int *where = &table[3]; extern int hidden_weak(void) __attribute__((weak));\n\
                      int numbers[4]; MODINFO(\"parm_numbers=1-4i\"); int api(int x) { return table[x & 7] + (hidden_weak ? 1 : 0); }\nEXPORT(api);\n";

/// A world whose kernel initializes nothing, and objects.
fn world() -> (World, Proxy, [Vec<u8>; 2]) {
    let world = World::new();
    let source = format!("{SOURCE}{HELLO}");
    let fixed = world.compile_with("seed", &source, &["-fno-pic", "-mcmodel=small", "-fno-asynchronous-unwind-tables"]);
    let aout = modlink::aout::write(&std::fs::read(fixed).unwrap()).unwrap();
    let elf = std::fs::read(world.compile("seed", &source)).unwrap();
    let fate = |_: usize, call: &Syscall| if matches!(call, Syscall::InitModule(_)) { Fate::Refuse(Errno::EBUSY) } else { Fate::Pass };
    let proxy = Proxy::new(world.path("proxy"), &world.socket(), fate);
    (world, proxy, [elf, aout])
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Cuts the object, or changes bytes anywhere, or in the tables at its end.
    fn alter(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        let tail = bytes.len() - bytes.len() / 3;
        for _ in 0..=self.below(3) {
            let at = if self.below(2) == 0 { self.below(bytes.len()) } else { tail + self.below(bytes.len() - tail) };
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)];
        }
        if self.below(5) == 0 {
            bytes.truncate(self.below(bytes.len()));
        }
        bytes
    }
}

/// How many loads came to the end and how many were refused before.
fn load_altered(world: &World, proxy: &Proxy, seed: &[u8]) -> (usize, usize) {
    let path = world.path("seed.o");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut linked, mut refused) = (0, 0);
    let mut kernel = Hosted::connect(&proxy.path).unwrap();
    for _ in 0..2_000 {
        std::fs::write(&path, random.alter(seed)).unwrap();
        let request = Insert {
            path: &path,
            name: None,
            parameters: &["numbers=1,2".to_owned()],
            force: Force::default(),
            globals: Globals::Export,
            lifetime: Lifetime::Manual,
            depth: Depth::Load,
        };
        let error = kernel.load(&request, Detail::LoadMap).expect_err("nothing is initialized");
        let text = error.to_string();
        assert!(!text.is_empty() && text.len() < 4096, "{text}");
        if text.starts_with("Initialization of seed failed") { linked += 1 } else { refused += 1 }
    }
    (linked, refused)
}

#[test]
fn altered_objects_leave_nothing_behind() {
    let (world, proxy, seeds) = world();
    for seed in seeds {
        let (linked, refused) = load_altered(&world, &proxy, &seed);
        assert!(linked > 200 && refused > 200, "{linked} linked, {refused} refused");
        assert!(world.loaded().is_empty() && world.notes().is_empty());
    }
}

#[test]
fn the_program_says_so_and_ends_with_one() {
    let (world, proxy, seeds) = world();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..120 {
        std::fs::write(world.path("seed.o"), random.alter(&seeds[round % 2])).unwrap();
        let done = Outcome::of(world.command("insmod").env("MODUTILS_KERNEL", &proxy.path).args(["seed.o", "numbers=1"]));
        let complaint = done.fails();
        assert!(complaint.starts_with("insmod: ERROR: ") && !complaint.contains("panicked"), "{complaint}");
    }
    assert!(world.loaded().is_empty());
}
