//! Faults of module code, and the report that the log gets of them.

use std::fmt::Write as _;

use uapi::ModuleName;

use crate::list::ModuleList;
use crate::module::Module;

/// Names of the registers in the order of [`Registers`].
const REGISTER_NAMES: [&str; 18] =
    ["rip", "rsp", "eflags", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// General registers of x86-64 at the moment of a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Registers(pub(crate) [u64; 18]);

impl Registers {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REGISTER_NAMES.into_iter().zip(self.0)
    }

    /// Where the code was.
    #[must_use]
    pub fn instruction_pointer(&self) -> u64 {
        self.0[0]
    }

    /// Where its stack was.
    #[must_use]
    pub fn stack_pointer(&self) -> u64 {
        self.0[1]
    }
}

/// What the fault handler saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The signal: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP.
    pub signal: i32,
    /// The address that was touched (SIGSEGV, SIGBUS), or that of the instruction.
    pub address: u64,
    /// The registers.
    pub registers: Registers,
    /// Words on the stack that point into module memory, innermost first.
    pub trace: Vec<u64>,
}

impl Trap {
    /// Name of the signal (`signal(7)`).
    #[must_use]
    pub fn signal_name(&self) -> &'static str {
        let names = [
            (libc::SIGSEGV, "SIGSEGV"),
            (libc::SIGBUS, "SIGBUS"),
            (libc::SIGILL, "SIGILL"),
            (libc::SIGFPE, "SIGFPE"),
            (libc::SIGTRAP, "SIGTRAP"),
        ];
        names.into_iter().find(|(signal, _)| *signal == self.signal).map_or("signal", |(_, name)| name)
    }
}

/// Why a guarded call did not return, before anybody asked which module it was in.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It trapped.
    Trapped(Box<Trap>),
    /// A panic of the embedder's own code came through it.
    Panicked,
    /// No memory for its stack.
    NoStack,
}

/// Why a call into module code gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no code at that address: it lies in no module that can run, or in the first page.
    NoCode {
        /// The address.
        address: u64,
    },
    /// The module trapped before, and is never run again.
    Dead {
        /// The module.
        module: ModuleName,
    },
    /// The call trapped. The report is in the log.
    Trapped {
        /// The module that was called; `None` for code of the embedder's own.
        called: Option<ModuleName>,
        /// The module in which it trapped, and how far from the base of it; `None` where it trapped outside of all modules.
        place: Option<(ModuleName, u64)>,
        /// What the handler saw.
        trap: Box<Trap>,
    },
    /// A panic of the embedder's own code came through the module.
    Panicked {
        /// The module that was called.
        module: Option<ModuleName>,
    },
    /// There is no memory for the stack of the call.
    NoStack,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCode { address } => write!(f, "no code of a module at {address:#x}"),
            Self::Dead { module } => write!(f, "`{module}` is dead"),
            Self::Trapped { called, place, trap } => {
                match place {
                    Some((module, offset)) => write!(f, "{} in `{module}`+{offset:#x}", trap.signal_name()),
                    None => write!(f, "{} at {:#x}, outside of all modules", trap.signal_name(), trap.registers.instruction_pointer()),
                }?;
                let elsewhere = called.as_ref().filter(|called| place.as_ref().is_none_or(|(module, _)| module != *called));
                elsewhere.map_or(Ok(()), |called| write!(f, ", in a call to `{called}`"))
            }
            Self::Panicked { module: Some(module) } => write!(f, "a panic came through `{module}`"),
            Self::Panicked { module: None } => f.write_str("a panic came through module code"),
            Self::NoStack => f.write_str("no memory for the stack of a call"),
        }
    }
}

impl std::error::Error for Fault {}

/// The report: what, where, registers, and the return addresses into modules.
pub(crate) fn report(list: &ModuleList, trap: &Trap, doing: &str, taint: &str) -> Vec<String> {
    let place = trap.registers.instruction_pointer();
    let mut lines = vec![
        format!("Oops: {} while {doing}, address {:#018x}", trap.signal_name(), trap.address),
        format!("RIP: {}    Tainted: {taint}", location(list, place)),
    ];
    for row in trap.registers.iter().collect::<Vec<_>>().chunks(4) {
        let mut line = String::new();
        for (name, value) in row {
            let _ = write!(line, "{name:>6}: {value:016x}");
        }
        lines.push(line.trim_start().to_owned());
    }
    lines.push("Call Trace:".to_owned());
    lines.extend(trap.trace.iter().map(|address| format!(" {}", location(list, *address))));
    lines
}

/// An address as an oops shows it: `<address> [module]+offset (symbol+offset)`.
fn location(list: &ModuleList, address: u64) -> String {
    let Some(module) = list.at(address) else { return format!("<{address:016x}>") };
    let offset = address.saturating_sub(module.base);
    match nearest(module, address) {
        Some((symbol, from)) => format!("<{address:016x}> [{}]+{offset:#x} ({symbol}+{from:#x})", module.name),
        None => format!("<{address:016x}> [{}]+{offset:#x}", module.name),
    }
}

/// The nearest known symbol at or below an address: an export or an entry point.
fn nearest(module: &Module, address: u64) -> Option<(String, u64)> {
    let part = module.part_at(address);
    let exports = module.symbols.iter().map(|symbol| (symbol.name.clone(), symbol.value));
    let routines = module.routines.iter();
    let entries = routines.flat_map(|each| [("init_module".to_owned(), each.init), ("cleanup_module".to_owned(), each.cleanup)]);
    let below = exports.chain(entries).filter(|(_, value)| *value <= address && module.part_at(*value) == part);
    below.max_by_key(|(_, value)| *value).map(|(name, value)| (name, address.saturating_sub(value)))
}
