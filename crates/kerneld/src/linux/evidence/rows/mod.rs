//! The rows.

mod agents;
mod devices;
mod network;
mod state;

pub(super) use agents::{agents, settings};
pub(super) use devices::{drivers, mounts, storage};
pub(super) use network::{netdevs, rules, sockets};
pub(super) use state::{count, parameters, taint};

use super::State;

/// Things that were found, or none.
fn held(facts: Vec<String>) -> State {
    if facts.is_empty() { State::Clear } else { State::Holds(facts) }
}

/// The first reason why something could not be read, else what was found.
fn readable(faults: impl IntoIterator<Item = String>, facts: Vec<String>) -> State {
    // What was found holds whatever else was not.
    match faults.into_iter().next() {
        Some(fault) if facts.is_empty() => State::Unreadable(fault),
        _ => held(facts),
    }
}
