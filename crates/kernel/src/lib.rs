//! The kernel side of loadable modules, as a library that any program can embed.
//!
//! A [`Kernel`] has a module list, a table of exported symbols, the classic system calls (`create_module`, `init_module`,
//! `delete_module`, `get_kernel_syms`, and the later `query_module`), use counts, demand loading through kerneld and idle
//! unloading. It knows modules and nothing else: what modules are for is its embedder's business.
//!
//! # Embedding
//!
//! ```
//! use kernel::{Kernel, Level};
//! use uapi::ProcFile;
//!
//! /// What this program offers to its modules.
//! extern "C" fn answer() -> i32 {
//!     42
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kernel = Kernel::builder()
//!     .release("1.0-example")
//!     .export("answer", answer as *const () as u64, "int answer(void)")
//!     .log(|level, line| {
//!         if level <= Level::Warning {
//!             eprintln!("{line}");
//!         }
//!     })
//!     .build()?;
//!
//! // Modules are linked against what was exported, and nothing else.
//! assert_eq!(kernel.get_module_symbol(None, "answer"), Some(answer as *const () as u64));
//! assert_eq!(kernel.get_module_symbol(None, "main"), None);
//!
//! // Programs such as insmod and lsmod find the kernel at its socket.
//! let directory = tempfile::tempdir()?;
//! let server = kernel.serve(directory.path().join("kernel"))?;
//! let mut client = uapi::Client::connect(server.path())?;
//! assert_eq!(client.uname()?.release, "1.0-example");
//! assert_eq!(client.read(ProcFile::Modules)?, "", "no module is loaded yet");
//!
//! // No daemon is attached, so nobody loads a module on demand: -ENODEV.
//! assert_eq!(kernel.request_module("vfat"), -19);
//! # Ok(())
//! # }
//! ```
//!
//! # What a fault report protects, and what it does not
//!
//! A module is native code in this process. By default a fault in it ends the process, as in any program. With
//! [`Oops::Diagnose`] code of modules runs on a stack of its own, and a fault on that thread (a bad pointer, a bad instruction, a
//! division by zero, a stack overflow) is reported like an oops; the call is abandoned, and the module is marked dead: it is never
//! run again, and its memory stays mapped for ever.
//!
//! This is a **diagnostic, not a protection**. It finds out which module trapped, and lets the program save what it can. It does
//! not make the program sound again:
//!
//! * what the abandoned code held stays held: a lock of the embedder that it had taken is never released, and the next one who
//!   takes it waits for ever; memory and descriptors are leaked;
//! * destructors of the embedder's own frames on that stack do not run: exports should be plain code that keeps no lock while
//!   it touches what a module gave it;
//! * wrong writes that do not trap are not noticed: a module can overwrite anything in the process, and a double free ends it;
//! * a loop without end is not noticed;
//! * only calls through [`Kernel::call`] and the entry points are guarded, not threads that a module makes.
//!
//! What becomes of the module depends on what it was doing. One that trapped in `init_module` holds no references any more, and
//! its entry can be deleted (nothing of it runs for that). One that trapped later keeps its entry: `delete_module` answers
//! `EBUSY` for the life of the process. Modules that use it can still be removed, as far as their own code gets. In both cases the
//! pages stay mapped, because anything may still point to them.
//!
//! After a fault the kernel is tainted `D`, and the program should be restarted when it can be. Code that is not trusted
//! belongs in a process of its own.
#![deny(unsafe_code)]

mod arena;
mod builder;
mod call;
mod channel;
mod credentials;
mod eh_frame;
mod error;
mod fault;
mod gdb;
mod interrupt;
mod kernel;
mod kerneld;
mod ksyms;
mod list;
mod load;
mod log;
mod memory;
mod module;
#[cfg(target_arch = "x86_64")]
mod oops;
mod options;
mod peer;
mod perf;
mod proc;
mod queue;
mod ratelimit;
mod run;
mod seal;
mod server;
mod syscall;

pub use builder::KernelBuilder;
pub use channel::KerneldReply;
pub use error::{Error, Routine, Step, TableError};
pub use fault::{Fault, Registers, Trap};
pub use interrupt::InterruptContext;
pub use kernel::{Fate, Kernel, Unloaded};
pub use load::{Lifetime, Load};
pub use log::Level;
pub use modlink::module::{Exports, Force};
pub use module::{Errand, State};
pub use options::{Gdb, Limits, Lockdown, Modversions, Oops, PerfMap, Unwind, Wait};
pub use peer::{Peer, Privilege};
pub use server::Server;
