//! The handlers of fault signals. A fault on a thread that is inside a guarded call ends that call; any other fault goes to the
//! handler that was there before.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Step};
use crate::fault::{Registers, Trap};

/// The signals of a fault. SIGTRAP is that of a breakpoint that was compiled in (`int3`); one that a debugger has set never
/// gets here.
const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];

/// Return addresses that are remembered.
const TRACE: usize = 32;

/// Bytes of the stack that handlers run on.
const ALTERNATE: usize = 64 << 10;

/// Where a stack is mapped.
#[derive(Clone, Copy)]
#[repr(C)]
struct Bounds {
    low: u64,
    top: u64,
}

/// What a guarded call needs to get back. The trampoline knows the place of the first two fields.
#[repr(C)]
pub(crate) struct Record {
    stack_pointer: u64,
    frame_pointer: u64,
    stack: Bounds,
    trapped: bool,
    signal: c_int,
    address: u64,
    registers: Registers,
    trace: [u64; TRACE],
}

impl Record {
    /// The record of a call that is going to run on this stack.
    pub(crate) fn new(low: u64, top: u64) -> Self {
        Self {
            stack_pointer: 0,
            frame_pointer: 0,
            stack: Bounds { low, top },
            trapped: false,
            signal: 0,
            address: 0,
            registers: Registers::default(),
            trace: [0; TRACE],
        }
    }

    /// What ended the call, if it did not return.
    pub(crate) fn trap(&self) -> Option<Trap> {
        let trace = self.trace.iter().copied().take_while(|address| *address != 0).collect();
        self.trapped.then_some(Trap { signal: self.signal, address: self.address, registers: self.registers, trace })
    }
}

thread_local! {
    /// The innermost guarded call of this thread. Constant initialization and no destructor: a handler may read it.
    static ACTIVE: Cell<*mut Record> = const { Cell::new(ptr::null_mut()) };
    static ALTERNATE_STACK: RefCell<Option<AlternateStack>> = const { RefCell::new(None) };
}

/// Makes `record` the innermost call of this thread, and answers the one before.
pub(crate) fn set_active(record: *mut Record) -> *mut Record {
    ACTIVE.with(|active| active.replace(record))
}

/// What the signals did before; indexed as [`SIGNALS`].
static PREVIOUS: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

/// Sets the handlers, once in the life of the process.
pub(crate) fn install() -> Result<(), Error> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if PREVIOUS.get().is_some() {
        return Ok(());
    }
    // A handler may run before all of them are set: remember first, change then.
    let mut previous = [no_action(); SIGNALS.len()];
    for (signal, place) in SIGNALS.iter().zip(&mut previous) {
        // SAFETY: a null new action only reads the current one into `place`.
        check(unsafe { libc::sigaction(*signal, ptr::null(), place) })?;
    }
    PREVIOUS.get_or_init(|| previous);
    let mut action = no_action();
    action.sa_sigaction = (handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    for signal in SIGNALS {
        // SAFETY: `handle` has the signature that SA_SIGINFO asks for, and does only what a handler may do.
        check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    }
    Ok(())
}

/// An action with nothing in it: the default one, nothing masked.
fn no_action() -> libc::sigaction {
    // SAFETY: all fields are integers or an optional function, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// The error of a C function that answered -1.
fn check(answer: c_int) -> Result<(), Error> {
    if answer == 0 { Ok(()) } else { Err(Error::System { step: Step::Handler, error: std::io::Error::last_os_error() }) }
}

/// The handler.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let record = ACTIVE.with(Cell::get);
    // SAFETY: the kernel hands a valid siginfo to a handler with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    // A code of 0 or less means that a process sent the signal: that is no fault of this thread's code.
    if record.is_null() || code <= 0 {
        chain(signal, info, context, code);
        return;
    }
    // SAFETY: `record` is that of the call on this thread, which cannot go on before the handler returns.
    let record = unsafe { &mut *record };
    // SAFETY: the kernel hands a valid ucontext to a handler with SA_SIGINFO; nobody else has it.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the kernel hands a valid siginfo to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: fault signals fill in the address.
    let address = unsafe { info.si_addr() };
    record.address = address.expose_provenance() as u64;
    record.signal = signal;
    record.trapped = true;
    record.registers = registers(context);
    record.trace = trace(record.registers.stack_pointer(), record.stack);
    recover(context, record);
}

/// The general registers of the interrupted code.
fn registers(context: &libc::ucontext_t) -> Registers {
    let order = [
        libc::REG_RIP,
        libc::REG_RSP,
        libc::REG_EFL,
        libc::REG_RAX,
        libc::REG_RBX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_RBP,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    Registers(
        order.map(|at| usize::try_from(at).ok().and_then(|at| context.uc_mcontext.gregs.get(at)).map_or(0, |value| value.cast_unsigned())),
    )
}

/// Sends the thread to the recovery point, with the record as argument, and with the flags that the psABI asks for at a call.
fn recover(context: &mut libc::ucontext_t, record: *mut Record) {
    unsafe extern "C" {
        fn kernel_module_recover();
    }
    /// Direction, trap and alignment-check flags (Intel SDM volume 1, 3.4.3).
    const FLAGS: i64 = 1 << 10 | 1 << 8 | 1 << 18;
    let recovery = kernel_module_recover as unsafe extern "C" fn() as usize as i64;
    let gregs = &mut context.uc_mcontext.gregs;
    for (at, value) in [(libc::REG_RIP, recovery), (libc::REG_RDI, record.expose_provenance() as i64)] {
        if let Some(place) = usize::try_from(at).ok().and_then(|at| gregs.get_mut(at)) {
            *place = value;
        }
    }
    if let Some(flags) = usize::try_from(libc::REG_EFL).ok().and_then(|at| gregs.get_mut(at)) {
        *flags &= !FLAGS;
    }
}

/// Words on the stack that point into module memory: return addresses, as the oops of Linux 2.0 found them.
fn trace(stack_pointer: u64, Bounds { low, top }: Bounds) -> [u64; TRACE] {
    let mut found = [0; TRACE];
    let mut places = found.iter_mut();
    if !(low..top).contains(&stack_pointer) {
        return found;
    }
    let mut at = stack_pointer.next_multiple_of(8);
    while at < top {
        let word: *const u64 = ptr::with_exposed_provenance(at as usize);
        // SAFETY: an aligned word of the stack of the abandoned call, which is mapped readable from `low` to `top`.
        let word = unsafe { word.read_volatile() };
        if crate::memory::is_module_address(word) {
            let Some(place) = places.next() else { break };
            *place = word;
        }
        at += 8;
    }
    found
}

/// What the process would have done without us.
fn chain(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, code: c_int) {
    let at = SIGNALS.iter().position(|each| *each == signal);
    let previous = PREVIOUS.get().zip(at).and_then(|(all, at)| all.get(at)).copied().unwrap_or_else(no_action);
    match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // The default action of all of them ends the process; a fault happens again as soon as the handler returns, but for
            // a breakpoint, which lies behind.
            // SAFETY: sets the default action.
            unsafe { libc::sigaction(signal, &raw const previous, ptr::null_mut()) };
            if (code <= 0 || signal == libc::SIGTRAP) && previous.sa_sigaction == libc::SIG_DFL {
                // SAFETY: sends a signal that is blocked until the handler returns.
                unsafe { libc::raise(signal) };
            }
        }
        function if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the address is that of a function with three arguments (`sigaction(2)`).
            let function: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = unsafe { std::mem::transmute(function) };
            function(signal, info, context);
        }
        function => {
            // SAFETY: without SA_SIGINFO it is one with one argument.
            let function: extern "C" fn(c_int) = unsafe { std::mem::transmute(function) };
            function(signal);
        }
    }
}

/// The stack that handlers of this thread run on: the fault may be an overflow of the other one.
struct AlternateStack {
    start: *mut c_void,
}

/// Gives this thread an alternate stack, once.
pub(crate) fn prepare_thread() -> Result<(), Error> {
    let ready = ALTERNATE_STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        if stack.is_none() {
            *stack = Some(AlternateStack::new()?);
        }
        Ok(())
    });
    // Where the thread is ending, its alternate stack is gone, and an overflow cannot be reported any more.
    ready.unwrap_or(Ok(()))
}

impl AlternateStack {
    fn new() -> Result<Self, Error> {
        use rustix::mm::{MapFlags, ProtFlags};
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping at an address that the kernel chooses.
        let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), ALTERNATE, protection, MapFlags::PRIVATE) };
        let stack = Self { start: start.map_err(Error::system(Step::Stack))? };
        let new = libc::stack_t { ss_sp: stack.start, ss_flags: 0, ss_size: ALTERNATE };
        // SAFETY: the memory is mapped as long as `stack` lives, and `drop` takes it off the thread.
        check(unsafe { libc::sigaltstack(&raw const new, ptr::null_mut()) })?;
        Ok(stack)
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        let mut now = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: a null new stack only reads the current one.
        let read = unsafe { libc::sigaltstack(ptr::null(), &raw mut now) };
        if read == 0 && now.ss_sp == self.start {
            let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // SAFETY: no handler runs on it now.
            unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
        }
        // SAFETY: mapped by `new`, and no longer the stack of any handler. Where it cannot be unmapped it stays, unused.
        let _ = unsafe { rustix::mm::munmap(self.start, ALTERNATE) };
    }
}
