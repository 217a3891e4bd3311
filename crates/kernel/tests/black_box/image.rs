//! Images of modules: x86-64 machine code, written by hand.

use std::sync::{Arc, Mutex, PoisonError};

use uapi::{InitModule, KernelSym, MemoryLayout, Part, Routines, SymbolTable};

/// What test code a module calls.
type Callback = Arc<dyn Fn() -> i32 + Send + Sync>;

static CALLBACKS: Mutex<Vec<Callback>> = Mutex::new(Vec::new());

/// The only function of the host that these modules call: runs the callback with this number.
extern "C" fn callback(number: u64) -> i32 {
    let all = CALLBACKS.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = Arc::clone(&all[usize::try_from(number).unwrap()]);
    drop(all);
    wanted()
}

/// Distance of two functions in the text.
const STEP: u64 = 64;

/// A function: `mov eax, value; ret`.
pub(crate) fn returning(value: i32) -> Vec<u8> {
    [&[0xb8][..], &value.to_le_bytes(), &[0xc3]].concat()
}

/// A function that returns what `work` returns:
/// `sub rsp, 8; movabs rdi, number; movabs rax, callback; call rax; add rsp, 8; ret`.
pub(crate) fn calling(work: impl Fn() -> i32 + Send + Sync + 'static) -> Vec<u8> {
    let mut all = CALLBACKS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = all.len() as u64;
    all.push(Arc::new(work));
    let address = callback as *const () as u64;
    [
        &[0x48, 0x83, 0xec, 8, 0x48, 0xbf][..],
        &number.to_le_bytes(),
        &[0x48, 0xb8],
        &address.to_le_bytes(),
        &[0xff, 0xd0, 0x48, 0x83, 0xc4, 8, 0xc3],
    ]
    .concat()
}

/// `movabs rax, address`, then `instructions`, then `ret`.
fn at_address(address: u64, instructions: &[u8]) -> Vec<u8> {
    [&[0x48, 0xb8][..], &address.to_le_bytes(), instructions, &[0xc3]].concat()
}

/// `lock inc qword [rax]; lock or dword [rax], VISITED`: MOD_INC_USE_COUNT.
const INC: &[u8] = &[0xf0, 0x48, 0xff, 0x00, 0xf0, 0x81, 0x08, 0, 0, 0, 0x20];

/// `lock dec qword [rax]; lock or dword [rax], VISITED`: MOD_DEC_USE_COUNT.
const DEC: &[u8] = &[0xf0, 0x48, 0xff, 0x08, 0xf0, 0x81, 0x08, 0, 0, 0, 0x20];

/// A module to load.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) init: Vec<u8>,
    pub(crate) cleanup: Vec<u8>,
    /// Code behind the functions that every sample has.
    pub(crate) more: Vec<Vec<u8>>,
    pub(crate) exports: Vec<String>,
    pub(crate) references: Vec<u64>,
    pub(crate) autoclean: bool,
    /// Bytes at the start of the read-only part.
    pub(crate) constants: Vec<u8>,
    pub(crate) eh_frame: Option<(u64, u64)>,
}

/// A module whose init and cleanup succeed and do nothing.
pub(crate) fn sample(name: &str) -> Sample {
    Sample {
        name: name.to_owned(),
        init: returning(0),
        cleanup: returning(0),
        more: Vec::new(),
        exports: Vec::new(),
        references: Vec::new(),
        autoclean: false,
        constants: b"constant".to_vec(),
        eh_frame: None,
    }
}

/// Addresses of a sample's functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) base: u64,
    pub(crate) use_count: u64,
}

impl Loaded {
    /// Counts one user.
    pub(crate) fn inc(self) -> u64 {
        self.base + 2 * STEP
    }

    /// Takes one user off.
    pub(crate) fn dec(self) -> u64 {
        self.base + 3 * STEP
    }

    /// The function at this place of [`Sample::more`].
    pub(crate) fn more(self, at: u64) -> u64 {
        self.base + (4 + at) * STEP
    }
}

impl Sample {
    /// 1 page of text, 1 of constants, 2 of data; init code and data of 1 page each.
    pub(crate) fn layout(&self) -> MemoryLayout {
        MemoryLayout::from_sizes([4000, 64, 5000, 100, 100])
    }

    /// Where things are once the base is known.
    pub(crate) fn at(&self, base: u64) -> Loaded {
        Loaded { base, use_count: base + self.layout().part(Part::Data).offset }
    }

    /// The bytes for a base.
    pub(crate) fn image(&self, base: u64) -> Vec<u8> {
        let loaded = self.at(base);
        let mut image = vec![0xcc; usize::try_from(self.layout().size()).unwrap()];
        let (inc, dec) = (at_address(loaded.use_count, INC), at_address(loaded.use_count, DEC));
        let functions = [&self.init, &self.cleanup, &inc, &dec].into_iter().chain(&self.more);
        for (number, code) in functions.enumerate() {
            let at = number * usize::try_from(STEP).unwrap();
            image[at..at + code.len()].copy_from_slice(code);
        }
        let rodata = usize::try_from(self.layout().part(Part::Rodata).offset).unwrap();
        image[rodata..rodata + self.constants.len()].copy_from_slice(&self.constants);
        image
    }

    /// What `init_module` is told.
    pub(crate) fn request(&self, base: u64) -> InitModule {
        let symbols =
            self.exports.iter().enumerate().map(|(at, name)| KernelSym { value: base + (4 + at as u64) * STEP, name: name.clone() });
        InitModule {
            name: self.name.clone(),
            routines: Routines { init: base, cleanup: base + STEP },
            autoclean: self.autoclean,
            forced: false,
            table: Some(SymbolTable { symbols: symbols.collect(), references: self.references.clone() }),
            eh_frame: self.eh_frame,
            debug_object: Vec::new(),
        }
    }
}
