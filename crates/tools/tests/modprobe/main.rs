//! modprobe, depmod and modinfo at their door.

mod bytes;
mod hosted;
mod indexes;
mod interrupted;
mod reports;
mod words;
#[path = "../cli/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the classic tools, which use more of it")]
mod world;
