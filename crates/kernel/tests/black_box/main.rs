//! The kernel library at its doors: request and reply, memory, faults, socket, kerneld's channel.
//!
//! Modules are small pieces of x86-64 machine code that the tests write themselves (`image.rs`); most of them only call back into
//! the test, so what a module does is written in Rust.
#![cfg(target_arch = "x86_64")]

mod autoclean;
mod channel;
mod debugger;
mod errors;
mod faults;
mod hostile;
mod image;
mod lifecycle;
mod loading;
mod memory;
mod model;
mod server;
mod signals;
mod symbols;
mod texts;
mod world;
