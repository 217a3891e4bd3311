//! Calls into module code: plain ones, and guarded ones that survive a fault.
//!
//! A guarded call runs on a stack of its own, between guard pages; what it takes to get back lies on a page of its own behind
//! them, where no overrun of that stack reaches it. The fault handler (`oops.rs`) sends the thread to the recovery point.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Error;
use crate::fault::Stop;
use crate::options::Oops;

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guard {
    oops: Oops,
}

/// A module function as the embedder calls it: up to six integer or pointer arguments (psABI 3.2.3).
type Function = extern "C-unwind" fn(u64, u64, u64, u64, u64, u64) -> u64;

impl Guard {
    /// Calls as the embedder wants them.
    ///
    /// # Errors
    /// [`Error::OopsUnsupported`], or [`Error::System`] where the handlers cannot be set.
    pub(crate) fn new(oops: Oops) -> Result<Self, Error> {
        match oops {
            Oops::Off => {}
            #[cfg(target_arch = "x86_64")]
            Oops::Diagnose => crate::oops::install()?,
            #[cfg(not(target_arch = "x86_64"))]
            Oops::Diagnose => return Err(Error::OopsUnsupported),
        }
        Ok(Self { oops })
    }

    /// Calls the code at `address`, which the caller has found to be a function (of a module that cannot go meanwhile, or its own).
    ///
    /// # Errors
    /// [`Stop`]: the code trapped, or panicked through its frames.
    pub(crate) fn call(self, address: u64, arguments: [u64; 6]) -> Result<u64, Stop> {
        let call = || match self.oops {
            Oops::Off => Ok(plain(address, arguments)),
            #[cfg(target_arch = "x86_64")]
            Oops::Diagnose => guarded::call(address, arguments),
            #[cfg(not(target_arch = "x86_64"))]
            Oops::Diagnose => Ok(plain(address, arguments)),
        };
        catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Stop::Panicked))
    }
}

/// A call on the stack of the caller.
fn plain(address: u64, [a, b, c, d, e, f]: [u64; 6]) -> u64 {
    let pointer: *const () = std::ptr::with_exposed_provenance(usize::try_from(address).unwrap_or(0));
    // SAFETY: the caller of `Guard::call` vouches for a function at this address with the C calling convention.
    let function: Function = unsafe { std::mem::transmute(pointer) };
    function(a, b, c, d, e, f)
}

#[cfg(target_arch = "x86_64")]
mod guarded {
    use std::cell::RefCell;

    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

    use crate::fault::Stop;
    use crate::oops::{self, Record};

    /// Bytes of stack that module code, and the host code that it calls, may use.
    const STACK: usize = 1 << 20;
    /// Bytes below it that no large frame steps over by accident.
    const GUARD: usize = 64 << 10;
    /// Bytes of the guard above it, and of the page behind that guard with the record.
    const PAGE: usize = 4096;
    const TOTAL: usize = GUARD + STACK + PAGE + PAGE;

    // kernel_module_call(record: *mut Record, stack_top: u64, function: u64, arguments: *const [u64; 6]) -> u64
    //
    // Saves what the psABI (3.2.1) asks a function to preserve, notes the stack pointer in the record, changes to the other stack
    // and calls. The frame is found through rbp, so unwinding (.cfi) crosses the change of stacks. After a fault, the thread comes
    // back at kernel_module_recover with the record in rdi.
    std::arch::global_asm!(
        ".pushsection .text.kernel_module_call, \"ax\", @progbits",
        ".globl kernel_module_call",
        ".hidden kernel_module_call",
        ".type kernel_module_call, @function",
        "kernel_module_call:",
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_offset r15, -56",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov [rdi + 8], rbp",
        "mov rsp, rsi",
        "mov rax, rdx",
        "mov r10, rcx",
        "mov rdi, [r10]",
        "mov rsi, [r10 + 8]",
        "mov rdx, [r10 + 16]",
        "mov rcx, [r10 + 24]",
        "mov r8, [r10 + 32]",
        "mov r9, [r10 + 40]",
        "call rax",
        "lea rsp, [rbp - 48]",
        "2:",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".globl kernel_module_recover",
        ".hidden kernel_module_recover",
        "kernel_module_recover:",
        ".cfi_def_cfa rbp, 16",
        "mov rsp, [rdi]",
        "mov rbp, [rdi + 8]",
        "ldmxcsr [rsp]",
        "fninit",
        "fldcw [rsp + 4]",
        "xor eax, eax",
        "jmp 2b",
        ".cfi_endproc",
        ".size kernel_module_call, . - kernel_module_call",
        ".popsection",
    );

    unsafe extern "C-unwind" {
        fn kernel_module_call(record: *mut Record, stack_top: u64, function: u64, arguments: *const [u64; 6]) -> u64;
    }

    /// A stack for module code, with its record.
    struct Stack {
        start: *mut u8,
    }

    impl Stack {
        /// Maps a new one.
        fn new() -> Result<Self, Stop> {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: a fresh mapping at an address that the kernel chooses.
            let start = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), TOTAL, ProtFlags::empty(), flags) };
            let stack = Self { start: start.map_err(|_| Stop::NoStack)?.cast() };
            let writable = MprotectFlags::READ | MprotectFlags::WRITE;
            for (offset, length) in [(GUARD, STACK), (TOTAL - PAGE, PAGE)] {
                let part = stack.start.wrapping_add(offset);
                // SAFETY: a part of the mapping made just now, which nobody uses yet.
                unsafe { rustix::mm::mprotect(part.cast(), length, writable) }.map_err(|_| Stop::NoStack)?;
            }
            Ok(stack)
        }

        /// One that an earlier call left, or a new one.
        fn take() -> Result<Self, Stop> {
            let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
            pooled.map_or_else(Self::new, Ok)
        }

        /// Leaves it for the next call of this thread.
        fn put(self) {
            // At the end of a thread there is no pool any more, and the stack is unmapped here.
            let _ = POOL.try_with(move |pool| pool.borrow_mut().push(self));
        }

        fn record(&self) -> *mut Record {
            self.start.wrapping_add(TOTAL - PAGE).cast()
        }

        fn low(&self) -> u64 {
            self.start.wrapping_add(GUARD).expose_provenance() as u64
        }

        fn top(&self) -> u64 {
            self.low() + STACK as u64
        }
    }

    impl Drop for Stack {
        fn drop(&mut self) {
            // SAFETY: the mapping was made by `new`, and no call runs on it: `call` gives it up only when it is over.
            // Where it cannot be unmapped it stays, unused.
            let _ = unsafe { rustix::mm::munmap(self.start.cast(), TOTAL) };
        }
    }

    thread_local! {
        static POOL: RefCell<Vec<Stack>> = const { RefCell::new(Vec::new()) };
    }

    /// Takes the record off the thread when the call is over, however it ends.
    struct Active {
        previous: *mut Record,
    }

    impl Drop for Active {
        fn drop(&mut self) {
            oops::set_active(self.previous);
        }
    }

    /// A call on a stack of its own.
    pub(super) fn call(address: u64, arguments: [u64; 6]) -> Result<u64, Stop> {
        oops::prepare_thread().map_err(|_| Stop::NoStack)?;
        let stack = Stack::take()?;
        let record = stack.record();
        // SAFETY: the page of the record is mapped writable, aligned, and belongs to this call alone.
        unsafe { record.write(Record::new(stack.low(), stack.top())) };
        let active = Active { previous: oops::set_active(record) };
        // SAFETY: the record and the stack are this call's own, the arguments live until it returns, and the caller of
        // `Guard::call` vouches for a function at `address`.
        let value = unsafe { kernel_module_call(record, stack.top(), address, &raw const arguments) };
        drop(active);
        // SAFETY: the record was written above, and the handler, which may have changed it, is over.
        match unsafe { (*record).trap() } {
            None => {
                stack.put();
                Ok(value)
            }
            // What the abandoned frames left on the stack may be pointed to: it is never used again.
            Some(trap) => {
                std::mem::forget(stack);
                Err(Stop::Trapped(Box::new(trap)))
            }
        }
    }
}
