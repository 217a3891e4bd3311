//! The daemon as a process, from request to reply: against a kernel that only knows kerneld, with stub programs that write down
//! how they were called.

mod bench;
mod conversation;
mod engine;
mod fake_kernel;
mod hostile;
mod life;
mod requests;
mod unloading;
