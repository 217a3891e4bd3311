//! The daemon of Linux at its doors: sockets, files, signals. It rehearses: nothing is ever loaded.
#![forbid(unsafe_code)]

mod dice;
mod equality;
mod install;
mod lasting;
mod messages;
mod mutation;
mod serving;
mod system;
mod targets;
mod watchdog;
